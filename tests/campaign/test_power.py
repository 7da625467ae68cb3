"""F2 in seconds: some dozens of power cuts in a trace of the real server, and the disk's model."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.system.conftest import require_tool
from tools.campaign import f02_power
from tools.campaign.disk import Disk
from tools.campaign.tracing import Event


@pytest.mark.system
def test_a_power_cut_loses_nothing_acknowledged_and_lax_builds_are_caught() -> None:
    require_tool("strace")
    report = f02_power.run(0.001)

    assert report.violations == []
    assert report.counts["images"] >= 60
    assert [control for control in report.controls if not control.caught] == []


# The disk's model

ROOT = Path("/somewhere")


def outcomes(tmp_path: Path, events: list[Event], *, cuts: int = 200) -> set[bytes | None]:
    """Return everything that the file `db` may be after a power cut."""
    disk = Disk(tmp_path / "nothing", ROOT)
    for event in events:
        disk.take(event)
    chance = random.Random(1)
    found = set()
    for cut in range(cuts):
        image = tmp_path / str(cut)
        image.mkdir()
        disk.image(image, chance)
        file = image / "store" / "db"
        found.add(file.read_bytes() if file.exists() else None)
    return found


def db(what: str, data: bytes = b"", offset: int = 0) -> Event:
    return Event(what, "/somewhere/store/db", data, offset)


SYNCED = [db("sync begins"), db("sync")]
NAMED = [Event("sync", "/somewhere/store")]


def test_what_was_synced_is_always_there(tmp_path: Path) -> None:
    events = [db("create"), db("write", b"old"), *SYNCED, *NAMED]

    assert outcomes(tmp_path, events) == {b"old"}


def test_what_was_not_synced_may_be_there_or_not(tmp_path: Path) -> None:
    events = [db("create"), db("write", b"old"), *SYNCED, *NAMED, db("write", b"new")]

    assert outcomes(tmp_path, events) == {b"old", b"new"}


def test_a_file_whose_name_was_not_synced_may_be_missing(tmp_path: Path) -> None:
    assert outcomes(tmp_path, [db("create"), db("write", b"old"), *SYNCED]) == {b"old", None}


def test_a_write_may_be_torn_where_sectors_meet(tmp_path: Path) -> None:
    old, new = b"o" * 1024, b"n" * 1024
    events = [db("create"), db("write", old), *SYNCED, *NAMED, db("write", new)]

    found = outcomes(tmp_path, events)

    assert found == {old, new, old[:512] + new[512:], new[:512] + old[512:]}


def test_a_sync_is_not_believed_for_what_was_written_during_it(tmp_path: Path) -> None:
    during = [db("sync begins"), db("write", b"new"), db("sync")]
    events = [db("create"), db("write", b"old"), *NAMED, *during]

    assert outcomes(tmp_path, events) == {b"old", b"new"}


def test_a_rename_leaves_the_old_or_the_new_and_a_renamed_file_may_be_empty(tmp_path: Path) -> None:
    unsynced = [
        Event("create", "/somewhere/store/.new"),
        Event("write", "/somewhere/store/.new", b"new"),
        Event("rename", "/somewhere/store/.new", to="/somewhere/store/db"),
    ]
    events = [db("create"), db("write", b"old"), *SYNCED, *NAMED, *unsynced]

    assert outcomes(tmp_path, events) == {b"old", b"new", b""}
