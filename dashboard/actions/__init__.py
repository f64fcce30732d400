"""What a person can do: one POST each."""
