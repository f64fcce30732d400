"""Names of other libraries for what Durable does."""
