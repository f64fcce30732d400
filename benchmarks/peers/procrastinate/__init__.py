"""The programs of procrastinate, written after its documentation."""
