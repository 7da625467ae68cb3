"""What happens to logins that nobody asks about."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    CredentialNotFound,
    InvalidInput,
    QuotaExceeded,
    RegcredError,
    SealBroken,
    StoreUnavailable,
)
from regcred.domain.event import Event, EventKind
from regcred.domain.ports import EventFilter
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind
from regcred.usecases.change_credential import Change
from tests.fakes.registries import REJECTED, TOO_OFTEN
from tests.fakes.store import MemoryStore
from tests.usecases.world import REGISTRY, START, World

LEASE = timedelta(minutes=5)
IMAGE = f"{REGISTRY}/team/app:1"
DUE = {"hours": 27}
"""More than the interval and a tenth."""


async def turn(world: World) -> list[RegcredError | None]:
    """Check everything that is due, and return what came of each."""
    claimed = await world.recheck.claim(LEASE, 100)
    return [await world.recheck.check(due) for due in claimed]


async def stands(world: World, login: RegistryCredential) -> RegistryCredential:
    return await world.store.find_credential(login.project_id, login.id)


async def told(world: World) -> list[Event]:
    return list(await world.store.list_events(world.home.id, EventFilter(), 0, 100))[::-1]


async def image_proven(world: World) -> RegistryCredential:
    login = await world.login()
    await world.verification.stored(world.operator, None, "hub", ImageReference.parse(IMAGE))
    return login


async def test_a_due_login_is_checked_and_the_audit_says_by_whom(world: World) -> None:
    login = await world.login()
    world.clock.forward(**DUE)

    assert await turn(world) == [None]
    assert (await stands(world, login)).standing.last is VerdictKind.OK
    (event,) = await world.events(Action.CREDENTIAL_VERIFIED)
    assert (event.principal, event.target) == ("system:recheck", str(login.id))
    assert event.details == {
        "name": "hub", "verdict": "ok", "image": None, "registry": REGISTRY,
    }  # fmt: skip
    assert await turn(world) == []


async def test_what_is_due_is_counted_for_who_asks_and_not_while_checks_are_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting reads every one that is due."""
    await world.login()
    assert await world.recheck.due() == 0
    world.clock.forward(**DUE)
    assert await world.recheck.due() == 1

    monkeypatch.delattr(MemoryStore, "checks_due")
    assert await turn(world) == [None]


async def test_it_is_asked_with_the_image_that_a_person_saw_pulled(world: World) -> None:
    await image_proven(world)
    world.clock.forward(**DUE)
    await turn(world)

    assert [image for _, image in world.registries.asked] == [IMAGE, IMAGE]


async def test_and_without_it_once_the_login_is_for_others(world: World) -> None:
    """The scripted registries take any image; the real ones say which do not lie in scope."""
    await image_proven(world)
    world.registries.needs = lambda image: image is None
    world.clock.forward(**DUE)

    assert await turn(world) == [None]
    assert world.registries.asked[-1][1] is None


async def test_a_login_that_only_an_image_can_check_rests_until_a_person_gives_one(
    world: World,
) -> None:
    await world.login()
    world.registries.needs = lambda image: image is not None
    world.clock.forward(**DUE)

    (refused,) = await turn(world)
    assert isinstance(refused, InvalidInput)
    assert await world.store.checks_due(START + timedelta(days=100)) == 0

    await world.verification.stored(world.operator, None, "hub", ImageReference.parse(IMAGE))
    world.clock.forward(**DUE)
    assert await turn(world) == [None]


async def test_a_login_that_goes_bad_is_confirmed_withheld_and_left_alone(world: World) -> None:
    login = await image_proven(world)
    world.registries.says = VerdictKind.REJECTED
    withheld = []
    for step in (DUE, {"minutes": 20}, {"minutes": 20}, DUE, {"days": 40}):
        world.clock.forward(**step)
        await turn(world)
        withheld.append((await stands(world, login)).standing.withheld)

    assert withheld == [False, True, True, True, True]
    assert len(world.registries.asked) == 1 + 2
    changed, kept_back = await told(world)
    assert (changed.kind, changed.details["to"]) == (EventKind.VERDICT_CHANGED, "rejected")
    assert kept_back.kind is EventKind.LOGIN_WITHHELD


async def test_a_persons_verify_wakes_it(world: World) -> None:
    login = await image_proven(world)
    world.registries.says = VerdictKind.REJECTED
    for step in (DUE, {"minutes": 20}):
        world.clock.forward(**step)
        await turn(world)
    world.registries.says = VerdictKind.OK
    await world.verification.stored(world.operator, None, "hub", None)
    world.clock.forward(**DUE)

    assert await turn(world) == [None]
    assert not (await stands(world, login)).standing.withheld
    assert [e.kind for e in await told(world)] == [
        EventKind.VERDICT_CHANGED,
        EventKind.LOGIN_WITHHELD,
        EventKind.VERDICT_CHANGED,
    ]


async def test_two_persons_refusals_still_get_one_automatic_confirmation(world: World) -> None:
    login = await world.login()
    world.registries.says = VerdictKind.REJECTED
    for _ in range(2):
        await world.verification.stored(world.operator, None, "hub", None)
        world.clock.forward(minutes=2)
    assert (await stands(world, login)).standing.withheld
    world.registries.says = VerdictKind.OK
    world.clock.forward(minutes=20)

    assert await turn(world) == [None]
    assert not (await stands(world, login)).standing.withheld


