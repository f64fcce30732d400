"""The programs of DBOS Transact, written after its documentation."""
