"""The programs of huey, written after its documentation."""
