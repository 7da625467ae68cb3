"""Deliveries beside the server: a few at a time, what fails is loud, and the end is clean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import pytest
import structlog

from regcred.bootstrap.beside import beside
from regcred.bootstrap.webhook_keeper import AT_ONCE, WebhookKeeper
from regcred.domain.errors import QuotaExceeded
from regcred.domain.secret import Secret
from regcred.domain.webhook import MAX_UNDER_WAY, MAX_WEBHOOKS, DeliveryStatus, Message
from regcred.usecases.manage_webhooks import WebhookDraft
from tests.fakes.sender import ScriptedSender
from tests.tools.programs import until
from tests.usecases.world import HOOK, World

PATIENCE = 30
"""Seconds for something that takes milliseconds, on a busy machine."""


class SlowSender(ScriptedSender):
    """Answers once it is let, and counts how many wait."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.waiting = 0
        self.most = 0

    async def send(
        self, url: str, secret: Secret, message: Message, sent_at: datetime
    ) -> DeliveryStatus:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        return await super().send(url, secret, message, sent_at)


@pytest.fixture
async def world() -> World:
    return await World().open()


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def keeping(world: World) -> AbstractAsyncContextManager[None]:
    return beside(WebhookKeeper(world.deliveries, every=0.01).run())


async def hooks(world: World, count: int) -> None:
    for n in range(count):
        await world.webhook(f"https://h{n}.example.com")


async def test_what_happens_is_delivered(world: World, logs: list[Any]) -> None:
    await hooks(world, 3)
    async with keeping(world):
        for _ in range(5):
            await world.happen()
        await until(lambda: len(world.sender.sent) == 15)

    assert {entry["event"] for entry in logs} == {"event delivery"}
    assert {entry["status"] for entry in logs} == {"delivered"}
    assert {entry["project"] for entry in logs} == {str(world.home.id)}


async def test_so_many_at_once_and_no_more(world: World) -> None:
    slow = SlowSender()
    world.deliveries._sender = slow
    for n in range(AT_ONCE // MAX_UNDER_WAY + 1):
        project = (await world.project(f"p{n}")).id
        for _ in range(MAX_UNDER_WAY):
            await world.webhooks.create(world.operator, project, WebhookDraft(HOOK))
        await world.happen(project_id=project)
    async with keeping(world):
        await until(lambda: slow.waiting == AT_ONCE)
        await asyncio.sleep(0.05)
        assert slow.waiting == AT_ONCE
        slow.gate.set()
        await until(lambda: len(slow.sent) == AT_ONCE + MAX_UNDER_WAY)

    assert slow.most == AT_ONCE


async def test_one_projects_slow_receivers_hold_up_no_other_project(world: World) -> None:
    class SlowAtHome(SlowSender):
        async def send(self, url: str, *rest: Any) -> DeliveryStatus:
            if "other." not in url:
                return await super().send(url, *rest)
            return await ScriptedSender.send(self, url, *rest)

    slow = SlowAtHome()
    world.deliveries._sender = slow
    await hooks(world, MAX_WEBHOOKS)
    for _ in range(10):
        await world.happen()
    other = (await world.project()).id
    await world.webhooks.create(world.operator, other, WebhookDraft("https://other.example.com"))
    await world.happen(project_id=other)
    async with keeping(world):
        await until(lambda: len(slow.sent) == 1)
        await until(lambda: slow.waiting == MAX_UNDER_WAY)

    assert slow.most == MAX_UNDER_WAY


async def test_one_slow_receiver_holds_up_no_other(world: World) -> None:
    class HalfSlow(SlowSender):
        async def send(self, url: str, *rest: Any) -> DeliveryStatus:
            if "h0." in url:
                return await super().send(url, *rest)
            return await ScriptedSender.send(self, url, *rest)

    slow = HalfSlow()
    world.deliveries._sender = slow
    await hooks(world, 2)
    for _ in range(10):
        await world.happen()
    async with keeping(world):
        await until(lambda: len(slow.sent) == 10)
        assert slow.waiting == 1
        slow.gate.set()
        await until(lambda: len(slow.sent) == 20)

    assert slow.most == 1


async def test_a_store_that_fails_is_loud_and_survived(world: World, logs: list[Any]) -> None:
    await hooks(world, 1)
    await world.happen()
    world.store.broken = True
    async with keeping(world):
        await until(lambda: bool(logs))
        world.store.broken = False
        await until(lambda: len(world.sender.sent) == 1)

    assert logs[0]["event"] == "events cannot be claimed"
    assert (logs[0]["error"], logs[0]["log_level"]) == ("StoreUnavailable", "error")
    assert logs[0]["where"].startswith("store.py:")


async def test_a_delivery_that_breaks_is_loud_and_survived(world: World, logs: list[Any]) -> None:
    await hooks(world, 1)
    await world.happen()

    def explode() -> None:
        world.sender.before = lambda: None
        raise RuntimeError("a text that may hold anything")

    world.sender.before = explode
    async with keeping(world):
        await until(lambda: bool(logs))
        world.clock.forward(seconds=60)
        await until(lambda: len(world.sender.sent) == 1)

    assert logs[0]["event"] == "an event cannot be delivered"
    assert logs[0]["error"] == "RuntimeError"
    assert re.fullmatch(r"test_webhook_keeper\.py:\d+ explode", logs[0]["where"])
    assert "anything" not in str(logs)


async def test_what_is_put_off_says_nothing(world: World, logs: list[Any]) -> None:
    await hooks(world, 1)
    await world.happen()
    world.sender.says = QuotaExceeded("messages to webhooks", 1)
    async with keeping(world):
        await until(lambda: len(world.sender.sent) == 1)
        await asyncio.sleep(0.05)

    assert logs == []


async def test_its_end_ends_what_is_under_way_and_loses_nothing(world: World) -> None:
    slow = SlowSender()
    world.deliveries._sender = slow
    await hooks(world, 3)
    await world.happen()
    async with keeping(world):
        await until(lambda: slow.waiting == 3)

    assert (slow.waiting, slow.sent) == (0, [])
    slow.gate.set()
    world.clock.forward(seconds=60)
    async with keeping(world):
        await until(lambda: len(slow.sent) == 3)
