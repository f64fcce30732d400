"""What a person can look at: one GET each."""
