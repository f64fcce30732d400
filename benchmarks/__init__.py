"""Durable beside its peers and beside the limit of the database, on one machine: `python -m benchmarks`."""
