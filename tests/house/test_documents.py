"""What the documents point at is there."""

from __future__ import annotations

import re

from tests.house.source import ROOT, kept_files, name

LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [path for path in kept_files() if path.suffix == ".md"]
    dead = [
        f"{name(path)}: {target}"
        for path in documents
        for target in LINK.findall(path.read_text())
        if not (path.parent / target).exists()
    ]

    assert documents
    assert dead == []


def test_decisions_are_dated_and_short() -> None:
    for record in (ROOT / "docs" / "decisions").glob("*.md"):
        text = record.read_text()
        assert re.match(r"\d{4}-\d\d-[a-z-]+\.md", record.name)
        assert len(text.splitlines()) <= 40
        for part in ("## Context", "## Decision", "## Consequences"):
            assert part in text
