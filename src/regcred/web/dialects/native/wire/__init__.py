"""The native shapes, one file a noun: what is written, what is shown, and from domain to wire."""
