"""What a test does without something that is to be installed."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def do_without(missing: str) -> NoReturn:
    """Skip, saying what is missing. In CI a proof that did not run is a failed proof."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{missing}, and must be where CI is true", pytrace=False)
    pytest.skip(missing)
