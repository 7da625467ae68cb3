"""Programs that a system test needs: missing ones skip it here, and fail it where CI is true."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tools.missing import do_without
from tests.tools.programs import ProgramMissing, find

RequireTool = Callable[[str], None]


def require_tool(name: str) -> None:
    """Pass if a program is installed. In CI a proof that did not run is a failed proof."""
    try:
        find(name)
    except ProgramMissing:
        do_without(f"{name} is not installed")


@pytest.fixture(scope="session", name="require_tool")
def require_tool_fixture() -> RequireTool:
    return require_tool
