"""The campaign's frame, and each of its modules in seconds: `make campaign` runs them at scale."""
