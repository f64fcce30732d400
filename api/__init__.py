"""The REST API: what the console shows and does, for machines. `views/` and `serializers/` hold one noun a file."""
