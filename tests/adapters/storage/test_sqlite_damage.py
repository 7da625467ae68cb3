"""Rows and files that no write of this program leaves: each is told as what it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.adapters.storage.sqlite.connection import connect
from regcred.domain.audit import Action
from regcred.domain.errors import SealBroken, StartRefused
from regcred.domain.ports import LoginPlace, ResolveQuestion, WrappedSeed
from regcred.domain.registry import RegistryAddress
from regcred.domain.verdict import VerdictKind
from tests.adapters.storage.samples import (
    ALL_AUDIT,
    EVERYTHING,
    HOST,
    START,
    Clock,
    World,
    a_use,
    a_verdict,
    event,
)

Read = Callable[[World, Any], Awaitable[object]]


async def _raised_together(world: World) -> None:
    """Raise what one of two that are read together gets; the other gets its answer."""
    fits, beside = (ResolveQuestion(None, world.id, HOST, name) for name in ("app", None))
    elsewhere = beside._replace(address=RegistryAddress.parse("elsewhere.example"))
    broken, good = await world.store.read_for_resolves([fits, elsewhere])
    assert not isinstance(good, Exception)
    if isinstance(broken, Exception):
        raise broken


EDITS: dict[str, tuple[str, Read]] = {
    "a credential's labels": (
        "UPDATE credentials SET labels = '{\"a\"'",
        lambda w, _: w.store.list_credentials(w.id, EVERYTHING, 0, 10),
    ),
    "a credential's creation": (
        "UPDATE credentials SET created_at = 9e17",
        lambda w, c: w.store.find_credential(w.id, c.id),
    ),
    "a matched credential's creation": (
        "UPDATE credentials SET created_at = 9e17",
        lambda w, _: w.store.read_for_resolve(None, w.id, HOST, "app"),
    ),
    "a matched credential's settings": (
        "UPDATE credentials SET settings = ''",
        lambda w, _: w.store.read_for_resolve(None, w.id, HOST, "app"),
    ),
    "a credential matched beside another question": (
        "UPDATE credentials SET created_at = 9e17",
        lambda w, _: _raised_together(w),
    ),
    "a matched credential's verdict": (
        "UPDATE credentials SET verdict = 'xx'",
        lambda w, _: w.store.read_for_resolve(None, w.id, HOST, "app"),
    ),
    "a project's id": (
        "UPDATE projects SET id = replace(id, '-', 'x')",
        lambda w, _: w.store.list_projects(0, 10),
    ),
    "a use's creation": (
        "UPDATE uses SET created_at = 9e17",
        lambda w, c: w.store.list_uses(w.id, c.id, START),
    ),
    "an audit row's action": (
        "UPDATE audit_events SET action = 'x'",
        lambda w, _: w.store.list_audit(w.id, ALL_AUDIT, 0, 10),
    ),
    "a verdict's evidence": (
        "UPDATE verdicts SET evidence = ''",
        lambda w, c: w.store.list_verdicts(w.id, c.id, 0, 10),
    ),
    "an exchanged login's failure": (
        "UPDATE credential_logins SET failure = 'xx'",
        lambda w, c: w.store.find_login(LoginPlace(str(w.id), str(c.id), "here")),
    ),
}


@pytest.mark.parametrize("what", EDITS)
async def test_an_edited_row_is_a_broken_seal(directory: Path, clock: Clock, what: str) -> None:
    edit, read = EDITS[what]
    store = SqliteStore.open(directory, clock=clock)
    world = await World(store, clock).begin()
    credential = await world.add()
    used = event(Action.USE_PUT, world.id, credential.id)
    await store.put_use(world.id, credential.id, a_use(), used)
    verdict = a_verdict(VerdictKind.OK)
    checked = event(Action.CREDENTIAL_VERIFIED, world.id, credential.id)
    await store.record_verdict(world.id, credential.id, 1, verdict, checked)
    await store.plan_login(LoginPlace(str(world.id), str(credential.id), "here"), 1, START)
    with closing(connect(directory / "regcred.db")) as database:
        database.execute("PRAGMA ignore_check_constraints=ON")
        database.execute("PRAGMA foreign_keys=OFF")
        assert database.execute(edit).rowcount > 0

    with pytest.raises(SealBroken):
        await read(world, credential)
    store.close()


async def test_a_wrapped_key_that_lost_a_part_is_a_broken_seal(
    sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flipped bit in a record's header reads as NULL, whatever the table's constraints say."""
    await sqlite_store.put_service_key("service", WrappedSeed("kid", 1, b"wrapped"))

    async def lost(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(None, 1, None)]

    monkeypatch.setattr(sqlite_store, "_all", lost)

    with pytest.raises(SealBroken):
        await sqlite_store.service_key("service")
    with pytest.raises(SealBroken):
        await sqlite_store.kids_in_use()


async def test_a_schema_that_is_no_text_any_more_is_refused(directory: Path) -> None:
    """SQLite quotes the damaged schema in its message, which Python then cannot decode."""
    file = directory / "regcred.db"
    with closing(connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    content = file.read_bytes()
    damaged = content.replace(b"number INTEGER PRIMARY KEY", b"number INTEG\xc5R PRIMARY KEY", 1)
    assert damaged != content
    file.write_bytes(damaged)

    with pytest.raises(StartRefused, match="restore a backup"):
        SqliteStore.open(directory, clock=lambda: START)
