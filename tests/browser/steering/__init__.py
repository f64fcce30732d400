"""Workflows that a person steers in a browser."""
