"""Every verdict is an answer, remembered for the secret that it is about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.errors import (
    AccessDenied,
    CredentialNotFound,
    InvalidInput,
    QuotaExceeded,
    SealBroken,
)
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind
from regcred.usecases.change_credential import Change
from tests.fakes.registries import TOO_OFTEN
from tests.usecases.world import REGISTRY, World, draft

IMAGE = ImageReference.parse("reg.example.com/team/app:v1")


@pytest.mark.parametrize("kind", VerdictKind)
async def test_every_verdict_is_returned_and_kept(world: World, kind: VerdictKind) -> None:
    stored = await world.login()
    world.registries.says = kind

    verdict = await world.verification.stored(world.operator, None, "hub", IMAGE)

    assert (verdict.kind, verdict.image) == (kind, str(IMAGE))
    history = await world.verification.history(world.operator, None, stored.id, 0, 10)
    assert [kept for _, kept in history] == [verdict]
    present = await world.credentials.get(world.operator, None, "hub")
    assert (present.standing.last, present.version) == (kind, 1)
    (event,) = await world.events(Action.CREDENTIAL_VERIFIED)
    assert event.target == str(stored.id)
    assert event.details == {
        "name": "hub",
        "verdict": str(kind),
        "image": str(IMAGE),
        "registry": "reg.example.com",
    }


async def test_the_registry_is_asked_with_what_is_stored(world: World) -> None:
    stored = await world.login()

    await world.verification.stored(world.operator, None, "hub", None)

    assert world.registries.asked == [(stored.delivery, None)]


async def test_two_refusals_a_minute_apart_withhold(world: World) -> None:
    await world.login()
    world.registries.says = VerdictKind.REJECTED
    await world.verification.stored(world.operator, None, "hub", None)
    assert not (await world.credentials.get(world.operator, None, "hub")).standing.withheld

    world.clock.forward(seconds=60)
    await world.verification.stored(world.operator, None, "hub", None)

    assert (await world.credentials.get(world.operator, None, "hub")).standing.withheld


async def test_a_verdict_on_a_replaced_secret_joins_the_history_alone(world: World) -> None:
    await world.login()

    async def replaced_meanwhile(*_: object) -> None:
        await world.credentials.replace(world.operator, None, "hub", None, draft(password="new"))

    ask = world.registries.verify

    async def slow(*arguments: object) -> object:
        await replaced_meanwhile()
        return await ask(*arguments)  # type: ignore[arg-type]  # passed through

    world.registries.verify = slow  # type: ignore[assignment, method-assign]  # a slow registry
    world.registries.says = VerdictKind.REJECTED
    await world.verification.stored(world.operator, None, "hub", None)

    present = await world.credentials.get(world.operator, None, "hub")
    assert present.standing.last is None
    assert len(await world.verification.history(world.operator, None, "hub", 0, 10)) == 1


async def test_a_replace_while_it_is_read_is_not_a_broken_seal(world: World) -> None:
    await world.login()

    async def meanwhile() -> None:
        await world.credentials.patch(
            world.operator,
            None,
            "hub",
            None,
            Change(frozenset({"username", "password"}), username="new", password=Secret("new")),
        )

    world.store.before["sealed_secret"] = [meanwhile]

    verdict = await world.verification.stored(world.operator, None, "hub", None)

    assert verdict.kind == VerdictKind.OK
    assert [delivery.username for delivery, _ in world.registries.asked] == ["new"]


async def test_a_login_not_stored_is_checked_and_only_audited(world: World) -> None:
    world.registries.says = VerdictKind.DENIED

    verdict = await world.verification.typed_in(
        world.operator, None, draft(password="c4n4ry"), IMAGE
    )

    assert verdict.kind == VerdictKind.DENIED
    (event,) = await world.events(Action.LOGIN_VERIFIED)
    assert event.details == {
        "verdict": "denied",
        "image": str(IMAGE),
        "registry": "reg.example.com",
    }
    assert "c4n4ry" not in repr(event)
    with pytest.raises(CredentialNotFound):
        await world.credentials.get(world.operator, None, "hub")


async def test_a_bad_draft_is_not_sent_anywhere(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.verification.typed_in(world.operator, None, draft(provider="nosuch"), None)

    assert world.registries.asked == []


async def test_a_full_quota_is_no_verdict(world: World) -> None:
    await world.login(password=TOO_OFTEN)

    with pytest.raises(QuotaExceeded):
        await world.verification.stored(world.operator, None, "hub", None)

    assert await world.verification.history(world.operator, None, "hub", 0, 10) == []


async def test_history_is_newest_first_and_pages(world: World) -> None:
    await world.login()
    for kind in (VerdictKind.OK, VerdictKind.DENIED, VerdictKind.MISSING):
        world.registries.says = kind
        await world.verification.stored(world.operator, None, "hub", None)

    newest = await world.verification.history(world.operator, None, "hub", 0, 2)
    older = await world.verification.history(world.operator, None, "hub", newest[-1][0], 2)

    assert [v.kind for _, v in [*newest, *older]] == ["missing", "denied", "ok"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER])
async def test_readers_verify_nothing_and_read_the_history(world: World, role: Role) -> None:
    await world.login()
    who = await world.caller(role)

    with pytest.raises(AccessDenied):
        await world.verification.stored(who, None, "hub", None)
    with pytest.raises(AccessDenied):
        await world.verification.typed_in(who, None, draft(), None)

    assert world.registries.asked == []
    assert await world.verification.history(who, None, "hub", 0, 10) == []


async def test_a_narrowed_puller_reads_no_foreign_history(world: World) -> None:
    await world.login()
    puller = await world.caller(Role.PULLER, "other.example.com")

    with pytest.raises(CredentialNotFound):
        await world.verification.history(puller, None, "hub", 0, 10)


async def test_a_secret_that_does_not_open_is_not_sent_anywhere(world: World) -> None:
    old = await world.login()
    await world.store.update_credential(
        replace(old, username="edited"), None, None, (await world.events())[0]
    )

    with pytest.raises(SealBroken):
        await world.verification.stored(world.operator, None, "hub", None)

    assert world.registries.asked == []


async def test_a_narrowed_key_asks_and_hears_about_its_own_images_alone(world: World) -> None:
    await world.login()
    theirs = ImageReference.parse(f"{REGISTRY}/team-b/secret:1")
    mine = ImageReference.parse(f"{REGISTRY}/team-a/app:1")
    narrowed = await world.caller(Role.EDITOR, f"{REGISTRY}/team-a/*")
    world.registries.says = VerdictKind.DENIED
    await world.verification.stored(world.operator, None, "hub", theirs)
    await world.verification.stored(world.operator, None, "hub", mine)

    with pytest.raises(InvalidInput, match="image: must be one that this key may pull"):
        await world.verification.typed_in(narrowed, None, draft(), theirs)
    seen = await world.verification.history(world.operator, None, "hub", 0, 10)
    assert [verdict.image for _, verdict in seen] == [str(mine), str(theirs)]
    assert not narrowed.may_hear_of(str(theirs))
    assert narrowed.may_hear_of(str(mine))
    assert world.operator.may_hear_of(str(theirs))
