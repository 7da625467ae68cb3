"""The lines that a page of `docs/` shows, to be run as they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.house.source import ROOT

PULLERS = ROOT / "docs" / "pullers"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block: its language, its text, and where it begins."""

    language: str
    text: str
    line: int


def blocks(page: Path, *languages: str) -> Sequence[Block]:
    """Return a page's fenced blocks of these languages, in order."""
    text = page.read_text()
    found = (
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)
        for match in _BLOCK.finditer(text)
    )
    return [block for block in found if block.language in languages]
