"""Every sealed row is opened, over and over; what does not open is told, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import math
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from structlog.testing import capture_logs

from regcred.adapters.metrics.prometheus import PrometheusMeter
from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.bootstrap import scrubber
from regcred.bootstrap.scrubber import Scrubber
from regcred.bootstrap.shift import TRUSTED
from regcred.bootstrap.state import State, open_state
from regcred.domain.errors import KeyringUnavailable, StoreUnavailable
from regcred.domain.ports.measuring import UNMEASURED
from regcred.usecases.scrub_secrets import FIRST, ScrubSecrets
from tests.bootstrap.conftest import Place
from tests.bootstrap.filled import SECRET, edit, fill, in_thread
from tests.tools.programs import until

SEED = 20261129


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubber, "EVERY", 0.0)
    monkeypatch.setattr(scrubber, "AGAIN", 0.0)


@asynccontextmanager
async def scrubbing(place: Place, rate: int = 10_000) -> AsyncIterator[tuple[Scrubber, State]]:
    async with open_state(place.settings, exclusive=False) as state:
        yield Scrubber(ScrubSecrets(state.store, state.sealer), UNMEASURED, rate), state


# A round


async def test_a_round_over_a_whole_store_finds_nothing_and_counts(place: Place) -> None:
    await fill(place.settings)
    meter = PrometheusMeter(())

    async with scrubbing(place) as (scrub, _):
        scrub.meter = meter
        with capture_logs() as logs:
            await scrub.round()
        assert scrub.standing == "ok"

    assert [(line["event"], line["count"]) for line in logs] == [("every sealed row was opened", 5)]
    text = generate_latest(meter._registry).decode()
    assert "regcred_scrubbed_total 5.0" in text
    assert "regcred_scrub_failures 0.0" in text


async def test_what_does_not_open_is_told_until_it_does_again(place: Place) -> None:
    filled = await fill(place.settings)
    login = filled.credentials[1]
    meter = PrometheusMeter(())
    where = f"WHERE id = '{login.id}'"

    async with scrubbing(place, rate=1_000) as (scrub, _):
        scrub.meter = meter
        edit(place.settings, f"UPDATE credentials SET username = 'other' {where}")  # noqa: S608  an id
        with capture_logs() as logs:
            await scrub.round()
        assert scrub.standing == "1 sealed rows do not open"
        assert b"regcred_scrub_failures 1.0" in generate_latest(meter._registry)
        edit(place.settings, f"UPDATE credentials SET username = 'robot' {where}")  # noqa: S608  an id
        await scrub.round()
        assert scrub.standing == "ok"

    [told] = [line for line in logs if line["log_level"] == "error"]
    assert told["event"] == "a sealed row does not open"
    assert told["project"] == str(filled.project.id)
    assert told["reason"].startswith(f"password of {login.id}: ")
    assert SECRET not in repr(logs)


async def test_a_store_full_of_damage_does_not_fill_the_log(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubber, "_MOST", 2)
    await fill(place.settings)
    edit(place.settings, "UPDATE project_seeds SET wrapped = zeroblob(109)")

    async with scrubbing(place) as (scrub, _):
        with capture_logs() as logs:
            await scrub.round()
        assert scrub.standing == "5 sealed rows do not open"

    assert len([line for line in logs if line["log_level"] == "error"]) == 2


async def test_rounds_follow_each_other_and_none_where_the_rate_is_none(
    place: Place,
) -> None:
    await fill(place.settings)

    async with scrubbing(place) as (scrub, _):
        with capture_logs() as logs:
            running = asyncio.create_task(scrub.run())
            await until(lambda: len(logs) > 1)
            running.cancel()
            await asyncio.wait([running])
    async with scrubbing(place, rate=0) as (none, _):
        await none.run()

    assert {line["event"] for line in logs} == {"every sealed row was opened"}


def _ring_away(broken: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise KeyringUnavailable("away")

    broken.setattr(FileKeyring, "wrap", away)
    broken.setattr(FileKeyring, "unwrap", away)


def _store_away(broken: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("the database cannot be reached")

    broken.setattr(SqliteStore, "sealed_rows", away)


def _store_at_fault(broken: pytest.MonkeyPatch) -> None:
    broken.setattr(SqliteStore, "sealed_rows", None)


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (_ring_away, "scrubbing waits for the key ring"),
        (_store_away, "scrubbing stands still"),
        (_store_at_fault, "scrubbing stands still"),
    ],
)
async def test_what_is_away_is_waited_for_and_nothing_is_called_damaged(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    away: Callable[[pytest.MonkeyPatch], None],
    told: str,
) -> None:
    await fill(place.settings)
    async with scrubbing(place) as (scrub, _):
        with capture_logs() as logs:
            with monkeypatch.context() as broken:
                away(broken)
                running = asyncio.create_task(scrub.round())
                await until(lambda: len(logs) > 1)
            await running
        assert scrub.standing == "ok"

    assert {line["event"] for line in logs} == {told, "every sealed row was opened"}


async def test_a_database_that_restarts_is_away_however_it_answers_in_between(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)
    answers = iter([False, True, False, False])
    read = SqliteStore.sealed_rows

    async def now_and_then(store: SqliteStore, *what: Any) -> Any:
        if next(answers, True):
            return await read(store, *what)
        raise StoreUnavailable("the database is starting")

    async with scrubbing(place) as (scrub, _):
        monkeypatch.setattr(SqliteStore, "sealed_rows", now_and_then)
        with pytest.raises(StoreUnavailable):
            await scrub.scrub.step(FIRST, 1)
        step = await scrub.scrub.step(FIRST, 1)

    assert (step.opened, step.broken) == (1, [])


async def test_a_row_that_cannot_be_read_is_told_with_those_before_it_counted(
    place: Place,
) -> None:
    filled = await fill(place.settings)
    last = max(str(login.id) for login in filled.credentials)
    edit(
        place.settings,
        f"UPDATE credentials SET username = CAST(x'ff' AS TEXT) WHERE id = '{last}'",  # noqa: S608  an id
    )

    async with scrubbing(place) as (scrub, _):
        found = [step async for step in scrub.scrub.walk(20)]

    [broken] = [one for step in found for one in step.broken if one.kind == "password"]
    assert "cannot be read" in broken.why
    assert sum(step.opened for step in found if step.kind == "password") == 2


async def never() -> bool:
    return False


async def test_who_is_told_for_a_day_that_another_scrubs_does_a_round_of_its_own(
    place: Place,
) -> None:
    await fill(place.settings)
    async with open_state(place.settings, exclusive=False) as state:
        scrub = Scrubber(ScrubSecrets(state.store, state.sealer), UNMEASURED, 10_000, never)
        now = time.monotonic()
        assert not await scrub.round()
        scrub._rounds.monotonic = lambda: now + TRUSTED + 1
        assert await scrub.round()
        assert scrub.round_age == 0
        assert not await scrub.round()


async def test_a_week_without_a_whole_round_is_told_once_a_day_until_there_is_one(
    place: Place,
) -> None:
    await fill(place.settings)
    async with scrubbing(place) as (scrub, _):
        now = [began := time.monotonic()]
        scrub._rounds.monotonic = lambda: now[0]
        told = []
        for days in (6.9, 7.1, 7.9, 8.2):
            now[0] = began + days * 86_400
            with capture_logs() as logs:
                scrub._tell_if_late()
            told.append([line["event"] for line in logs])
        late = scrub.standing
        with capture_logs() as logs:
            await scrub.round()
        none = Scrubber(scrub.scrub, UNMEASURED, 0)
        none._rounds.monotonic = scrub._rounds.monotonic
        none._tell_if_late()

    assert told == [[], ["scrubbing is late"], [], ["scrubbing is late"]]
    assert late == "not all of them were opened for a week"
    assert (scrub.standing, none.standing) == ("ok", "ok")
    assert math.isnan(none.round_age)
    assert [line["event"] for line in logs] == ["every sealed row was opened"]


# The command


async def test_the_command_opens_everything_now(place: Place) -> None:
    await fill(place.settings)

    done = await in_thread(place, "scrub")

    said = "secrets opened       5\naudit verified       up to row 6\n"
    assert (done.code, done.out) == (0, said)


AUDIT_HARMS = {
    "audit row 3 was edited": "UPDATE audit_events SET principal = 'nobody' WHERE number = 3",
    "audit row 3 is missing": "DELETE FROM audit_events WHERE number = 3",
    "the audit is not the one that was anchored at 6": (
        "UPDATE audit_events SET mac = randomblob(32) WHERE number = 3"
    ),
    "the audit cannot be linked": "UPDATE audit_events SET mac = x'' WHERE number = 3",
}


@pytest.mark.parametrize(("told", "harm"), AUDIT_HARMS.items(), ids=AUDIT_HARMS)
async def test_the_command_tells_what_is_wrong_with_the_audit(
    place: Place, told: str, harm: str
) -> None:
    await fill(place.settings)
    edit(place.settings, harm)

    done = await in_thread(place, "scrub", "json")

    found = json.loads(done.out)
    assert (done.code, found["ok"], found["audit_rows_upto"]) == (1, False, 6)
    assert any(text.startswith(told) for text in found["wrong"])


async def test_the_command_tells_of_an_anchor_that_is_damaged(place: Place) -> None:
    await fill(place.settings)
    place.settings.anchor_file.write_text("{")

    done = await in_thread(place, "scrub", "json")

    [wrong] = json.loads(done.out)["wrong"]
    assert "is damaged" in wrong


async def test_the_command_tells_what_does_not_open(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(place.settings)
    edit(place.settings, "UPDATE webhooks SET secret_version = 9")

    done = await in_thread(place, "scrub", "json")

    told = json.loads(done.out)
    assert (done.code, told["ok"], told["opened"]) == (1, False, 4)
    assert ["webhook of" in text for text in told["wrong"]] == [True]
    edit(place.settings, "UPDATE credential_secrets SET sealed = x'00'")
    monkeypatch.setattr("regcred.bootstrap.commands.scrub._MOST", 1)
    lines = (await in_thread(place, "scrub")).out.splitlines()
    assert lines[-1] == "WRONG: and 3 more"


# Flips: F3, inside what a seal binds

BOUND = {
    "credential_secrets": ("sealed", "secret_version", "seed_generation", "credential_id"),
    "credential_logins": ("sealed", "secret_version", "seed_generation", "place"),
    "webhooks": ("sealed", "secret_version", "seed_generation", "url"),
    "project_seeds": ("wrapped", "kid", "generation"),
    "credentials": ("provider", "registry_url", "scopes", "username", "settings"),
}


def flips(file: sqlite3.Connection, source: random.Random) -> Iterator[tuple[str, object]]:
    """Flip one bit of one bound value at a time, yield what was flipped, and put it back."""
    while True:
        table = source.choice(list(BOUND))
        column = source.choice(BOUND[table])
        rows = file.execute(f"SELECT {column}, typeof({column}) FROM {table}").fetchall()  # noqa: S608  the names above
        value, kind = source.choice(rows)
        flipped = _flip(value, source)
        # Rows of a value alike are flipped alike; a text may be none any more.
        change = (
            f"UPDATE {table} SET {column} = CAST(? AS {kind}) WHERE {column} = CAST(? AS {kind})"  # noqa: S608  the names above
        )
        try:
            file.execute(change, (flipped, value))
        except sqlite3.IntegrityError:
            continue  # the schema's own rule refuses it
        yield f"{table}.{column}", value
        file.execute(change, (value, flipped))


def _flip(value: object, source: random.Random) -> object:
    if isinstance(value, int):
        return value ^ (1 << source.randrange(20))
    data = bytearray(value if isinstance(value, bytes) else str(value).encode())
    at = source.randrange(len(data))
    data[at] ^= 1 << source.randrange(8)
    return bytes(data)


async def broken_rows(walk: ScrubSecrets) -> int:
    steps = [await walk.step(FIRST, 3)]
    while following := steps[-1].next:
        steps.append(await walk.step(following, 3))
    return sum(len(step.broken) for step in steps)


async def test_every_flipped_bit_that_a_seal_binds_is_found(place: Place) -> None:
    await fill(place.settings)
    async with scrubbing(place) as (_, state):
        # No seed may be remembered, or a flipped one would not be looked at.
        path = place.settings.store_directory / "regcred.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            walk = ScrubSecrets(state.store, state.sealer)
            assert await broken_rows(walk) == 0
            missed = []
            flipping = flips(file, random.Random(SEED))  # noqa: S311  repeatable, and hides nothing
            for _ in range(400):
                what = next(flipping)
                if not await broken_rows(walk):
                    missed.append(what)

    assert missed == []
