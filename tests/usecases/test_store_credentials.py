"""Logins are stored sealed, once, and found by id or name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    AccessDenied,
    CredentialNotFound,
    CredentialRejected,
    IdempotencyConflict,
    InvalidInput,
    KeyringUnavailable,
    NameTaken,
    QuotaExceeded,
    StoreUnavailable,
)
from regcred.domain.ports import Creation, CredentialFilter, IdempotentRequest, Waiting
from regcred.domain.verdict import PROVEN, VerdictKind
from tests.fakes.registries import TOO_OFTEN
from tests.usecases.world import PASSWORD, REGISTRY, START, World, draft

ANY = CredentialFilter()


async def names(world: World) -> list[str]:
    page, _ = await world.credentials.list(world.operator, None, ANY, 0, 200)
    return [credential.name for credential in page]


async def test_a_login_is_stored_whole(world: World) -> None:
    written = draft(
        settings={"realm": "https://auth.example.com"},
        labels={"team": "core"},
        description="two\nlines",
        expires_at=START + timedelta(days=9),
    )

    stored = await world.credentials.create(world.operator, None, written)

    assert (stored.number, stored.version, stored.secret_version) == (1, 1, 1)
    assert stored.project_id == world.home.id
    for field in ("name", "username", "provider", "registry_url", "settings", "labels"):
        assert getattr(stored, field) == getattr(written, field)
    assert (stored.description, stored.expires_at) == ("two\nlines", written.expires_at)
    assert [str(scope) for scope in stored.scopes] == [REGISTRY]
    assert stored.created_at == stored.updated_at == START
    assert await world.password(stored) == PASSWORD
    assert await world.credentials.get(world.operator, None, stored.id) == stored
    assert await world.credentials.get(world.operator, None, "hub") == stored


async def test_creating_is_audited_without_a_secret(world: World) -> None:
    stored = await world.login(password="c4n4ry")

    (event,) = await world.events(Action.CREDENTIAL_CREATED)

    assert (event.target, event.secret_version) == (str(stored.id), 1)
    assert event.details == {"name": "hub"}
    assert "c4n4ry" not in repr(event)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER])
async def test_readers_write_nothing(world: World, role: Role) -> None:
    with pytest.raises(AccessDenied):
        await world.credentials.create(await world.caller(role), None, draft())

    assert await names(world) == []


async def test_editors_write(world: World) -> None:
    editor = await world.caller(Role.EDITOR)

    assert (await world.credentials.create(editor, None, draft())).name == "hub"


async def test_a_name_is_taken_once_in_a_project(world: World) -> None:
    second = await world.project()
    await world.login()

    with pytest.raises(NameTaken):
        await world.login()
    elsewhere = await world.credentials.create(world.operator, second.id, draft())

    assert elsewhere.number == 1


async def test_what_the_provider_refuses_is_not_stored(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.login(provider="nosuch")

    assert await names(world) == []


async def test_without_a_key_ring_nothing_is_stored(world: World) -> None:
    world.sealer.available = False

    with pytest.raises(KeyringUnavailable):
        await world.login()

    assert await names(world) == []


@pytest.mark.parametrize("kind", VerdictKind)
async def test_proven_means_the_registry_took_it(world: World, kind: VerdictKind) -> None:
    world.registries.says = kind

    if kind in PROVEN:
        stored = await world.credentials.create(world.operator, None, draft(), proven=True)
        assert stored.standing.last == kind
        found = await world.credentials.get(world.operator, None, "hub")
        assert found.standing == stored.standing
        assert found.version == 1
        (event,) = await world.events(Action.CREDENTIAL_VERIFIED)
        assert event.details["verdict"] == str(kind)
    else:
        with pytest.raises(CredentialRejected) as refused:
            await world.credentials.create(world.operator, None, draft(), proven=True)
        assert refused.value.verdict.kind == kind
        assert await names(world) == []


async def test_unproven_asks_no_registry(world: World) -> None:
    stored = await world.login()

    assert world.registries.asked == []
    assert stored.standing.last is None


async def test_a_full_quota_stores_nothing(world: World) -> None:
    with pytest.raises(QuotaExceeded):
        await world.credentials.create(world.operator, None, draft(password=TOO_OFTEN), proven=True)

    assert await names(world) == []


async def test_those_that_wait_together_are_one_write_and_each_is_told_its_own(
    world: World,
) -> None:
    await world.login("taken")
    second = await world.project("second")
    stranger = await world.caller(Role.EDITOR, project=second)
    viewer = await world.caller(Role.VIEWER)
    writes: list[int] = []
    create = world.store.create_credentials

    async def counted(wave: Sequence[Waiting[Creation, RegistryCredential]]) -> None:
        writes.append(len(wave))
        await create(wave)

    world.store.create_credentials = counted  # type: ignore[method-assign]  # counted

    outcomes = await asyncio.gather(
        world.credentials.create(world.operator, None, draft("a")),
        world.credentials.create(world.operator, None, draft("taken")),
        world.credentials.create(stranger, world.home.id, draft("b")),
        world.credentials.create(viewer, None, draft("b")),
        world.credentials.create(world.operator, 99, draft("b")),
        world.credentials.create(world.operator, None, draft("b", settings={"other": "x"})),
        world.credentials.create(stranger, None, draft("a")),
        return_exceptions=True,
    )

    assert [getattr(outcome, "number", type(outcome).__name__) for outcome in outcomes] == [
        2,
        "NameTaken",
        "ProjectNotFound",
        "AccessDenied",
        "ProjectNotFound",
        "InvalidInput",
        1,
    ]
    assert writes == [3]
    assert await names(world) == ["taken", "a"]


async def test_one_whose_seed_must_be_asked_for_waits_for_it_alone(world: World) -> None:
    world.sealer.remembers = False

    stored = await world.login()

    assert await world.password(stored) == PASSWORD


REQUEST = IdempotentRequest("key:K", "once", b"digest")


async def test_a_repeated_request_stores_one_login(world: World) -> None:
    manage = world.credentials
    first = await manage.create_once(world.operator, None, draft(), proven=True, idempotent=REQUEST)

    again = await manage.create_once(world.operator, None, draft(), proven=True, idempotent=REQUEST)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.credential.id == first.credential.id
    assert len(world.registries.asked) == 1
    assert await names(world) == ["hub"]


async def test_two_of_one_request_at_once_store_one_login(world: World) -> None:
    async def meanwhile() -> None:
        await world.credentials.create(world.operator, None, draft(), idempotent=REQUEST)

    world.store.before["create_credential"] = [meanwhile]

    slower = await world.credentials.create_once(world.operator, None, draft(), idempotent=REQUEST)

    assert slower.replayed
    assert await names(world) == ["hub"]


async def test_a_key_used_for_another_request_is_a_conflict(world: World) -> None:
    await world.credentials.create(world.operator, None, draft(), idempotent=REQUEST)

    with pytest.raises(IdempotencyConflict):
        await world.credentials.create(
            world.operator, None, draft("other"), idempotent=replace(REQUEST, digest=b"other")
        )

    assert await names(world) == ["hub"]


async def test_a_repeated_request_ends_with_its_day(world: World) -> None:
    await world.credentials.create(world.operator, None, draft(), idempotent=REQUEST)
    world.clock.forward(hours=24)

    with pytest.raises(NameTaken):
        await world.credentials.create(world.operator, None, draft(), idempotent=REQUEST)


async def test_a_repeated_request_for_a_login_that_is_gone_finds_nothing(world: World) -> None:
    await world.credentials.create(world.operator, None, draft(), idempotent=REQUEST)
    await world.credentials.delete(world.operator, None, "hub", None)

    with pytest.raises(CredentialNotFound):
        await world.credentials.create(world.operator, None, draft(), idempotent=REQUEST)


@pytest.mark.parametrize(
    ("offset", "limit", "names"),
    [(0, 2, ["a", "b"]), (1, 1, ["b"]), (2, 9, ["c"]), (3, 9, []), (2**63 - 1, 9, [])],
)
async def test_a_page_by_offset_says_how_many_there_are(
    world: World, offset: int, limit: int, names: list[str]
) -> None:
    for name in ("a", "b", "c"):
        await world.login(name=name)

    page, total = await world.credentials.page(world.operator, None, offset, limit)

    assert [credential.name for credential in page] == names
    assert total == 3


async def test_a_narrowed_keys_page_and_count_are_of_its_own_matches(world: World) -> None:
    for number in range(1100):
        mine = number % 3 == 0
        await world.login(f"c{number}", "mine.example" if mine else "other.example")
    puller = await world.caller(Role.PULLER, "mine.example")

    first, total = await world.credentials.page(puller, None, 0, 2)
    deep, _ = await world.credentials.page(puller, None, 365, 5)
    past, _ = await world.credentials.page(puller, None, 367, 5)

    assert [credential.name for credential in first] == ["c0", "c3"]
    assert [credential.name for credential in deep] == ["c1095", "c1098"]
    assert list(past) == []
    assert total == 367


async def test_pages_go_on_where_they_ended(world: World) -> None:
    for n in range(5):
        await world.login(f"n{n}")

    first, after = await world.credentials.list(world.operator, None, ANY, 0, 2)
    assert after is not None
    second, after_too = await world.credentials.list(world.operator, None, ANY, after, 2)
    assert after_too is not None
    last, end = await world.credentials.list(world.operator, None, ANY, after_too, 2)

    assert [c.name for c in [*first, *second, *last]] == ["n0", "n1", "n2", "n3", "n4"]
    assert end is None


async def test_a_list_is_narrowed(world: World) -> None:
    await world.login("a", labels={"team": "core"})
    await world.login("b")

    page, _ = await world.credentials.list(
        world.operator, None, CredentialFilter(label=("team", None)), 0, 10
    )

    assert [credential.name for credential in page] == ["a"]


async def test_a_narrowed_puller_sees_its_own_matches_alone(world: World) -> None:
    await world.login("mine", f"{REGISTRY}/team/app")
    await world.login("wide", REGISTRY)
    await world.login("other", f"{REGISTRY}/other")
    await world.login("bare", None)
    puller = await world.caller(Role.PULLER, f"{REGISTRY}/team")

    page, end = await world.credentials.list(puller, None, ANY, 0, 10)

    assert [credential.name for credential in page] == ["mine", "wide"]
    assert end is None
    assert (await world.credentials.get(puller, None, "mine")).name == "mine"
    for hidden in ("other", "bare", "nosuch", UUID(int=5)):
        with pytest.raises(CredentialNotFound):
            await world.credentials.get(puller, None, hidden)


async def test_a_store_that_is_away_acknowledges_nothing(world: World) -> None:
    world.store.broken = True

    with pytest.raises(StoreUnavailable):
        await world.login()
