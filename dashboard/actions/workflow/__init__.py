"""What a person can do with one workflow: one POST each."""