async def test_a_secret_that_is_exchanged_and_refused_costs_two_tries_in_all(world: World) -> None:
    """Its exchange and its check are two ways to try one secret."""
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    login = await world.login(
        "ecr", host, provider="ecr", username="AKIAIOSFODNN7EXAMPLE", password=REJECTED
    )
    key = await world.key(Role.PULLER)
    for _ in range(3 * 24 * 12):
        await world.pull(key, f"{host}/app")
        await turn(world)
        for place, claim in await world.exchanges.claim_due(10):
            await world.exchanges.renew(place, claim)
        world.clock.forward(minutes=5)

    assert len(world.registries.exchanged) + len(world.registries.asked) == 2
    assert (await stands(world, login)).standing.withheld


async def break_seal(world: World, login: RegistryCredential) -> None:
    held = world.store._held[login.project_id][login.id]
    held.secret = held.secret._replace(sealed=b'[["elsewhere"], "x"]')


async def test_what_keeps_one_from_a_verdict_keeps_no_other(world: World) -> None:
    broken = await world.login("broken")
    await world.login("too often", password=TOO_OFTEN)
    fine = await world.login("fine")
    await break_seal(world, broken)
    world.clock.forward(**DUE)

    outcomes = {type(outcome) for outcome in await turn(world)}
    assert outcomes == {SealBroken, QuotaExceeded, type(None)}
    assert (await stands(world, fine)).standing.last is VerdictKind.OK
    assert await world.store.checks_due(world.clock() + timedelta(seconds=6)) == 0

    world.clock.forward(minutes=6)
    assert {type(outcome) for outcome in await turn(world)} == {SealBroken, QuotaExceeded}
    world.clock.forward(minutes=7)
    assert {type(outcome) for outcome in await turn(world)} == {QuotaExceeded}


async def test_what_our_own_rate_refuses_is_no_failure_and_due_when_it_said(world: World) -> None:
    """The scripted registries say 7 s; up to half a minute is added, so that not all come then."""
    await world.login("too often", password=TOO_OFTEN)
    world.clock.forward(**DUE)
    for _ in range(5):
        (due,) = await world.recheck.claim(LEASE, 10)
        assert due.failures == 0
        assert isinstance(await world.recheck.check(due), QuotaExceeded)
        world.clock.forward(seconds=37)


async def test_a_login_that_vanished_meanwhile_is_no_trouble(world: World) -> None:
    gone, leaves = await world.login("gone"), await world.login("leaves")
    world.clock.forward(**DUE)
    claimed = {due.credential_id: due for due in await world.recheck.claim(LEASE, 10)}
    await world.credentials.delete(world.operator, None, "gone", None)

    async def leave() -> None:
        await world.credentials.delete(world.operator, None, "leaves", None)

    world.registries.meanwhile = leave
    for login in (gone, leaves):
        outcome = await world.recheck.check(claimed[login.id])
        assert isinstance(outcome, CredentialNotFound)


async def test_a_secret_replaced_meanwhile_keeps_its_clean_record(world: World) -> None:
    login = await image_proven(world)
    world.registries.says = VerdictKind.REJECTED
    world.clock.forward(**DUE)

    async def replace() -> None:
        change = Change(frozenset({"password"}), password=Secret("another"))
        await world.credentials.patch(world.operator, None, "hub", None, lambda _: change)

    world.registries.meanwhile = replace

    assert await turn(world) == [None]
    assert (await stands(world, login)).standing.last is None
    assert await told(world) == []


async def test_a_claim_about_to_end_is_not_begun(world: World) -> None:
    await world.login()
    world.clock.forward(**DUE)
    (due,) = await world.recheck.claim(LEASE, 10)
    world.clock.forward(minutes=4, seconds=31)

    assert await world.recheck.check(due) is None
    assert world.registries.asked == []

    world.clock.forward(minutes=1)
    assert await turn(world) == [None]


async def test_a_store_that_is_away_is_said_and_the_claim_stands(world: World) -> None:
    await world.login()
    world.clock.forward(**DUE)
    (due,) = await world.recheck.claim(LEASE, 10)
    world.store.broken = True
    with pytest.raises(StoreUnavailable):
        await world.recheck.check(due)
    world.store.broken = False
    world.clock.forward(minutes=5)

    assert await turn(world) == [None]


async def test_what_failed_can_be_put_off(world: World) -> None:
    await world.login()
    world.clock.forward(**DUE)
    (due,) = await world.recheck.claim(LEASE, 10)
    await world.recheck.postpone(due)
    world.clock.forward(minutes=6, seconds=1)

    (again,) = await world.recheck.claim(LEASE, 10)
    assert again.failures == 1


async def test_ends_that_come_near_are_announced(world: World) -> None:
    await world.login(expires_at=START + timedelta(days=20))
    counts = []
    for _ in range(25):
        counts.append(await world.recheck.announce(10))
        world.clock.forward(days=1)

    assert [day for day, count in enumerate(counts) if count] == [6, 13, 19, 20]
    assert {e.kind for e in await told(world)} == {EventKind.EXPIRY_NEAR}


async def test_another_interval_is_planned(world: World) -> None:
    await world.login()
    await world.projects.update(world.operator, None, None, recheck_every=900)

    assert [await world.recheck.plan(10) for _ in range(2)] == [True, False]
    world.clock.forward(minutes=15)
    assert await turn(world) == [None]


@pytest.mark.parametrize("seconds", [1, 899, 2_592_001, -1])
async def test_an_interval_has_bounds(world: World, seconds: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.projects.update(world.operator, None, None, recheck_every=seconds)

    assert refused.value.violations[0].field == "recheck_every"


@pytest.mark.parametrize("seconds", [0, 900, 2_592_000])
async def test_and_what_lies_in_them_is_kept(world: World, seconds: int) -> None:
    await world.projects.update(world.operator, None, None, recheck_every=seconds)
    kept = await world.projects.update(world.operator, None, None, require_if_match=True)

    assert kept.recheck_every == seconds
