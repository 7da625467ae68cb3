"""Real programs for the system tests, the demo and the benchmarks; nothing here is shipped."""
