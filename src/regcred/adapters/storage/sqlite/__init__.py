"""The embedded store: one file, one serving process, reads inline, one writer (group commit)."""
