"""What every store promises about webhooks and what waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from regcred.adapters.storage.sql import deliveries, events
from regcred.domain.audit import Action
from regcred.domain.errors import (
    ProjectNotFound,
    TooManyWebhooks,
    VersionMismatch,
    WebhookNotFound,
)
from regcred.domain.event import EventKind
from regcred.domain.ports import AlreadyDone, Claimed, EventFilter, IdempotentRequest
from regcred.domain.webhook import (
    MAX_UNDER_WAY,
    MAX_WEBHOOKS,
    DeliveryStatus,
    Settled,
    Webhook,
    settled,
)
from tests.adapters.storage.samples import (
    DIGEST,
    START,
    World,
    an_event,
    event,
    new_id,
    sealed,
    seed,
)
from tests.fakes import store as memory_store
from tests.fakes import webhooks as memory
from tests.tools.events import record_event

URL = "https://hooks.example.com/in"
LATER = START + timedelta(hours=1)
LEASE = timedelta(seconds=30)
FEW = 40
"""Instead of what is really kept, which takes every store a while."""


def a_webhook(project_id: UUID, url: str = URL, **more: Any) -> Webhook:
    return Webhook(new_id(), project_id, url, START, START, **more)


async def add(world: World, project_id: UUID | None = None, **more: Any) -> Webhook:
    webhook = a_webhook(project_id or world.id, **more)
    done = event(Action.WEBHOOK_CREATED, webhook.project_id, webhook.id)
    return await world.store.create_webhook(webhook, sealed(), done)


async def happen(world: World, project_id: UUID | None = None, **more: Any) -> int:
    return await record_event(world.store, an_event(project_id or world.id, **more))


async def claim(world: World, limit: int = 10) -> list[Claimed]:
    return [*await world.store.claim_deliveries(world.clock(), LEASE, limit)]


async def claimed_numbers(world: World, limit: int = 10) -> list[int]:
    return [one.event.number for one in await claim(world, limit)]


def delivered(world: World) -> Settled:
    return settled(DeliveryStatus.DELIVERED, 0, 0, world.clock(), 0)


def failed(world: World, attempts: int = 0, failures: int = 0) -> Settled:
    return settled(DeliveryStatus.FAILED, attempts, failures, world.clock(), 0)


class TestWebhooks:
    async def test_stored_whole(self, world: World) -> None:
        asked = a_webhook(
            world.id, kinds=(EventKind.EXPIRY_NEAR, EventKind.ALLOWANCE_LOW), disabled=True
        )
        made = await world.store.create_webhook(
            replace(asked, version=7), sealed(), event(Action.WEBHOOK_CREATED, world.id, asked.id)
        )

        assert made == asked
        assert await world.store.find_webhook(world.id, asked.id) == asked
        assert await world.store.list_webhooks(world.id, "", 10) == [asked]
        assert await world.store.webhook_secret(world.id, asked.id) == sealed()
        assert (await world.actions())[-1] is Action.WEBHOOK_CREATED

    async def test_listed_by_id_a_page_at_a_time(self, world: World) -> None:
        made = [await add(world) for _ in range(5)]

        first = await world.store.list_webhooks(world.id, "", 2)
        rest = await world.store.list_webhooks(world.id, str(first[-1].id), 10)

        assert [*first, *rest] == made

    async def test_there_is_an_end_to_their_number(self, world: World) -> None:
        for _ in range(MAX_WEBHOOKS):
            await add(world)
        other = await world.add_project("beta")

        with pytest.raises(TooManyWebhooks) as refused:
            await add(world)

        assert refused.value.most == MAX_WEBHOOKS
        assert len(await world.store.list_webhooks(world.id, "", 100)) == MAX_WEBHOOKS
        await add(world, other.id)

    async def test_none_without_a_project(self, world: World) -> None:
        with pytest.raises(ProjectNotFound):
            await add(world, new_id())

    async def test_made_once_for_a_repeated_request(self, world: World) -> None:
        again = IdempotentRequest("key:tester", "once", DIGEST)
        one, two = a_webhook(world.id), a_webhook(world.id)
        done = event(Action.WEBHOOK_CREATED, world.id)
        await world.store.create_webhook(one, sealed(), done, again)

        with pytest.raises(AlreadyDone) as refused:
            await world.store.create_webhook(two, sealed(), done, again)

        assert refused.value.resource_id == str(one.id)
        assert await world.store.list_webhooks(world.id, "", 10) == [one]

    async def test_changed_counts_the_version_and_keeps_the_secret(self, world: World) -> None:
        made = await add(world)
        wanted = replace(
            made,
            url="https://other.example.com",
            kinds=(EventKind.EXPIRY_NEAR,),
            updated_at=LATER,
            created_at=LATER,
        )
        done = event(Action.WEBHOOK_UPDATED, world.id, made.id)
        changed = await world.store.update_webhook(wanted, 1, None, done)

        assert changed == replace(wanted, created_at=START, version=2)
        assert await world.store.find_webhook(world.id, made.id) == changed
        assert await world.store.webhook_secret(world.id, made.id) == sealed()
        assert (await world.actions())[-1] is Action.WEBHOOK_UPDATED

    async def test_a_new_secret_takes_the_place_of_the_old(self, world: World) -> None:
        made = await add(world)
        new = sealed(2, "new")
        done = event(Action.WEBHOOK_UPDATED, world.id, made.id)
        changed = await world.store.update_webhook(made, None, new, done)

        assert (changed.version, changed.secret_version) == (2, 2)
        assert await world.store.webhook_secret(world.id, made.id) == new

    async def test_a_change_of_what_moved_on_or_is_not_there_is_refused(self, world: World) -> None:
        made = await add(world)
        other = await world.add_project("beta")
        done = event(Action.WEBHOOK_UPDATED, world.id, made.id)

        with pytest.raises(VersionMismatch):
            await world.store.update_webhook(replace(made, disabled=True), 7, None, done)
        with pytest.raises(VersionMismatch):
            await world.store.delete_webhook(world.id, made.id, 7, done)
        for missing in (a_webhook(world.id), replace(made, project_id=other.id)):
            with pytest.raises(WebhookNotFound):
                await world.store.update_webhook(missing, None, None, done)
            with pytest.raises(WebhookNotFound):
                await world.store.delete_webhook(missing.project_id, missing.id, None, done)
            with pytest.raises(WebhookNotFound):
                await world.store.find_webhook(missing.project_id, missing.id)
            with pytest.raises(WebhookNotFound):
                await world.store.webhook_secret(missing.project_id, missing.id)
        assert await world.store.find_webhook(world.id, made.id) == made
        assert await world.store.list_webhooks(other.id, "", 10) == []

    async def test_deleted_with_what_waits(self, world: World) -> None:
        made = await add(world)
        await happen(world)
        done = event(Action.WEBHOOK_DELETED, world.id, made.id)
        await world.store.delete_webhook(world.id, made.id, 1, done)

        assert await world.store.list_webhooks(world.id, "", 10) == []
        assert await claim(world) == []
        assert (await world.actions())[-1] is Action.WEBHOOK_DELETED

    async def test_deleted_with_their_project(self, world: World) -> None:
        other = await world.add_project("beta")
        await add(world, other.id)
        await happen(world, other.id)
        gone = event(Action.PROJECT_DELETED, other.id, other.id)
        await world.store.delete_project(other.id, None, gone)

        assert await world.store.list_webhooks(other.id, "", 10) == []
        assert await claim(world) == []


class TestOutbox:
    async def test_an_event_waits_for_every_webhook_that_wants_it(self, world: World) -> None:
        other = await world.add_project("beta")
        everything = await add(world)
        near = await add(world, kinds=(EventKind.EXPIRY_NEAR, EventKind.ALLOWANCE_LOW))
        await add(world, kinds=(EventKind.EXCHANGE_FAILED,))
        await add(world, disabled=True)
        await add(world, other.id)
        told = an_event(world.id, kind=EventKind.EXPIRY_NEAR, days=7)
        number = await record_event(world.store, told)

        claims = await claim(world)

        assert {one.webhook for one in claims} == {everything, near}
        for one in claims:
            assert one.event == replace(told, number=number)
            assert one.project == world.project
            assert one.secret == sealed()
            assert (one.attempts, one.held_until) == (0, START + LEASE)

    async def test_a_claim_is_nobody_elses_until_its_lease_ends(self, world: World) -> None:
        await add(world)
        first = await happen(world)
        await happen(world)

        assert await claimed_numbers(world) == [first]
        world.clock.pass_(seconds=29.999999)
        assert await claim(world) == []
        world.clock.pass_(seconds=0.000001)
        assert await claimed_numbers(world) == [first]

    async def test_many_claimants_at_once_share_without_overlap(self, world: World) -> None:
        for n in range(MAX_WEBHOOKS // 4):
            project = await world.add_project(f"p{n}")
            for _ in range(4):
                await add(world, project.id)
            await happen(world, project.id)

        batches = await asyncio.gather(*(claim(world, 3) for _ in range(MAX_WEBHOOKS)))

        webhooks = [one.webhook.id for batch in batches for one in batch]
        assert max(map(len, batches)) == 3
        assert len(webhooks) == len(set(webhooks)) == MAX_WEBHOOKS

    async def test_the_longest_due_comes_first(self, world: World) -> None:
        near = await add(world, kinds=(EventKind.EXPIRY_NEAR,))
        low = await add(world, kinds=(EventKind.ALLOWANCE_LOW,))
        await happen(world, kind=EventKind.ALLOWANCE_LOW, at=START - timedelta(seconds=1))
        await happen(world, kind=EventKind.EXPIRY_NEAR, at=START - timedelta(seconds=2))

        assert [one.webhook.id for one in await claim(world, 1)] == [near.id]
        assert [one.webhook.id for one in await claim(world, 1)] == [low.id]

    async def test_what_is_not_due_yet_is_not_claimed(self, world: World) -> None:
        await add(world)
        await happen(world, at=LATER)

        assert await claim(world) == []
        world.clock.now = LATER
        assert len(await claim(world)) == 1

    async def test_a_delivered_event_leaves_and_the_next_follows_at_once(
        self, world: World
    ) -> None:
        webhook = await add(world)
        numbers = [await happen(world) for _ in range(3)]
        seen = []
        while claims := await claim(world):
            seen += [one.event.number for one in claims]
            await world.store.settle_delivery(claims[0], delivered(world))

        assert seen == numbers
        noted = await world.store.find_webhook(world.id, webhook.id)
        assert noted == replace(webhook, last_status=DeliveryStatus.DELIVERED, last_at=START)

    async def test_a_failed_one_is_put_off_and_its_webhook_rests(self, world: World) -> None:
        webhook = await add(world)
        first = await happen(world)
        second = await happen(world)
        await world.store.settle_delivery((await claim(world))[0], failed(world))

        world.clock.pass_(seconds=4.999999)
        assert await claim(world) == []
        world.clock.pass_(seconds=0.000001)
        # The one that is due longest goes first, and then the one that was put off.
        claims = await claim(world)
        assert [(one.event.number, one.attempts) for one in claims] == [(second, 0)]
        await world.store.settle_delivery(claims[0], delivered(world))
        claims = await claim(world)
        assert [(one.event.number, one.attempts) for one in claims] == [(first, 1)]
        noted = await world.store.find_webhook(world.id, webhook.id)
        assert (noted.version, noted.last_status) == (1, DeliveryStatus.DELIVERED)

    async def test_failures_count_up_over_all_events_until_one_arrives(self, world: World) -> None:
        await add(world)
        for _ in range(5):
            await happen(world)
        seen = []
        for outcome in (failed, failed, failed, delivered, failed):
            (claimed,) = await claim(world)
            seen.append(claimed.failures)
            await world.store.settle_delivery(claimed, outcome(world))
            world.clock.pass_(minutes=10)

        assert seen == [0, 1, 2, 3, 0]

    async def test_a_change_forgets_the_failures_and_shortens_the_rest(self, world: World) -> None:
        webhook = await add(world)
        await happen(world)
        await world.store.settle_delivery((await claim(world))[0], failed(world, 0, 5))
        changed = replace(webhook, updated_at=world.clock.pass_(seconds=10))
        done = event(Action.WEBHOOK_UPDATED, world.id, webhook.id)
        await world.store.update_webhook(changed, None, None, done)

        world.clock.pass_(seconds=59)
        assert await claim(world) == []
        world.clock.pass_(seconds=1)
        assert [(one.failures, one.attempts) for one in await claim(world)] == [(0, 1)]

    async def test_a_change_leaves_a_claim_its_lease(self, world: World) -> None:
        webhook = await add(world)
        await happen(world)
        (claimed,) = await claim(world)
        changed = replace(webhook, updated_at=world.clock.pass_(seconds=10))
        done = event(Action.WEBHOOK_UPDATED, world.id, webhook.id)
        stored = await world.store.update_webhook(changed, None, None, done)

        assert await claim(world) == []
        await world.store.settle_delivery(claimed, delivered(world))
        # What was delivered before is delivered, but says nothing of the webhook as it is now.
        assert await world.store.find_webhook(world.id, webhook.id) == stored
        world.clock.pass_(days=2)
        assert await claim(world) == []

    @pytest.mark.parametrize("status", [DeliveryStatus.GONE, DeliveryStatus.FAILED])
    @pytest.mark.parametrize("attempts", [0, 6])
    async def test_what_an_old_address_said_does_not_count_against_the_new(
        self, world: World, status: DeliveryStatus, attempts: int
    ) -> None:
        webhook = await add(world)
        numbers = [await happen(world) for _ in range(2)]
        (claimed,) = await claim(world)
        moved = replace(webhook, url="https://new.example.com", updated_at=LATER)
        done = event(Action.WEBHOOK_UPDATED, world.id, webhook.id)
        stored = await world.store.update_webhook(moved, 1, sealed(2), done)
        acts = await world.actions()
        at = world.clock.pass_(seconds=2)
        await world.store.settle_delivery(claimed, settled(status, attempts, 3, at, 0), done)

        assert await world.store.find_webhook(world.id, webhook.id) == stored
        assert await world.actions() == acts
        # Nor does the event wait for it: the new address gets it at once, and all the others.
        (again,) = await claim(world)
        assert (again.event.number, again.attempts, again.failures) == (numbers[0], 0, 0)
        assert again.webhook == stored
        await world.store.settle_delivery(again, delivered(world))
        assert await claimed_numbers(world) == numbers[1:]

    async def test_a_project_has_so_many_under_way_and_leaves_the_rest_to_others(
        self, world: World
    ) -> None:
        for _ in range(MAX_WEBHOOKS):
            await add(world)
        other = await world.add_project("beta")
        await add(world, other.id)
        for _ in range(200):
            await happen(world)
        world.clock.pass_(seconds=30)
        await happen(world, other.id, at=world.clock())

        claims = await claim(world, 16)

        projects = [one.webhook.project_id for one in claims]
        assert projects == [world.id] * MAX_UNDER_WAY + [other.id]
        # Each that ends makes room for one, whatever came of it.
        await world.store.settle_delivery(claims[0], delivered(world))
        await world.store.settle_delivery(claims[1], failed(world))
        await world.store.release_delivery(claims[2], world.clock() + LEASE)
        fresh = await claim(world)
        assert len(fresh) == 3
        assert not {one.webhook.id for one in fresh} & {one.webhook.id for one in claims}
        # So does a lease that ends, as that of a worker that died.
        world.clock.pass_(seconds=30)
        projects = [one.webhook.project_id for one in await claim(world)]
        assert sorted(projects) == [world.id] * MAX_UNDER_WAY + [other.id]

    async def test_webhooks_take_turns_however_old_what_waits_for_one_is(
        self, world: World
    ) -> None:
        hooks = [await add(world) for _ in range(6)]
        for _ in range(10):
            await happen(world)
        world.clock.pass_(seconds=30)
        late = await add(world, (await world.add_project("beta")).id)
        await happen(world, late.project_id, at=world.clock())
        served = []
        for _ in range(14):
            world.clock.pass_(seconds=1)
            (one,) = await claim(world, 1)
            served.append(one.webhook.id)
            await world.store.settle_delivery(one, delivered(world))

        ids = [hook.id for hook in hooks]
        assert sorted(served[:6]) == ids
        assert served[6] == late.id
        assert served[7:13] == served[:6]

    async def test_what_is_given_up_leaves_and_is_said(self, world: World) -> None:
        webhook = await add(world)
        await happen(world)
        await world.store.settle_delivery((await claim(world))[0], failed(world, 6))
        world.clock.pass_(days=10)

        assert await claim(world) == []
        noted = await world.store.find_webhook(world.id, webhook.id)
        assert noted.last_status is DeliveryStatus.GAVE_UP

    async def test_one_that_wants_no_more_is_disabled_and_its_outbox_emptied(
        self, world: World
    ) -> None:
        webhook = await add(world)
        await happen(world)
        await happen(world)
        gone = settled(DeliveryStatus.GONE, 0, 0, world.clock.pass_(seconds=1), 0)
        told = event(Action.WEBHOOK_UPDATED, world.id, webhook.id)
        await world.store.settle_delivery((await claim(world))[0], gone, told)
        await happen(world)

        assert await claim(world) == []
        assert await world.store.find_webhook(world.id, webhook.id) == replace(
            webhook,
            disabled=True,
            version=2,
            updated_at=gone.at,
            last_status=DeliveryStatus.GONE,
            last_at=gone.at,
        )
        assert (await world.actions())[-1] is Action.WEBHOOK_UPDATED

    async def test_disabling_drops_what_waits_and_enabling_begins_anew(self, world: World) -> None:
        webhook = await add(world)
        await happen(world)
        done = event(Action.WEBHOOK_UPDATED, world.id, webhook.id)
        await world.store.update_webhook(replace(webhook, disabled=True), None, None, done)
        await happen(world)
        await world.store.update_webhook(webhook, None, None, done)
        number = await happen(world)

        assert await claimed_numbers(world) == [number]

    async def test_a_claim_that_was_taken_over_changes_nothing(self, world: World) -> None:
        webhook = await add(world)
        number = await happen(world)
        late = (await claim(world))[0]
        world.clock.pass_(seconds=30)
        mine = (await claim(world))[0]
        await world.store.settle_delivery(late, failed(world))
        await world.store.release_delivery(late, world.clock())

        assert await claim(world) == []
        noted = await world.store.find_webhook(world.id, webhook.id)
        assert noted.last_status is None
        await world.store.settle_delivery(mine, failed(world))
        world.clock.pass_(seconds=5)
        assert [(one.event.number, one.attempts) for one in await claim(world)] == [(number, 1)]

    async def test_what_was_delivered_after_all_leaves_although_taken_over(
        self, world: World
    ) -> None:
        await add(world)
        await happen(world)
        late = (await claim(world))[0]
        world.clock.pass_(seconds=30)
        mine = (await claim(world))[0]
        await world.store.settle_delivery(late, delivered(world))
        await world.store.settle_delivery(mine, failed(world))
        world.clock.pass_(days=2)

        assert await claim(world) == []

    async def test_a_claim_given_back_is_no_attempt(self, world: World) -> None:
        webhook = await add(world)
        number = await happen(world)
        one = (await claim(world))[0]
        await world.store.release_delivery(one, START + timedelta(seconds=7))

        world.clock.pass_(seconds=6)
        assert await claim(world) == []
        world.clock.pass_(seconds=1)
        assert [(one.event.number, one.attempts) for one in await claim(world)] == [(number, 0)]
        assert await world.store.find_webhook(world.id, webhook.id) == webhook

    async def test_what_was_deleted_meanwhile_is_nothing(self, world: World) -> None:
        webhook = await add(world)
        await happen(world)
        one = (await claim(world))[0]
        done = event(Action.WEBHOOK_DELETED, world.id, webhook.id)
        await world.store.delete_webhook(world.id, webhook.id, None, done)

        await world.store.settle_delivery(one, delivered(world))
        await world.store.settle_delivery(one, failed(world))
        await world.store.release_delivery(one, LATER)

        assert await world.store.list_webhooks(world.id, "", 10) == []

    async def test_the_oldest_is_dropped_when_too_many_wait(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (deliveries, memory):
            assert module.__dict__["MAX_WAITING"] == 1000
            monkeypatch.setattr(module, "MAX_WAITING", FEW)
        webhook = await add(world)
        calm = await add(world, kinds=(EventKind.EXPIRY_NEAR,))
        numbers = await asyncio.gather(*(happen(world) for _ in range(FEW)))
        full = await world.store.find_webhook(world.id, webhook.id)
        newest = await happen(world, at=LATER)

        over = await world.store.find_webhook(world.id, webhook.id)
        assert full.last_status is None
        assert (over.last_status, over.last_at) == (DeliveryStatus.OVERFLOWED, LATER)
        assert await world.store.find_webhook(world.id, calm.id) == calm
        world.clock.now = LATER
        seen = []
        while claims := await claim(world):
            seen += [one.event.number for one in claims]
            await world.store.settle_delivery(claims[0], delivered(world))
        assert seen == [*sorted(numbers)[1:], newest]

    async def test_what_left_the_outbox_does_not_count_among_what_waits(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (deliveries, memory):
            monkeypatch.setattr(module, "MAX_WAITING", FEW)
        webhook = await add(world)
        for _ in range(3):
            await happen(world)
        done = event(Action.WEBHOOK_UPDATED, world.id, webhook.id)
        await world.store.update_webhook(replace(webhook, disabled=True), None, None, done)
        await world.store.update_webhook(webhook, None, None, done)
        for outcome in (delivered(world), failed(world, 6), failed(world)):
            await happen(world)
            (claimed,) = await claim(world)
            await world.store.settle_delivery(claimed, outcome)
            world.clock.pass_(minutes=1)
        await asyncio.gather(*(happen(world) for _ in range(FEW - 1)))
        full = await world.store.find_webhook(world.id, webhook.id)
        await happen(world)
        over = await world.store.find_webhook(world.id, webhook.id)

        assert full.last_status is DeliveryStatus.FAILED
        assert over.last_status is DeliveryStatus.OVERFLOWED

    async def test_an_event_that_is_no_longer_kept_is_no_longer_sent(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "KEPT", FEW)
        monkeypatch.setattr(memory_store, "_KEPT_EVENTS", FEW)
        webhook = await add(world, kinds=(EventKind.EXPIRY_NEAR,))
        await happen(world, kind=EventKind.EXPIRY_NEAR)
        await asyncio.gather(*(happen(world) for _ in range(FEW)))

        assert len(await world.store.list_events(world.id, EventFilter(), 0, 20_000)) == FEW
        assert await claim(world) == []
        assert await world.store.find_webhook(world.id, webhook.id) == webhook

    async def test_a_claim_opens_under_the_projects_own_seed(self, world: World) -> None:
        await add(world)
        await happen(world)

        assert (await claim(world))[0].secret.seed == seed("alpha")
