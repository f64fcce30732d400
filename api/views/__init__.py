"""One noun a file. Views read rows and call verbs; what a verb means is decided in `durable`."""
