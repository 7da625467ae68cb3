"""The parts of the canary search: marked secrets, what looks for them, where they are put."""
