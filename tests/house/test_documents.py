"""What the documents point at is there."""

from __future__ import annotations

import re

from tests.house.source import ROOT, kept_files, name

CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [path for path in kept_files() if path.suffix == ".md"]
    dead = [
        f"{name(path)}: {target}"
        for path in documents
        for target in LINK.findall(CODE.sub("", path.read_text()))
        if not (path.parent / target).exists()
    ]

    assert documents
    assert dead == []


def test_every_page_is_listed() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert pages - set(LINK.findall((ROOT / "docs" / "README.md").read_text())) == set()


def test_every_behaviour_of_a_wire_says_whose_word_it_is() -> None:
    text = (ROOT / "docs" / "dialects.md").read_text()
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.partition("## Behaviour")[2].partition("\n## ")[0].splitlines()
        if line.startswith("| ")
    ]
    told = [(row[0], *row[column : column + 2]) for row in rows[1:] for column in (1, 3, 5)]

    assert len(rows) > 25
    assert {len(row) for row in rows} == {7}
    unmarked = [
        (what, said)
        for what, said, mark in told
        if bool(said) != bool(mark) or set(mark.split(", ")) - {"", "V", "O", "N"}
    ]
    assert unmarked == []


def test_decisions_are_dated_and_short() -> None:
    for record in (ROOT / "docs" / "decisions").glob("*.md"):
        text = record.read_text()
        assert re.match(r"\d{4}-\d\d-[a-z-]+\.md", record.name)
        assert len(text.splitlines()) <= 40
        for part in ("## Context", "## Decision", "## Consequences"):
            assert part in text
