"""The operator's commands that are more than one: a file a noun, each command an exit code."""
