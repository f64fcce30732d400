"""What goes over the wire. A representation is a contract of its own, not a mirror of a table."""
