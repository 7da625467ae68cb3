"""What every store promises about automatic checks, their news, and ends that come near."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import CredentialNotFound
from regcred.domain.event import Event, EventKind
from regcred.domain.ports import DueCheck, EventFilter
from regcred.domain.schedule import RESTS, Plan
from regcred.domain.verdict import Verdict, VerdictKind
from tests.adapters.storage.samples import START, World, event, new_id, sealed

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
LEASE = 5 * MINUTE
OK, REJECTED, UNREACHABLE = VerdictKind.OK, VerdictKind.REJECTED, VerdictKind.UNREACHABLE
LOW: dict[str, Any] = {"ratelimit_remaining": "5;w=21600", "ratelimit_limit": "100;w=21600"}
PLENTY: dict[str, Any] = {"ratelimit_remaining": "50;w=21600", "ratelimit_limit": "100;w=21600"}
NOTHING: dict[str, Any] = {}


async def judged(
    world: World,
    login: RegistryCredential,
    kind: VerdictKind,
    at: datetime = START,
    *,
    automatic: bool = False,
    image: str | None = None,
    version: int = 1,
    **evidence: Any,
) -> Sequence[Event]:
    verdict = Verdict(kind, at, image, evidence)
    done = event(Action.CREDENTIAL_VERIFIED, login.project_id, login.id)
    return await world.store.record_verdict(
        login.project_id, login.id, version, verdict, done, automatic=automatic
    )


async def claimed(world: World, now: datetime, limit: int = 100) -> Sequence[DueCheck]:
    return await world.store.claim_checks(now, LEASE, limit)


async def ids(world: World, now: datetime) -> list[Any]:
    return [check.credential_id for check in await claimed(world, now)]


async def interval(world: World, seconds: int) -> None:
    project = await world.store.find_project(world.id)
    await world.store.update_project(
        replace(project, recheck_every=seconds), None, event(Action.PROJECT_UPDATED, world.id)
    )


async def told(world: World) -> list[Event]:
    return list(await world.store.list_events(world.id, EventFilter(), 0, 100))[::-1]


class TestPlans:
    async def test_a_new_login_is_checked_after_about_the_interval(self, world: World) -> None:
        login = await world.add()

        assert await claimed(world, START + 0.89 * DAY) == []
        (check,) = await claimed(world, START + 1.1 * DAY)
        assert check == DueCheck(world.id, login.id, None, DAY, 0, START + 1.1 * DAY + LEASE)

    async def test_a_new_secret_plans_anew_and_one_sealed_again_does_not(
        self, world: World
    ) -> None:
        login = await world.add()
        later = replace(login, updated_at=START + DAY / 2)
        done = event(Action.CREDENTIAL_UPDATED, world.id, login.id)
        await world.store.update_credential(later, None, sealed(1), done)
        assert await world.store.checks_due(START + 1.1 * DAY) == 1
        await world.store.update_credential(later, None, sealed(2), done)

        assert await world.store.checks_due(START + 1.3 * DAY) == 0
        assert await world.store.checks_due(START + 1.6 * DAY) == 1

    async def test_a_verdict_moves_the_plan(self, world: World) -> None:
        login = await world.add()
        await judged(world, login, REJECTED)

        assert await ids(world, START + 14 * MINUTE) == []
        assert await ids(world, START + 20 * MINUTE) == [login.id]

    async def test_a_confirmed_refusal_rests_until_a_person_asks(self, world: World) -> None:
        login = await world.add()
        await judged(world, login, REJECTED, automatic=True)
        confirmed = START + 20 * MINUTE
        await claimed(world, confirmed)
        await judged(world, login, REJECTED, confirmed, automatic=True)

        assert (await world.store.find_credential(world.id, login.id)).standing.withheld
        assert await world.store.checks_due(START + 100 * DAY) == 0

        await judged(world, login, REJECTED, START + DAY)
        assert await ids(world, START + DAY + 20 * MINUTE) == [login.id]

    async def test_a_confirmed_refusal_rests_until_the_secret_changes(self, world: World) -> None:
        login = await world.add()
        for at in (START, START + 20 * MINUTE):
            await judged(world, login, REJECTED, at, automatic=True)
        done = event(Action.CREDENTIAL_REPLACED, world.id, login.id)
        await world.store.update_credential(login, None, sealed(2), done)

        assert await ids(world, START + 1.1 * DAY) == [login.id]

    async def test_failures_are_counted_and_forgotten(self, world: World) -> None:
        login = await world.add()
        counts, at = [], START
        for kind in (UNREACHABLE, UNREACHABLE, OK, UNREACHABLE):
            await judged(world, login, kind, at, automatic=True)
            at += 2 * DAY
            counts += [check.failures for check in await claimed(world, at)]

        assert counts == [1, 2, 0, 1]

    async def test_the_image_is_the_last_one_that_a_person_saw_pulled(self, world: World) -> None:
        login = await world.add()
        seen, at = [], START
        for kind, image, automatic in (
            (OK, None, False),
            (VerdictKind.DENIED, "r.example/no", False),
            (OK, "r.example/automatic", True),
            (OK, "r.example/app", False),
            (VerdictKind.MISSING, "r.example/typo", False),
            (OK, None, False),
            (OK, "r.example/other", False),
        ):
            await judged(world, login, kind, at, image=image, automatic=automatic)
            at += 2 * DAY
            seen += [check.image for check in await claimed(world, at)]

        assert seen == [None, None, None, *["r.example/app"] * 3, "r.example/other"]

    async def test_a_verdict_on_an_old_secret_plans_and_tells_nothing(self, world: World) -> None:
        login = await world.add()
        done = event(Action.CREDENTIAL_REPLACED, world.id, login.id)
        await world.store.update_credential(login, None, sealed(2), done)

        assert await judged(world, login, REJECTED, image="r.example/app", **LOW) == []
        assert await claimed(world, START + 20 * MINUTE) == []
        assert await told(world) == []


class TestClaims:
    async def test_a_claim_lasts_for_its_lease(self, world: World) -> None:
        login = await world.add()
        due = START + 2 * DAY
        assert await world.store.checks_due(due) == 1

        assert await ids(world, due) == [login.id]
        assert await world.store.checks_due(due) == 0
        assert await ids(world, due + LEASE - MINUTE) == []
        assert await ids(world, due + LEASE) == [login.id]

    async def test_the_longest_due_come_first_and_as_many_as_asked_for(self, world: World) -> None:
        logins = [await world.add(f"login{n}") for n in range(3)]
        for days, login in zip((2, 1, 3), logins, strict=True):
            await judged(world, login, OK, START + days * DAY)

        now = START + 10 * DAY
        first = [check.credential_id for check in await claimed(world, now, 2)]
        rest = [check.credential_id for check in await claimed(world, now, 2)]
        assert first + rest == [logins[1].id, logins[0].id, logins[2].id]

    async def test_two_who_claim_at_once_never_get_the_same(self, world: World) -> None:
        logins = [await world.add(f"login{n}") for n in range(50)]
        due = START + 2 * DAY
        batches = await asyncio.gather(*(claimed(world, due, 7) for _ in range(10)))

        found = [check.credential_id for batch in batches for check in batch]
        assert sorted(found) == sorted(login.id for login in logins)

    async def test_a_verdict_ends_the_claim(self, world: World) -> None:
        login = await world.add()
        due = START + 2 * DAY
        await claimed(world, due)
        await judged(world, login, OK, due, automatic=True)

        assert await world.store.checks_due(due + 2 * LEASE) == 0

    async def test_a_check_without_a_verdict_is_postponed(self, world: World) -> None:
        login = await world.add()
        due = START + 2 * DAY
        (check,) = await claimed(world, due)
        await world.store.postpone_check(check, Plan(due + DAY, 4))

        assert await claimed(world, due + 2 * LEASE) == []
        (again,) = await claimed(world, due + DAY)
        assert (again.credential_id, again.failures) == (login.id, 4)

    async def test_or_rests(self, world: World) -> None:
        await world.add()
        (check,) = await claimed(world, START + 2 * DAY)
        await world.store.postpone_check(check, RESTS)

        assert await world.store.checks_due(START + 100 * DAY) == 0

    async def test_but_not_where_it_was_planned_anew_or_is_gone(self, world: World) -> None:
        kept, gone = await world.add("kept"), await world.add("gone")
        due = START + 2 * DAY
        checks = await claimed(world, due)
        await judged(world, kept, REJECTED, due)
        deleted = event(Action.CREDENTIAL_DELETED, world.id, gone.id)
        await world.store.delete_credential(world.id, gone.id, None, deleted)
        for check in checks:
            await world.store.postpone_check(check, Plan(due + 30 * DAY, 1))

        assert await ids(world, due + 20 * MINUTE) == [kept.id]
        with pytest.raises(CredentialNotFound):
            await judged(world, gone, OK, due, automatic=True)

    async def test_nothing_due_writes_nothing(self, world: World) -> None:
        await world.add(expires_at=START + 100 * DAY)

        assert await claimed(world, START) == []
        assert await world.store.plan_checks(START, 10) is None
        assert await world.store.claim_expiry_notices(START, 10) == []


class TestIntervals:
    async def test_it_is_kept_with_the_project(self, world: World) -> None:
        assert world.project.recheck_every == 86400
        await interval(world, 900)

        assert (await world.store.find_project(world.id)).recheck_every == 900

    async def test_a_shorter_one_is_planned_a_few_at_a_time(self, world: World) -> None:
        for n in range(5):
            await world.add(f"login{n}")
        await interval(world, 3600)

        steps = [await world.store.plan_checks(START, 2) for _ in range(5)]
        assert steps == [(1, 2), (1, 2), (1, 1), None, None]
        assert await world.store.checks_due(START + 4 * MINUTE) == 0
        assert await world.store.checks_due(START + 60 * MINUTE) == 5

    async def test_a_step_that_was_just_enough_is_followed_by_an_empty_one(
        self, world: World
    ) -> None:
        await world.add()
        await interval(world, 3600)

        steps = [await world.store.plan_checks(START, 1) for _ in range(3)]
        assert steps == [(1, 1), (1, 0), None]

    async def test_two_who_plan_at_once_plan_it_once(self, world: World) -> None:
        await world.add()
        await interval(world, 3600)
        steps = await asyncio.gather(*(world.store.plan_checks(START, 10) for _ in range(2)))

        assert sorted(steps, key=bool) == [None, (1, 1)]

    async def test_what_is_dead_or_backed_off_from_keeps_its_plan(self, world: World) -> None:
        dead, away, fine = [await world.add(name) for name in ("dead", "away", "fine")]
        for at in (START, START + 20 * MINUTE):
            await judged(world, dead, REJECTED, at, automatic=True)
        for n in range(6):
            await judged(world, away, UNREACHABLE, START + n * MINUTE, automatic=True)
        await interval(world, 900)
        await world.store.plan_checks(START, 100)

        assert await ids(world, START + 15 * MINUTE) == [fine.id]

    async def test_none_stops_every_check_and_some_begin_them_again(self, world: World) -> None:
        login, dead = await world.add("fine"), await world.add("dead")
        await judged(world, dead, REJECTED)
        await interval(world, 0)
        assert await claimed(world, START + 2 * DAY) == []
        await world.store.plan_checks(START, 100)
        assert await world.store.checks_due(START + 100 * DAY) == 0

        new = await world.add("new")
        await judged(world, new, OK)
        assert await world.store.checks_due(START + 100 * DAY) == 0

        await interval(world, 900)
        await world.store.plan_checks(START, 100)
        assert set(await ids(world, START + 15 * MINUTE)) == {login.id, new.id}

    async def test_projects_are_planned_in_turn(self, world: World) -> None:
        other = await world.add_project("beta")
        for n in range(2):
            await world.add(f"login{n}")
            await world.add(f"login{n}", project_id=other.id)
        await interval(world, 900)
        await world.store.update_project(
            replace(other, recheck_every=900), None, event(Action.PROJECT_UPDATED, other.id)
        )

        order, after = [], 0
        while planned := await world.store.plan_checks(START, 1, after):
            after = planned.project
            order.append(after)
        assert order == [1, 2] * 3
        assert await world.store.checks_due(START + 15 * MINUTE) == 4

    async def test_a_project_that_is_gone_is_not_planned(self, world: World) -> None:
        other = await world.add_project("beta")
        changed = replace(other, recheck_every=900)
        await world.store.update_project(changed, None, event(Action.PROJECT_UPDATED, other.id))
        gone = event(Action.PROJECT_DELETED, other.id)
        await world.store.delete_project(other.id, None, gone)

        assert await world.store.plan_checks(START, 10) is None


class TestNews:
    async def test_it_commits_with_the_verdict_and_is_returned(self, world: World) -> None:
        login = await world.add()
        first = await judged(world, login, OK, image="r.example/app")
        second = await judged(world, login, REJECTED, START + DAY, automatic=True)

        assert first == []
        (news,) = second
        assert news == (await told(world))[0]
        assert (news.kind, news.at) == (EventKind.VERDICT_CHANGED, START + DAY)
        assert (news.details["from"], news.details["to"]) == ("ok", "rejected")

    async def test_it_goes_on_from_what_was_said_of_the_secret_before(self, world: World) -> None:
        login = await world.add()
        await judged(world, login, REJECTED)
        done = event(Action.CREDENTIAL_REPLACED, world.id, login.id)
        await world.store.update_credential(login, None, sealed(2), done)
        (news,) = await judged(world, login, OK, version=2)

        assert (news.details["from"], news.details["to"]) == ("rejected", "ok")

    async def test_a_low_allowance_is_told_once_until_it_has_recovered(self, world: World) -> None:
        login = await world.add()
        counts = [
            len(await judged(world, login, OK, **seen))
            for seen in (LOW, LOW, NOTHING, LOW, PLENTY, NOTHING, LOW)
        ]

        assert counts == [1, 0, 0, 0, 0, 0, 1]
        assert {e.kind for e in await told(world)} == {EventKind.ALLOWANCE_LOW}

    async def test_nothing_is_told_where_the_verdict_was_not_stored(self, world: World) -> None:
        ghost = replace(await world.add(), id=new_id())
        with pytest.raises(CredentialNotFound):
            await judged(world, ghost, REJECTED)

        assert await told(world) == []


class TestNotices:
    async def days(self, world: World, *at: timedelta) -> list[Any]:
        found = [await world.store.claim_expiry_notices(START + moment, 100) for moment in at]
        return [[e.details["days_left"] for e in events] for events in found]

    async def test_each_of_its_days_once(self, world: World) -> None:
        login = await world.add(expires_at=START + 40 * DAY)
        hours = [timedelta(hours=h) for h in range(0, 50 * 24, 12)]
        found = [days for batch in await self.days(world, *hours) for days in batch]

        assert found == [30, 14, 7, 1, 0]
        events = await told(world)
        assert {(e.kind, e.credential_id) for e in events} == {(EventKind.EXPIRY_NEAR, login.id)}
        assert [e.details["ended"] for e in events] == [False] * 4 + [True]

    async def test_what_was_missed_is_told_in_one(self, world: World) -> None:
        await world.add(expires_at=START + 40 * DAY)

        assert await self.days(world, 35 * DAY, 38 * DAY, 39 * DAY) == [[5], [], [1]]

    async def test_another_end_begins_anew_and_none_is_the_end_of_it(self, world: World) -> None:
        login = await world.add(expires_at=START + 40 * DAY)
        assert await self.days(world, 10 * DAY) == [[30]]
        done = event(Action.CREDENTIAL_UPDATED, world.id, login.id)

        async def ends(at: datetime | None, now: timedelta) -> None:
            changed = replace(login, expires_at=at, updated_at=START + now)
            await world.store.update_credential(changed, None, None, done)

        await ends(START + 41 * DAY, 10 * DAY)
        assert await self.days(world, 10 * DAY, 11 * DAY, 12 * DAY) == [[], [30], []]
        await ends(None, 12 * DAY)
        assert await self.days(world, 40 * DAY) == [[]]

    async def test_an_update_that_keeps_the_end_keeps_the_notices(self, world: World) -> None:
        login = await world.add(expires_at=START + 40 * DAY)
        assert await self.days(world, 10 * DAY) == [[30]]
        same = replace(login, updated_at=START, description="more")
        done = event(Action.CREDENTIAL_UPDATED, world.id, login.id)
        await world.store.update_credential(same, None, None, done)

        assert await self.days(world, 10 * DAY) == [[]]

    async def test_two_who_look_at_once_tell_it_once(self, world: World) -> None:
        for n in range(20):
            await world.add(f"login{n}", expires_at=START + 31 * DAY + n * MINUTE)
        now = START + 10 * DAY
        batches = await asyncio.gather(
            *(world.store.claim_expiry_notices(now, 6) for _ in range(6))
        )

        found = [e.credential_id for batch in batches for e in batch]
        assert len(found) == len(set(found)) == 20
