"""What a migration would do is told beforehand, and the telling changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from regcred.adapters.storage.migrations.plan import (
    CONTRACT,
    EXPAND,
    Revision,
    Step,
    revisions_after,
    tables_of,
)
from regcred.adapters.storage.postgres.ddl import translate_ddl
from regcred.adapters.storage.revision import HEAD
from regcred.adapters.storage.sqlite import schema
from regcred.bootstrap.commands.migrations import planned
from regcred.domain.errors import StartRefused
from tests.adapters.storage.old_store import at_revision


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_no_revision_takes_anything_from_the_version_before(dialect: str) -> None:
    """A statement that the plan does not know counts as one that does."""
    revisions = revisions_after(None, dialect, translate_ddl if dialect == "postgresql" else str)
    contracts = [
        (revision.number, step.statement)
        for revision in revisions
        for step in revision.steps
        if step.kind == CONTRACT
    ]

    assert [revision.number for revision in revisions][:: len(revisions) - 1] == ["0001", HEAD]
    assert contracts == []


def test_a_database_is_told_of_in_its_own_words() -> None:
    statements = [
        step.statement
        for revision in revisions_after("0004", "postgresql", translate_ddl)
        for step in revision.steps
    ]

    assert any(one.startswith("CREATE FUNCTION public.regcred_resolve") for one in statements)
    assert not any("STRICT" in one or "INTEGER" in one for one in statements)


def test_a_plan_says_what_is_to_come_with_its_rows_and_changes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    at_revision(directory, "0001")
    before = (directory / "regcred.db").read_bytes()

    found, revisions, rows = schema.plan(directory)
    lines = planned(found, revisions, rows)

    assert (found, schema.current_revision(directory)) == ("0001", "0001")
    assert (directory / "regcred.db").read_bytes() == before
    assert rows["credentials"] == 1
    assert lines[0] == f"schema 0001 -> {HEAD}, all of it or nothing"
    assert "            writes rows (1 rows)" in lines
    assert lines[-1] == "it only adds: servers of the version before go on working"


def test_a_current_store_has_nothing_to_come(directory: Path) -> None:
    assert planned(*schema.plan(directory)) == [f"schema {HEAD}: current, nothing to do"]


def test_walls_that_do_not_stand_are_something_to_do(directory: Path) -> None:
    current = planned(*schema.plan(directory), ["events", "uses"])
    behind = planned("0001", revisions_after("0001", "postgresql", translate_ddl), {}, ["events"])

    assert current == [f"schema {HEAD}: current", "walls to be put up anew on: events, uses"]
    assert behind[-2] == "walls to be put up anew on: events"


def test_a_newer_store_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "HEAD", "0001")
    monkeypatch.setattr("regcred.adapters.storage.revision.HEAD", "0001")

    with pytest.raises(StartRefused, match="newer"):
        schema.plan(directory)


def test_what_takes_something_away_says_to_stop_the_servers_before() -> None:
    step = Step("DROP TABLE fetches", CONTRACT, "stop them first", "")
    added = Step("CREATE TABLE fetches ( number INTEGER )", EXPAND, "a new table", "fetches")

    lines = planned("0001", [Revision("0002", "Less.", (step, added))], {})

    assert "stop every server of an earlier version before" in lines[-1]
    assert tables_of([Revision("0002", "Less.", (step, added))]) == set()
