"""What the audit's chain and the scrubber read is the same on both databases."""

from __future__ import annotations

import pytest

from regcred.adapters.storage.postgres import PostgresStore
from regcred.adapters.storage.sql.checkpoints import StoredCheckpoint
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.bootstrap.set_back import set_back
from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.ports.sealed_rows import BEGINNING, SealedKind, SealedRow
from regcred.domain.webhook import Webhook
from tests.adapters.storage.samples import START, Clock, World, event, new_id, sealed

Shared = SqliteStore | PostgresStore


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest) -> Shared:
    made: Shared = request.getfixturevalue(f"{request.param}_store")
    made.sign_with(lambda row: row[:32].ljust(32))
    return made


@pytest.fixture
async def here(shared: Shared, clock: Clock) -> World:
    return await World(shared, clock).begin()


def a_state(number: int, *, pruned: bool = False) -> StoredCheckpoint:
    return StoredCheckpoint(number, START, b"h" * 32, b"d" * 32, pruned, b"m" * 32)


async def test_states_are_kept_newest_first_and_forgotten_but_for_pruned_ones(
    shared: Shared,
) -> None:
    states = [a_state(number, pruned=number == 2) for number in (1, 2, 3)]
    for one in states:
        await shared.put_checkpoint(one)
    assert await shared.checkpoints() == states[::-1]

    await shared.put_checkpoint(a_state(3)._replace(head=b"n" * 32))
    assert (await shared.checkpoints())[0].head == b"n" * 32
    await shared.forget_checkpoints()

    assert await shared.checkpoints() == [states[1]]


async def test_pruning_begins_with_its_state_and_its_audit_row_together(shared: Shared) -> None:
    for number in (1, 2):
        await shared.put_checkpoint(a_state(number))

    await shared.begin_pruning(a_state(2, pruned=True), event(Action.AUDIT_PRUNED, NO_PROJECT))

    assert await shared.checkpoints() == [a_state(2, pruned=True)]
    assert await shared.last_number() == 1


async def test_links_tell_which_rows_decide(shared: Shared, here: World) -> None:
    await shared.record(event(Action.REGISTRY_PROBED, here.id))
    await here.add()

    links = await shared.links_after(0, 10)

    assert [(link.number, link.at, link.deciding) for link in links] == [
        (1, START, True),
        (2, START, False),
        (3, START, True),
    ]
    assert await shared.links_after(1, 1) == [links[1]]
    deciding = [(link.number, link.mac) for link in links if link.deciding]
    assert [tuple(row) for row in await shared.deciding_macs_after(0, 10)] == deciding
    assert await shared.deciding_macs_after(1, 0) == []


async def walked(shared: Shared, kind: SealedKind) -> list[SealedRow]:
    found: list[SealedRow] = []
    after = BEGINNING
    while rows := await shared.sealed_rows(kind, after, 2):
        found += rows
        after = rows[-1].position
    return found


async def test_every_sealed_row_is_walked_once_in_order(shared: Shared, here: World) -> None:
    logins = [await here.add(f"login-{n}") for n in range(5)]
    other = await here.add_project("beta")
    webhook = Webhook(new_id(), here.id, "https://a.example", START, START)
    done = event(Action.WEBHOOK_CREATED, here.id, webhook.id, secret_version=1)
    await shared.create_webhook(webhook, sealed(), done)

    passwords = await walked(shared, SealedKind.PASSWORD)
    [hook] = await walked(shared, SealedKind.WEBHOOK)

    assert other.id != here.id
    assert [row.owner_id for row in passwords] == sorted(str(login.id) for login in logins)
    assert [row.delivery for row in passwords] == [login.delivery for login in logins]
    assert passwords[0].seed == sealed().seed
    assert (hook.delivery, hook.sealed) == (webhook.delivery, sealed().sealed)
    assert await walked(shared, SealedKind.LOGIN) == []


async def test_a_store_where_all_is_told_is_not_set_back(shared: Shared, here: World) -> None:
    login = await here.add()
    await here.add_key()
    cluster = await here.add_cluster()
    await here.add_workload(cluster)
    gone = await here.add_project("beta")
    await here.add_key(gone.id)
    deleted = event(Action.PROJECT_DELETED, gone.id, gone.id)
    await shared.delete_project(gone.id, None, deleted)
    deleted = event(Action.CREDENTIAL_DELETED, here.id, login.id)
    await shared.delete_credential(here.id, login.id, None, deleted)

    assert await set_back(shared, 1) is None
    assert not shared.replaced()
