"""What a person can do with one schedule: one POST each."""
