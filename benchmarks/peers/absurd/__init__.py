"""The programs of absurd, written after its documentation."""
