"""What things are. Pure: no I/O, no framework, no vendor words."""
