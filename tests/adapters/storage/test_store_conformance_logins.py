"""What every store promises about logins that stored secrets were exchanged for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.event import Event, EventKind
from regcred.domain.ports import EventFilter, KeptLogin, LoginPlace, SealedLogin
from regcred.domain.verdict import VerdictKind
from tests.adapters.storage.samples import (
    START,
    World,
    a_credential,
    a_verdict,
    event,
    sealed,
    seed,
)

LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)
NOTHING = KeptLogin(1, None, None, None, 0, None, "", None)
ENDS = START + 12 * HOUR


def place(login: RegistryCredential, name: str = "eu-west-1") -> LoginPlace:
    return LoginPlace(str(login.project_id), str(login.id), name)


def exchanged(login: RegistryCredential) -> AuditEvent:
    return event(Action.CREDENTIAL_EXCHANGED, login.project_id, login.id)


def a_login(text: str = "fresh", version: int = 1, refresh_at: datetime = START) -> SealedLogin:
    return SealedLogin(version, seed("alpha"), text.encode(), ENDS, refresh_at)


async def claim(
    world: World, at: LoginPlace, who: str = "w1", now: datetime = START, version: int = 1
) -> bool:
    """Have a place exchanged now, and claim it as the only one that is due."""
    if not await world.store.plan_login(at, version, START):
        return False
    return at in await world.store.claim_due_logins(who, now, now + LEASE, 99)


async def keep(world: World, login: RegistryCredential, name: str = "eu-west-1") -> LoginPlace:
    at = place(login, name)
    assert await claim(world, at)
    assert await world.store.keep_login(at, "w1", a_login(), exchanged(login))
    return at


async def test_there_is_nothing_before_the_first_exchange(world: World) -> None:
    login = await world.add()

    assert await world.store.find_login(place(login)) is None
    assert not await world.store.claim_due_logins("w", START + 99 * HOUR, START + 99 * HOUR, 9)


async def test_what_was_kept_is_found_with_its_audit_row(world: World) -> None:
    login = await world.add()
    at = await keep(world, login)

    assert await world.store.find_login(at) == NOTHING._replace(
        seed=seed("alpha"), sealed=b"fresh", refresh_at=START, expires_at=ENDS
    )
    assert await world.store.find_login(place(login, "eu-west-2")) is None
    assert (await world.actions())[-1] is Action.CREDENTIAL_EXCHANGED


async def test_a_place_is_claimed_by_one_until_its_time_is_over(world: World) -> None:
    at = place(await world.add())

    assert await claim(world, at, "first")
    assert not await claim(world, at, "second")
    assert not await claim(world, at, "first")
    kept = await world.store.find_login(at)
    assert kept is not None
    assert kept.claimed_until == START + LEASE
    assert await claim(world, at, "second", START + LEASE)


async def test_of_many_claims_at_once_one_holds(world: World) -> None:
    at = place(await world.add())
    await world.store.plan_login(at, 1, START)

    won = await asyncio.gather(
        *(world.store.claim_due_logins(f"w{n}", START, START + LEASE, 9) for n in range(20))
    )

    assert max(won, key=len) == [at]
    assert sum(map(len, won)) == 1


async def test_who_lost_the_claim_keeps_nothing(world: World) -> None:
    login = await world.add()
    at = place(login)
    await claim(world, at, "slow")
    await claim(world, at, "quick", START + LEASE)
    before = await world.actions()

    failure = a_verdict(VerdictKind.DENIED)
    assert not await world.store.keep_login(at, "slow", a_login(), exchanged(login))
    assert not await world.store.fail_login(at, "slow", failure, None, exchanged(login))
    assert await world.actions() == before
    assert await world.store.keep_login(at, "quick", a_login(), exchanged(login))
    assert not await world.store.keep_login(at, "quick", a_login("again"), exchanged(login))


async def test_due_places_are_claimed_once_and_oldest_first(world: World) -> None:
    logins = [await world.add(f"login-{n}") for n in range(5)]
    for n, login in enumerate(logins):
        await world.store.plan_login(place(login), 1, START + n * HOUR)

    now = START + 3 * HOUR
    first = await world.store.claim_due_logins("a", now, now + LEASE, 3)
    second = await world.store.claim_due_logins("b", now, now + LEASE, 9)
    third = await world.store.claim_due_logins("c", now, now + LEASE, 9)
    after = await world.store.claim_due_logins("d", now + LEASE, now + 2 * LEASE, 9)

    assert sorted(first) == sorted(place(login) for login in logins[:3])
    assert second == [place(logins[3])]
    assert not third
    assert sorted(after) == sorted(place(login) for login in logins[:4])


async def test_a_login_that_failed_keeps_the_one_before_it(world: World) -> None:
    login = await world.add()
    at = await keep(world, login)
    await claim(world, at, "w2")
    failure = a_verdict(VerdictKind.DENIED, evidence={"note": "It may not."})

    news = Event(world.id, START, EventKind.EXCHANGE_FAILED, login.id, login.name, {"place": "x"})

    assert await world.store.fail_login(at, "w2", failure, START + HOUR, exchanged(login), news)

    (told,) = await world.store.list_events(world.id, EventFilter(), 0, 10)
    assert replace(told, number=0) == news
    kept = await world.store.find_login(at)
    assert kept == NOTHING._replace(
        seed=seed("alpha"),
        sealed=b"fresh",
        refresh_at=START + HOUR,
        failures=1,
        failure=VerdictKind.DENIED,
        failure_note="It may not.",
        expires_at=ENDS,
    )


async def test_failures_are_counted_until_a_login_comes(world: World) -> None:
    login = await world.add()
    at = place(login)
    assert await claim(world, at)
    for n in range(1, 4):
        failure = a_verdict(VerdictKind.UNREACHABLE)
        now = START + n * LEASE
        await world.store.fail_login(at, "w1", failure, now, exchanged(login))
        assert await world.store.claim_due_logins("w1", now, now + LEASE, 9) == [at]
    failed = await world.store.find_login(at)
    await world.store.keep_login(at, "w1", a_login(), exchanged(login))
    healed = await world.store.find_login(at)

    assert failed is not None
    assert (failed.failures, failed.failure) == (3, VerdictKind.UNREACHABLE)
    assert healed is not None
    assert (healed.failures, healed.failure, healed.failure_note) == (0, None, "")


async def test_an_exchange_that_was_put_off_is_due_later_and_failed_nothing(world: World) -> None:
    login = await world.add()
    at = place(login)
    await claim(world, at)
    before = await world.actions()
    await world.store.put_off_login(at, "another", START)
    await world.store.put_off_login(at, "w1", START + HOUR)

    assert await world.store.find_login(at) == NOTHING._replace(refresh_at=START + HOUR)
    assert await world.actions() == before
    assert not await world.store.claim_due_logins("w2", START, START + LEASE, 9)
    assert await world.store.claim_due_logins("w2", START + HOUR, START + 2 * HOUR, 9) == [at]
    await world.store.put_off_login(at, "w2", None)
    assert not await world.store.claim_due_logins("w3", START + 9 * HOUR, START + 10 * HOUR, 9)


async def test_what_has_no_login_yet_is_claimed_before_what_is_renewed(world: World) -> None:
    old, new = await world.add("old"), await world.add("new")
    await keep(world, old)
    await world.store.plan_login(place(new), 1, START + HOUR)
    now = START + 2 * HOUR

    assert await world.store.claim_due_logins("w1", now, now + LEASE, 1) == [place(new)]
    assert await world.store.claim_due_logins("w1", now, now + LEASE, 1) == [place(old)]


@pytest.mark.parametrize("by_the_cloud", [True, False])
async def test_a_login_ends_the_run_of_the_clouds_refusals_alone(
    world: World, by_the_cloud: bool
) -> None:
    login = await world.add()
    at = place(login)
    await claim(world, at)
    if by_the_cloud:
        failure = a_verdict(VerdictKind.REJECTED)
        await world.store.fail_login(at, "w1", failure, START, exchanged(login))
        await claim(world, at)
    await _said(world, login, VerdictKind.REJECTED)
    assert await world.store.keep_login(at, "w1", a_login(), exchanged(login))

    standing = (await world.store.find_credential(world.id, login.id)).standing
    assert standing.last is VerdictKind.REJECTED
    assert (standing.dead_since is None) is by_the_cloud


async def test_first_exchanges_leave_room_for_renewals(world: World) -> None:
    old, new = await world.add("old"), await world.add("new")
    kept = await keep(world, old)
    for n in range(20):
        await world.store.plan_login(place(new, f"r{n}"), 1, START + HOUR)
    now = START + HOUR
    claimed = await world.store.claim_due_logins("w1", now, now + LEASE, 4)

    assert len(claimed) == 4
    assert claimed[-1] == kept


async def test_a_check_that_says_it_works_wakes_every_place_that_rests(world: World) -> None:
    login = await world.add()
    failed, resting, fine = (place(login, name) for name in ("failed", "resting", "fine"))
    await keep(world, login, "fine")
    for at in (failed, resting):
        assert await claim(world, at)
    await world.store.fail_login(
        failed, "w1", a_verdict(VerdictKind.REJECTED), None, exchanged(login)
    )
    await world.store.put_off_login(resting, "w1", None)
    await _said(world, login, VerdictKind.UNREACHABLE)
    before = await world.store.find_login(failed)
    await _said(world, login, VerdictKind.DENIED)

    assert before is not None
    assert before.refresh_at is None
    for at in (failed, resting):
        kept = await world.store.find_login(at)
        assert kept is not None
        assert (kept.refresh_at, kept.failure, kept.failures) == (START, None, 0)
    kept = await world.store.find_login(fine)
    assert kept is not None
    assert kept.sealed is not None


async def _said(world: World, login: RegistryCredential, kind: VerdictKind) -> None:
    verified = event(Action.CREDENTIAL_VERIFIED, world.id, login.id)
    await world.store.record_verdict(world.id, login.id, 1, a_verdict(kind), verified)


async def test_a_plan_forgets_neither_failures_nor_the_login(world: World) -> None:
    login = await world.add()
    at = await keep(world, login)
    await claim(world, at)
    await world.store.fail_login(at, "w1", a_verdict(VerdictKind.REJECTED), None, exchanged(login))
    before = await world.store.find_login(at)
    assert await world.store.plan_login(at, 1, START + HOUR)

    assert before is not None
    assert before.failure is VerdictKind.REJECTED
    assert await world.store.find_login(at) == before


async def test_what_rests_is_planned_anew_and_what_is_planned_stays(world: World) -> None:
    at = await keep(world, await world.add())
    await claim(world, at)
    await world.store.put_off_login(at, "w1", None)
    for hours in (2, 1):
        await world.store.plan_login(at, 1, START + hours * HOUR)

    assert await world.store.find_login(at) == NOTHING._replace(
        seed=seed("alpha"), sealed=b"fresh", refresh_at=START + 2 * HOUR, expires_at=ENDS
    )


async def test_what_is_claimed_makes_no_room(world: World) -> None:
    login = await world.add()
    for n in range(32):
        await claim(world, place(login, f"r{n}"))
        failure = a_verdict(VerdictKind.UNREACHABLE)
        again = START + HOUR
        await world.store.fail_login(place(login, f"r{n}"), "w1", failure, again, exchanged(login))
    now = START + HOUR
    claimed = await world.store.claim_due_logins("w2", now, now + LEASE, 32)

    assert len(claimed) == 32
    assert not await world.store.plan_login(place(login, "one-more"), 1, now)
    assert await world.store.plan_login(place(login, "one-more"), 1, now + LEASE)


async def test_a_new_secret_leaves_no_login_of_the_old(world: World) -> None:
    login = await world.add()
    at = await keep(world, login)
    await claim(world, at, "slow")
    replaced = event(Action.CREDENTIAL_REPLACED, world.id, login.id)
    await world.store.update_credential(login, None, sealed(2, "new"), replaced)

    assert await world.store.find_login(at) is None
    assert not await world.store.keep_login(at, "slow", a_login(), exchanged(login))
    assert not await claim(world, at)
    assert await claim(world, at, version=2)


async def test_logins_go_with_their_credential(world: World) -> None:
    login = await world.add()
    at = await keep(world, login)
    deleted = event(Action.CREDENTIAL_DELETED, world.id, login.id)
    await world.store.delete_credential(world.id, login.id, None, deleted)

    assert await world.store.find_login(at) is None
    assert not await claim(world, at)
    await world.store.plan_login(at, 1, START)
    assert await world.store.find_login(at) is None
    assert not await world.store.keep_login(at, "w1", a_login(), exchanged(login))


async def test_another_projects_credential_has_no_place_here(world: World) -> None:
    login = await world.add()
    other = await world.add_project("beta")
    elsewhere = LoginPlace(str(other.id), str(login.id), "")

    assert not await claim(world, elsewhere)
    await world.store.plan_login(elsewhere, 1, START)
    assert await world.store.find_login(elsewhere) is None


async def test_a_credential_has_so_many_places_and_no_more(world: World) -> None:
    login, other = await world.add("a"), await world.add("b")
    for n in range(32):
        assert await claim(world, place(login, f"r{n}"))

    assert not await claim(world, place(login, "one-more"))
    await world.store.plan_login(place(login, "one-more"), 1, START)
    assert await world.store.find_login(place(login, "one-more")) is None
    assert await claim(world, place(login, "r0"), "w2", START + LEASE)
    assert await claim(world, place(other, "r0"))


async def test_places_that_never_gave_a_login_make_room(world: World) -> None:
    """Whoever pulls names regions, and ones that do not exist must not use up the room."""
    login = await world.add()
    good = await keep(world, login)
    for n in range(31):
        await claim(world, place(login, f"r{n}"))
        failure = a_verdict(VerdictKind.UNREACHABLE)
        again = START + (LEASE if n == 0 else HOUR)
        await world.store.fail_login(place(login, f"r{n}"), "w1", failure, again, exchanged(login))

    assert await world.store.plan_login(place(login, "one-more"), 1, START + LEASE)
    assert not await world.store.plan_login(place(login, "yet-one"), 1, START + LEASE)
    assert await world.store.find_login(good) is not None
    assert await world.store.find_login(place(login, "r0")) is None
    assert await world.store.find_login(place(login, "r1")) is not None


async def test_an_unknown_project_or_credential_is_no_error(world: World) -> None:
    nowhere = LoginPlace(str(UUID(int=5)), str(a_credential(world.id).id), "")

    assert await world.store.find_login(nowhere) is None
    assert not await claim(world, nowhere)
