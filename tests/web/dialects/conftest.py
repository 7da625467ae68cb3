from __future__ import annotations

import pytest

from tests.web.dialects.driver import Speaker, driver_of
from tests.web.world import World


@pytest.fixture
def speaker(world: World, name: str) -> Speaker:
    """Whoever speaks the dialect of that name to a fresh service."""
    return Speaker(world, driver_of(name))
