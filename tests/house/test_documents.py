"""What the documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path

from regcred.__main__ import keys
from regcred.clients.cli import app
from tests.house.source import ROOT, kept_files, name

CODE = re.compile(r"`[^`\n]+`")
PART = re.compile(r"\]\((?!https?:)([^)#]*\.md|)#([^)]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.MULTILINE)
LINKED = re.compile(r"\[([^\]]*)\]\([^)]*\)")
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


def test_every_link_to_a_part_of_a_page_finds_its_heading() -> None:
    documents = [path for path in kept_files() if path.suffix == ".md"]
    lost = [
        f"{name(path)}: {target}#{part}"
        for path in documents
        for target, part in PART.findall(CODE.sub("", path.read_text()))
        if part not in _headings((path.parent / target) if target else path)
    ]

    assert lost == []


def _headings(page: Path) -> set[str]:
    """Return the names by which a page's headings are pointed at, as GitHub makes them."""
    text = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = [LINKED.sub(r"\1", title) for title in HEADING.findall(text)]
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_command_lines_page_has_every_command_of_the_operator() -> None:
    page = (ROOT / "docs" / "cli.md").read_text().partition("## The operator's commands")[2]
    named = [
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
        if command.rich_help_panel == "Operator"
    ]
    named += [f"keys {command.name}" for command in keys.registered_commands]

    assert len(named) > 10
    assert [name for name in named if not re.search(rf"^\| `{name}[` ]", page, re.MULTILINE)] == []


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
