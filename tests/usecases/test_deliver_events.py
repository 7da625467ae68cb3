"""Events on their way: sent, repeated, given up, each with the same id."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from regcred.domain.audit import Action
from regcred.domain.errors import KeyringUnavailable, QuotaExceeded, StoreUnavailable
from regcred.domain.event import EventKind
from regcred.domain.ports import Claimed
from regcred.domain.secret import Secret
from regcred.domain.webhook import LONGEST_REST, RETRIES, SPREAD, DeliveryStatus, Message
from tests.fakes.sender import ScriptedSender
from tests.usecases.world import HOOK, World


async def turn(world: World) -> list[DeliveryStatus | None]:
    """Claim what is due and make one attempt of each."""
    return [await world.deliveries.deliver(one) for one in await world.deliveries.claim(10)]


async def test_an_event_is_told_with_what_it_is_about(world: World) -> None:
    made = await world.webhook()
    at = world.clock()
    number = await world.happen(EventKind.EXPIRY_NEAR, days=7, image="reg.example.com/app")
    world.clock.forward(seconds=3)

    assert await turn(world) == [DeliveryStatus.DELIVERED]

    ((url, secret, message, sent_at),) = world.sender.sent
    assert (url, sent_at) == (HOOK, world.clock())
    assert secret.reveal().startswith("whsec_")
    assert (message.kind, message.happened_at) == ("expiry.near", at)
    assert message.id == f"msg_{made.id.hex}_{number}"
    assert message.data == {
        "project": {"id": str(world.home.id), "number": 1, "name": "home"},
        "credential": {"id": "00000000-0000-0000-0000-000000000005", "name": "hub"},
        "number": number,
        "days": 7,
        "image": "reg.example.com/app",
    }
    assert await turn(world) == []
    seen = await world.webhooks.get(world.operator, None, str(made.id))
    assert (seen.last_status, seen.last_at) == (DeliveryStatus.DELIVERED, world.clock())


async def test_details_cannot_pose_as_what_is_fixed(world: World) -> None:
    await world.webhook()
    number = await world.happen(number=99, project="x", credential="y")
    await turn(world)

    data = world.sender.sent[0][2].data
    assert data["number"] == number
    assert isinstance(data["project"], dict)
    assert isinstance(data["credential"], dict)


async def test_each_event_reaches_each_webhook_once(world: World) -> None:
    hooks = [await world.webhook(f"https://h{n}.example.com") for n in range(3)]
    numbers = [await world.happen() for _ in range(4)]
    while await turn(world):
        pass

    sent = [(url, message.id) for url, _, message, _ in world.sender.sent]
    assert sorted(sent) == sorted(
        (hook.url, f"msg_{hook.id.hex}_{number}") for hook in hooks for number in numbers
    )


FAILURES = sorted(
    set(DeliveryStatus)
    - {
        DeliveryStatus.DELIVERED,
        DeliveryStatus.GONE,
        DeliveryStatus.GAVE_UP,
        DeliveryStatus.OVERFLOWED,
        DeliveryStatus.SECRET_BROKEN,
    }
)


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_is_repeated_after_longer_and_longer_and_then_given_up(
    world: World, failure: DeliveryStatus
) -> None:
    made = await world.webhook()
    await world.happen()
    world.sender.says = failure
    for wait in RETRIES:
        assert await turn(world) == [failure]
        world.clock.forward(seconds=wait.total_seconds() - 0.000001)
        assert await turn(world) == []
        world.clock.forward(seconds=wait.total_seconds() * SPREAD + 0.000002)

    assert await turn(world) == [DeliveryStatus.GAVE_UP]
    world.clock.forward(days=30)
    assert await turn(world) == []
    assert len({message.id for _, _, message, _ in world.sender.sent}) == 1
    assert len(world.sender.sent) == len(RETRIES) + 1
    seen = await world.webhooks.get(world.operator, None, str(made.id))
    assert (seen.last_status, seen.disabled) == (DeliveryStatus.GAVE_UP, False)


async def test_a_receiver_that_failed_rests_and_then_gets_the_others_first(world: World) -> None:
    await world.webhook()
    first, second = await world.happen(), await world.happen()
    world.sender.says = DeliveryStatus.UNREACHABLE
    await turn(world)
    world.clock.forward(seconds=4)
    assert await turn(world) == []
    world.clock.forward(seconds=2)
    world.sender.says = DeliveryStatus.DELIVERED
    while await turn(world):
        pass

    sent = [message.id.rpartition("_")[2] for _, _, message, _ in world.sender.sent]
    assert sent == [str(first), str(second), str(first)]


async def test_a_receiver_that_is_away_is_asked_less_and_less_however_much_waits(
    world: World,
) -> None:
    await world.webhook()
    for _ in range(100):
        await world.happen()
    world.sender.says = DeliveryStatus.TIMEOUT
    for _ in range(24 * 60):
        await turn(world)
        world.clock.forward(minutes=1)
    asked = len(world.sender.sent)
    world.sender.says = DeliveryStatus.DELIVERED
    world.clock.forward(seconds=LONGEST_REST.total_seconds())
    while await turn(world):
        pass

    assert asked <= 24 * 6 + 3
    # Once it is back, what waits comes without a pause, but for what is put off for longer.
    assert len({message.id for _, _, message, _ in world.sender.sent[asked:]}) > 50


async def test_one_event_that_a_receiver_cannot_take_holds_up_the_others_little(
    world: World,
) -> None:
    await world.webhook()
    bad = await world.happen()

    class Picky(ScriptedSender):
        async def send(
            self, url: str, secret: Secret, told: Message, at: datetime
        ) -> DeliveryStatus:
            self.says = (
                DeliveryStatus.FAILED if told.id.endswith(f"_{bad}") else DeliveryStatus.DELIVERED
            )
            return await super().send(url, secret, told, at)

    world.deliveries._sender = picky = Picky()
    for _ in range(60):
        await world.happen()
        while await turn(world):
            pass
        world.clock.forward(seconds=5)
    while await turn(world):
        pass

    assert len({told.id for _, _, told, _ in picky.sent}) == 61


async def test_what_failed_together_is_not_repeated_together(world: World) -> None:
    for _ in range(20):
        await world.webhook()
    await world.happen()
    world.sender.says = DeliveryStatus.FAILED
    while await turn(world):
        pass
    world.clock.forward(seconds=RETRIES[0].total_seconds() * (1 + SPREAD / 2))
    world.sender.sent.clear()
    while await turn(world):
        pass

    assert 0 < len(world.sender.sent) < 20


async def test_gone_disables_the_webhook_and_is_audited_as_the_systems_doing(
    world: World,
) -> None:
    made = await world.webhook()
    await world.happen()
    await world.happen()
    world.sender.says = DeliveryStatus.GONE

    assert await turn(world) == [DeliveryStatus.GONE]
    await world.happen()
    assert await turn(world) == []

    seen = await world.webhooks.get(world.operator, None, str(made.id))
    assert (seen.disabled, seen.version, seen.last_status) == (True, 2, DeliveryStatus.GONE)
    told = (await world.events(Action.WEBHOOK_UPDATED))[-1]
    assert (told.principal, told.target) == ("system:webhooks", str(made.id))
    assert told.details == {"host": "hooks.example.com", "disabled": True, "reason": "gone"}


async def test_a_webhook_that_was_edited_behind_our_back_gets_nothing(world: World) -> None:
    made = await world.webhook()
    await world.happen()
    world.store.edit_webhook(replace(made, url="https://attacker.example.com"))

    assert await turn(world) == [DeliveryStatus.SECRET_BROKEN]
    assert world.sender.sent == []


async def test_beyond_the_quota_it_waits_without_an_attempt(world: World) -> None:
    made = await world.webhook()
    await world.happen()
    world.sender.says = QuotaExceeded("messages to webhooks", 7)

    assert await turn(world) == [None]
    world.clock.forward(seconds=6)
    assert await turn(world) == []
    world.clock.forward(seconds=1)
    world.sender.says = DeliveryStatus.FAILED
    assert await turn(world) == [DeliveryStatus.FAILED]
    world.clock.forward(seconds=RETRIES[0].total_seconds() * (1 + SPREAD))
    (claimed,) = await world.deliveries.claim(10)
    assert claimed.attempts == 1
    assert (await world.webhooks.get(world.operator, None, str(made.id))).version == 1


@pytest.mark.parametrize("away", ["keyring", "store"])
async def test_what_cannot_be_done_now_is_done_after_the_lease(world: World, away: str) -> None:
    await world.webhook()
    await world.happen()
    (claimed,) = await world.deliveries.claim(10)
    if away == "keyring":
        world.sealer.available = False
        with pytest.raises(KeyringUnavailable):
            await world.deliveries.deliver(claimed)
        world.sealer.available = True
    else:
        world.store.broken = True
        with pytest.raises(StoreUnavailable):
            await world.deliveries.deliver(claimed)
        world.store.broken = False

    assert await world.deliveries.claim(10) == []
    world.clock.forward(seconds=60)
    assert await turn(world) == [DeliveryStatus.DELIVERED]
    # It may have come twice: then both times under one id.
    assert len({message.id for _, _, message, _ in world.sender.sent}) == 1


async def test_two_workers_never_send_one_delivery_twice(world: World) -> None:
    for n in range(10):
        await world.webhook(f"https://h{n}.example.com")
    for _ in range(5):
        await world.happen()

    async def work() -> None:
        while claims := await world.deliveries.claim(3):
            for one in claims:
                await world.deliveries.deliver(one)
                await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(4)))

    ids = [message.id for _, _, message, _ in world.sender.sent]
    assert len(ids) == len(set(ids)) == 50


async def test_an_attempt_that_outlives_its_lease_settles_nothing(world: World) -> None:
    made = await world.webhook()
    await world.happen()
    (claimed,) = await world.deliveries.claim(10)
    taken: list[Claimed] = []

    def late() -> None:
        world.clock.forward(seconds=61)

    world.sender.before = late
    world.sender.says = DeliveryStatus.FAILED
    # Another worker takes over while the first one's attempt is still under way.
    world.clock.forward(seconds=60)
    taken += await world.deliveries.claim(10)
    await world.deliveries.deliver(claimed)

    assert len(taken) == 1
    seen = await world.webhooks.get(world.operator, None, str(made.id))
    assert seen.last_status is None


def test_the_longest_wait_is_a_day() -> None:
    assert sum(RETRIES, timedelta()) < timedelta(days=2)
