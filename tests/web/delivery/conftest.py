from __future__ import annotations

import pytest

from tests.web.world import World


@pytest.fixture
async def world() -> World:
    """A fresh service with two projects and a key for every role."""
    return await World().populate()
