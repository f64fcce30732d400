"""The console: pages that show what Durable does, and actions that steer it."""
