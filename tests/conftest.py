"""How much the property tests try: little by default, a lot in a campaign."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Nothing timed is asserted: on a loaded machine a deadline fails tests that are right.
settings.register_profile("default", max_examples=25, deadline=None, derandomize=True)
settings.register_profile(
    "campaign",
    max_examples=1_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("REGCRED_HYPOTHESIS_PROFILE", "default"))
