"""What a person can do with one queue: one POST each."""
