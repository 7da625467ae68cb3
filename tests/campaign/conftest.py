"""What campaigns start is not measured."""

from __future__ import annotations

import pytest

from tests.tools.programs import FOLLOWED


@pytest.fixture(autouse=True)
def unfollowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep coverage out of the programs: most are killed before they could say what they ran."""
    for name in FOLLOWED:
        monkeypatch.delenv(name, raising=False)
