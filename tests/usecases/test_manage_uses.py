"""A use keeps a login from being deleted for as long as its lease runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.errors import AccessDenied, CredentialNotFound, InvalidInput, UseNotFound
from regcred.usecases.manage_uses import MAX_LEASE
from tests.usecases.world import START, World

E_ACUTE = "\N{LATIN SMALL LETTER E WITH ACUTE}"
DECOMPOSED = "e\N{COMBINING ACUTE ACCENT}"


async def listed(world: World) -> list[tuple[str, str]]:
    return [(u.kind, u.name) for u in await world.uses.list(world.operator, None, "hub")]


async def test_a_use_is_declared_listed_and_released(world: World) -> None:
    stored = await world.login()

    use = await world.uses.put(world.operator, None, "hub", "deployment", "web")
    assert await world.uses.list(world.operator, None, stored.id) == [use]
    await world.uses.delete(world.operator, None, "hub", "deployment", "web")

    assert await listed(world) == []
    (put,) = await world.events(Action.USE_PUT)
    (deleted,) = await world.events(Action.USE_DELETED)
    assert put.target == deleted.target == str(stored.id)
    assert put.details == deleted.details == {"kind": "deployment", "name": "web"}


async def test_a_lease_ends_by_itself_and_is_renewed_by_putting_again(world: World) -> None:
    await world.login()
    await world.uses.put(world.operator, None, "hub", "pod", "web", lease_seconds=60)
    world.clock.forward(seconds=59)
    renewed = await world.uses.put(world.operator, None, "hub", "pod", "web", lease_seconds=60)
    world.clock.forward(seconds=59)

    assert renewed.expires_at == START + timedelta(seconds=119)
    assert await listed(world) == [("pod", "web")]
    world.clock.forward(seconds=1)
    assert await listed(world) == []
    with pytest.raises(UseNotFound):
        await world.uses.delete(world.operator, None, "hub", "pod", "web")


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("kind", {"kind": ""}),
        ("kind", {"kind": "x" * 64}),
        ("kind", {"kind": "a\0"}),
        ("name", {"name": ""}),
        ("name", {"name": "x" * 256}),
        ("name", {"name": "\ud800"}),
        ("lease_seconds", {"lease_seconds": 0}),
        ("lease_seconds", {"lease_seconds": -1}),
        ("lease_seconds", {"lease_seconds": MAX_LEASE + 1}),
    ],
)
async def test_a_bad_use_is_refused_by_field(
    world: World, field: str, arguments: dict[str, str]
) -> None:
    await world.login()
    whole = {"kind": "pod", "name": "web", **arguments}

    with pytest.raises(InvalidInput) as refused:
        await world.uses.put(world.operator, None, "hub", **whole)  # type: ignore[arg-type]  # mixed

    assert refused.value.violations[0].field == field
    if field != "lease_seconds":
        with pytest.raises(InvalidInput):
            await world.uses.delete(world.operator, None, "hub", whole["kind"], whole["name"])


async def test_the_longest_lease_is_a_leap_year(world: World) -> None:
    await world.login()

    use = await world.uses.put(world.operator, None, "hub", "pod", "w", lease_seconds=MAX_LEASE)

    assert use.expires_at == START + timedelta(days=366)


async def test_one_user_has_one_spelling(world: World) -> None:
    await world.login()
    await world.uses.put(world.operator, None, "hub", "pod", DECOMPOSED)
    await world.uses.put(world.operator, None, "hub", "pod", E_ACUTE)
    assert await listed(world) == [("pod", E_ACUTE)]

    await world.uses.delete(world.operator, None, "hub", "pod", DECOMPOSED)

    assert await listed(world) == []


async def test_what_is_not_there_is_not_released(world: World) -> None:
    await world.login()

    with pytest.raises(UseNotFound):
        await world.uses.delete(world.operator, None, "hub", "pod", "nosuch")
    with pytest.raises(CredentialNotFound):
        await world.uses.put(world.operator, None, "nosuch", "pod", "web")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER])
async def test_readers_list_and_declare_nothing(world: World, role: Role) -> None:
    await world.login()
    who = await world.caller(role)

    with pytest.raises(AccessDenied):
        await world.uses.put(who, None, "hub", "pod", "web")
    with pytest.raises(AccessDenied):
        await world.uses.delete(who, None, "hub", "pod", "web")
    assert await world.uses.list(who, None, "hub") == []


async def test_a_narrowed_puller_sees_no_foreign_uses(world: World) -> None:
    await world.login()

    with pytest.raises(CredentialNotFound):
        await world.uses.list(await world.caller(Role.PULLER, "other.example.com"), None, "hub")
