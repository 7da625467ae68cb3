"""An accepted rollback excuses what was found then; what was edited or taken since is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.audit_walk import AuditWalk
from regcred.domain.audit import NO_PROJECT, Action
from tests.adapters.storage.samples import event
from tests.bootstrap.test_audit_keeper import Place, linked, made, refusal, world_of

_EDIT = "UPDATE audit_events SET principal = 'nobody' WHERE number = {}"
_COVERED = "a rollback accepted at row {} may cover it"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return made(tmp_path)


async def _written(place: Place) -> None:
    """Anchor four rows that decide and a fifth that does not."""
    with place.start() as keeper:
        world = await world_of(keeper)
        for name in ("one", "two", "three"):
            await world.add(name)
        await keeper.store.record(event(Action.REGISTRY_PROBED, NO_PROJECT))
        await keeper.link()


async def _accepted(place: Place, *harms: str) -> int:
    """Harm the store, start on it by an operator's word, and return that row's number."""
    await _written(place)
    place.edit(*harms)
    with place.start() as keeper:
        await refusal(keeper)
        await keeper.check(accept_rollback=True)
        await linked(keeper)
        return keeper.upto


async def _scrubbed(keeper: AuditKeeper) -> list[str]:
    return (await AuditWalk(keeper.store, keeper.chain).whole(keeper.anchor.load()))[1]


async def _found(keeper: AuditKeeper) -> tuple[list[str], int]:
    """Walk as a server does; return what it said, and how often it counted."""
    with capture_logs() as logs:
        await keeper.verify_all()
    assert keeper.edited == bool(keeper.alarms.counts["rows"])
    return [line["reason"] for line in logs], keeper.alarms.counts["rows"]


async def test_what_was_wrong_when_it_was_accepted_is_no_finding(place: Place) -> None:
    harms = _EDIT.format(2), _EDIT.format(5), "DELETE FROM audit_events WHERE number = 4"
    assert await _accepted(place, *harms) == 6

    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        assert await _found(keeper) == (["row 2"], 0)
        assert await _scrubbed(keeper) == []
        (place.keys / "anchor.json").unlink()
        await keeper.check(accept_rollback=False)


async def test_a_row_that_was_edited_after_it_was_accepted_is_found(place: Place) -> None:
    await _accepted(place, _EDIT.format(2))
    place.edit(_EDIT.format(5))

    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        assert await _found(keeper) == (["row 5", "row 2"], 1)
        assert await _scrubbed(keeper) == ["audit row 5 was edited"]
        walk = AuditWalk(keeper.store, keeper.chain)
        assert [await walk.settled(row) for row in (2, 3, 5)] == [True, True, False]
        await keeper.link()
    with place.start() as keeper:
        assert "row 5 of its audit was edited" in await refusal(keeper)


async def test_a_row_that_decides_and_was_edited_since_refuses_the_start(place: Place) -> None:
    await _accepted(place, _EDIT.format(2))
    place.edit(_EDIT.format(3))

    with place.start() as keeper:
        assert "row 3 of its audit was edited" in await refusal(keeper)


@pytest.mark.parametrize("anchor", [True, False])
async def test_a_row_that_was_taken_after_it_was_accepted_is_found(
    place: Place, *, anchor: bool
) -> None:
    await _accepted(place, _EDIT.format(2))
    place.edit("DELETE FROM audit_events WHERE number = 5")
    if not anchor:
        (place.keys / "anchor.json").unlink()

    with place.start() as keeper:
        assert "audit row 5 is missing" in await _scrubbed(keeper)
        await keeper.link()
        assert keeper.edited


async def test_a_word_that_names_no_rows_leaves_what_it_may_cover_loud_until_it_is_given_anew(
    place: Place,
) -> None:
    await _written(place)
    place.edit(_EDIT.format(3))
    with place.start() as keeper:
        await keeper.store.accept_rollback(event(Action.ROLLBACK_ACCEPTED, NO_PROJECT))
        await keeper.check(accept_rollback=False)
        await keeper.link()
        told = f"row 3; {_COVERED.format(6)}"
        assert await _found(keeper) == ([told], 1)
        assert await _found(keeper) == ([told], 2)
        assert await _scrubbed(keeper) == [f"audit row 3 does not verify; {_COVERED.format(6)}"]
        await keeper.link()
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await keeper.check(accept_rollback=True)
        assert await _scrubbed(keeper) == []
        assert await _found(keeper) == (["row 3"], 0)
