"""Tests; the tools in `tests.tools` are shared with the demo and the benchmarks."""
