"""The programs of Celery on Redis, written after its documentation."""
