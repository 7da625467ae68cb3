"""What `make campaign` runs: one module for each F-number of the reliability plan.

A module has `run(scale) -> Report`. It starts what it attacks itself, counts what it did, states
what it may never see, and proves with a control, a deliberately broken build, that it would see it.
"""
