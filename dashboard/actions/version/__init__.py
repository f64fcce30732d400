"""What a person can do with versions of the code: one POST each."""
