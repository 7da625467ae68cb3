"""What is told of a running service: which part fails, and nothing of what it holds."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.heartbeat import Heartbeat
from regcred.bootstrap.scrubber import Scrubber
from regcred.bootstrap.server import Stopping
from regcred.bootstrap.shared_answer import KEPT, SharedAnswer
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.watch import Watch
from regcred.domain.errors import SealBroken, StoreUnavailable
from regcred.domain.ports import SealContext
from regcred.domain.ports.measuring import UNMEASURED
from regcred.domain.secret import Secret
from regcred.usecases.scrub_secrets import ScrubSecrets
from tests.bootstrap.conftest import Place
from tests.fakes.sealer import PlainSealer
from tests.tools.inside import keeper_of
from tests.usecases.world import draft

ALL_WELL = {"store": "ok", "keyring": "ok", "migrations": "ok"}
BESIDE = {"audit chain": "ok", "audit anchor": "ok", "sealed rows": "ok"}


async def three() -> int:
    return 3


def watch_of(state: State, keeper: AuditKeeper | None = None, **tasks: Heartbeat) -> Watch:
    keeper = keeper or keeper_of(state)
    return Watch(state, keeper, tasks, three, Stopping(), scrubber_of(state))


def scrubber_of(state: State) -> Scrubber:
    return Scrubber(ScrubSecrets(state.store, state.sealer), UNMEASURED, 1_000)


async def test_a_service_is_ready_when_every_part_is(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        assert await watch_of(state).needed() == ALL_WELL


def _edit(place: Place, statement: str) -> None:
    with closing(sqlite3.connect(place.settings.store_directory / "regcred.db")) as file, file:
        file.execute(statement)


@pytest.mark.parametrize(
    ("harm", "failing"),
    [
        ("DROP TABLE health", {"store": "does not read and write"}),
        (
            "UPDATE alembic_version SET version_num = '0001'",
            {"migrations": "the schema is not this program's"},
        ),
        ("DROP TABLE alembic_version", {"migrations": "the schema is not this program's"}),
    ],
)
async def test_a_store_that_fails_is_named_alone(
    place: Place, harm: str, failing: dict[str, str]
) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        _edit(place, harm)

        assert await watch_of(state).needed() == ALL_WELL | failing


async def test_a_store_that_is_away_says_nothing_of_its_schema(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: SqliteStore) -> bool:
        raise StoreUnavailable("the database cannot be reached")

    monkeypatch.setattr(SqliteStore, "check", away)
    monkeypatch.setattr(SqliteStore, "at_head", away)
    async with open_state(place.settings, exclusive=True) as state:
        assert await watch_of(state).needed() == ALL_WELL | {
            "store": "does not read and write",
            "migrations": "not known: the store does not answer",
        }


async def test_a_key_ring_that_is_away_is_named_alone(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        sealer = PlainSealer()
        sealer.available = False
        without: State = replace(state, sealer=sealer)  # type: ignore[arg-type]  # the fake's part of a sealer is enough

        failing = {"keyring": "does not wrap a key"}
        assert await watch_of(without).needed() == ALL_WELL | failing


async def test_many_who_ask_at_once_cost_one_look(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def counted(store: SqliteStore) -> None:
        nonlocal looks
        looks += 1
        await check(store)

    check = SqliteStore.check
    monkeypatch.setattr(SqliteStore, "check", counted)
    async with open_state(place.settings, exclusive=True) as state:
        watch = watch_of(state)
        first = asyncio.create_task(watch.needed())
        await asyncio.sleep(0)
        first.cancel()
        answers = await asyncio.gather(*(watch.needed() for _ in range(50)))

        assert answers == [ALL_WELL] * 50
        assert looks == 1


async def test_an_answer_is_kept_for_a_second_and_no_longer() -> None:
    now, asked = [0.0], 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        return asked

    shared = SharedAnswer(ask, lambda: now[0])
    answers = []
    for moment in (0.0, KEPT / 2, KEPT, KEPT * 1.5, KEPT * 2.5):
        now[0] = moment
        answers.append(await shared())

    assert answers == [1, 1, 2, 2, 3]


async def test_a_service_that_stops_is_not_ready(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        watch = watch_of(state)
        await watch.needed()
        watch.stopping.begun = True

        assert await watch.needed() == ALL_WELL | {"service": "stops"}


async def test_what_runs_beside_the_server_is_watched_too(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        await first_run(state)
        keeper = keeper_of(state)
        await keeper.link()
        tasks = {"in time": Heartbeat(60), "hangs": Heartbeat(-1)}

        watched = await watch_of(state, keeper, **tasks).watched()
        assert watched == BESIDE | {"in time": "ok", "hangs": "does not come round"}


async def test_an_audit_that_stands_still_or_was_edited_says_so(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        await first_run(state)
        keeper = keeper_of(state)
        await keeper.link()
        keeper.heartbeat.late_after = -1
        still = await watch_of(state, keeper).watched()
        _edit(place, "UPDATE audit_events SET principal = 'key:other'")
        await keeper.verify_all()
        edited = await watch_of(state, keeper).watched()

    assert still["audit chain"] == "new rows are not linked"
    assert edited["audit chain"] == "rows were edited or taken out"


async def test_an_anchor_that_is_gone_or_changed_or_broken_says_so(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        none = await watch_of(state).watched()
        keeper = keeper_of(state)
        await keeper.link()
        place.settings.anchor_file.unlink()
        await keeper.link()
        changed = await watch_of(state, keeper).watched()
        place.settings.anchor_file.write_text("{")
        broken = await watch_of(state).watched()

    assert changed["audit anchor"].startswith("it was changed")
    assert none["audit anchor"] == "there is none: a store that is set back is not noticed"
    assert broken["audit anchor"] == "cannot be read"


async def test_figures_are_looked_up_when_somebody_asks(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        await first_run(state)
        keeper = keeper_of(state)
        before = await watch_of(state, keeper, beside=Heartbeat(60)).figures()
        await keeper.link()
        seed = await state.sealer.new_seed("project")
        delivery = draft().delivery
        place_of = SealContext("project", "credential", "password", 1, delivery)
        with pytest.raises(SealBroken):
            await state.sealer.open(seed, place_of, b"broken")
        with pytest.raises(SealBroken):
            await state.sealer.seal(seed._replace(generation=0), place_of, Secret("a secret"))
        after = await watch_of(state, keeper).figures()

    assert (before.audit_unlinked, after.audit_unlinked) == (2, 0)
    assert before.checks_due == 3
    assert before.turn_ages["beside"] >= 0
    assert before.store.commit_writes.total >= before.store.commit_seconds.up_to()[-1][1] > 0
    assert before.store.waiting == 0
    assert (before.store.wal_bytes or 0) > 0
    assert after.seal_failures == {"seal": 1, "open": 1}


async def test_a_store_that_is_away_hides_no_other_number(place: Place) -> None:
    async def away() -> int:
        raise StoreUnavailable("the disk is gone")

    async with open_state(place.settings, exclusive=True) as state:
        figures = await Watch(
            state, keeper_of(state), {}, away, Stopping(), scrubber_of(state)
        ).figures()
        state.store.close()
        place.settings.store_directory.rename(place.data / "elsewhere")
        gone = state.store.figures()

    assert math.isnan(figures.checks_due)
    assert not math.isnan(figures.audit_unlinked)
    assert gone.wal_bytes == 0
