"""The limit: the driver, and nothing between it and the database."""
