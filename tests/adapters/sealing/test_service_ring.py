"""A key service that is slow, away, or asked by many at once (A75)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from regcred.adapters.sealing.joined_rings import JoinedRings
from regcred.adapters.sealing.key_encryption import MAX_WRAPPED, WrapContext
from regcred.adapters.sealing.sealer import EnvelopeSealer
from regcred.adapters.sealing.service_ring import THREADS, ServiceRing
from regcred.domain.errors import KeyringUnavailable, SealBroken, StartRefused
from regcred.domain.secret import Secret
from tests.adapters.sealing.samples import CONTEXT, PROJECT, SEED, keyring
from tests.adapters.sealing.test_breaker import Hand

PLACE = WrapContext("seed", PROJECT, 1)


class Scripted:
    """A service that protects nothing, and does what a test says before it answers."""

    kid = "scripted:key"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None

    def wrap(self, context: WrapContext, plaintext: bytes) -> bytes:
        self.asked.append("wrap")
        self.before()
        return repr(context).encode() + plaintext

    def unwrap(self, context: WrapContext, wrapped: bytes) -> bytes:
        self.asked.append("unwrap")
        self.before()
        if not wrapped.startswith(repr(context).encode()):
            raise SealBroken("a wrapped key")
        return wrapped[-32:]

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be away until the block ends."""

        def refuse() -> None:
            raise KeyringUnavailable("away")

        before, self.before = self.before, refuse
        yield
        self.before = before


@pytest.fixture
def service() -> Scripted:
    return Scripted()


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def ring(service: Scripted, clock: Hand) -> Iterator[ServiceRing]:
    opened = ServiceRing(service, clock, deadline=0.2)
    yield opened
    opened.close()


async def wrapped_by(ring: ServiceRing) -> bytes:
    return (await ring.wrap(PLACE, SEED))[1]


# Time


async def test_a_service_that_hangs_is_given_up_on(ring: ServiceRing, service: Scripted) -> None:
    hang = threading.Event()
    service.before = lambda: hang.wait(10)

    with pytest.raises(KeyringUnavailable, match=r"within 0\.2 s"):
        await ring.wrap(PLACE, SEED)
    hang.set()


async def test_the_loop_goes_on_while_a_service_answers(
    ring: ServiceRing, service: Scripted
) -> None:
    asked = threading.Event()
    service.before = lambda: asked.wait(10)

    waiting = asyncio.create_task(ring.wrap(PLACE, SEED))
    await asyncio.sleep(0)
    asked.set()

    assert (await waiting)[0] == service.kid


# Many at once


async def test_many_who_need_one_seed_share_a_call(ring: ServiceRing, service: Scripted) -> None:
    wrapped = await wrapped_by(ring)

    found = await asyncio.gather(*(ring.unwrap(service.kid, PLACE, wrapped) for _ in range(100)))

    assert set(found) == {SEED}
    assert service.asked == ["wrap", "unwrap"]


async def test_who_gives_up_takes_the_answer_from_nobody(
    ring: ServiceRing, service: Scripted
) -> None:
    wrapped = await wrapped_by(ring)
    answer = threading.Event()
    service.before = lambda: answer.wait(10)
    impatient, patient = (
        asyncio.create_task(ring.unwrap(service.kid, PLACE, wrapped)) for _ in range(2)
    )
    await asyncio.sleep(0)

    impatient.cancel()
    await asyncio.sleep(0)
    answer.set()

    assert await patient == SEED
    assert service.asked == ["wrap", "unwrap"]


async def test_a_shared_failure_is_not_remembered(ring: ServiceRing, service: Scripted) -> None:
    wrapped = await wrapped_by(ring)
    with service.away():
        said = await asyncio.gather(
            *(ring.unwrap(service.kid, PLACE, wrapped) for _ in range(5)), return_exceptions=True
        )

    assert {type(error) for error in said} == {KeyringUnavailable}
    assert await ring.unwrap(service.kid, PLACE, wrapped) == SEED


async def test_calls_are_shared_for_one_place_alone(ring: ServiceRing, service: Scripted) -> None:
    wrapped = await wrapped_by(ring)
    there = PLACE._replace(generation=2)

    said = await asyncio.gather(
        ring.unwrap(service.kid, PLACE, wrapped),
        ring.unwrap(service.kid, there, wrapped),
        return_exceptions=True,
    )

    assert said[0] == SEED
    assert isinstance(said[1], SealBroken)


# An outage


async def test_a_service_that_is_away_is_left_alone_and_found_again(
    ring: ServiceRing, service: Scripted, clock: Hand
) -> None:
    wrapped = await wrapped_by(ring)
    with service.away():
        for _ in range(20):
            with pytest.raises(KeyringUnavailable):
                await ring.unwrap(service.kid, PLACE, wrapped)
    assert service.asked.count("unwrap") == 3
    with pytest.raises(KeyringUnavailable, match="asked again in 5 s"):
        await ring.wrap(PLACE, SEED)

    clock.now += 5
    assert await ring.unwrap(service.kid, PLACE, wrapped) == SEED
    assert await ring.unwrap(service.kid, PLACE, wrapped) == SEED


async def test_broken_boxes_do_not_count_as_an_outage(ring: ServiceRing, service: Scripted) -> None:
    """Else whoever can edit one project's seed could take the key from all."""
    for _ in range(20):
        with pytest.raises(SealBroken):
            await ring.unwrap(service.kid, PLACE, b"edited")

    assert (await ring.wrap(PLACE, SEED))[0] == service.kid


async def test_what_it_was_asked_is_counted_by_how_it_ended(
    ring: ServiceRing, service: Scripted
) -> None:
    wrapped = await wrapped_by(ring)
    with pytest.raises(SealBroken):
        await ring.unwrap(ring.primary, WrapContext("seed", "elsewhere", 1), wrapped)
    with service.away():
        for _ in range(4):
            with pytest.raises(KeyringUnavailable):
                await ring.wrap(WrapContext("seed", "project", 1), bytes(32))
    [figures] = JoinedRings([ring]).figures()

    assert (figures.refused, figures.failed, figures.left_alone) == (1, 3, True)
    assert figures.seconds.up_to()[-1][1] == 5, "who is left alone is not asked"


async def test_what_is_remembered_is_served_and_the_rest_is_refused(
    ring: ServiceRing, service: Scripted, clock: Hand
) -> None:
    """F29: reads of remembered projects go on until their time; writes fail closed."""
    sealer = EnvelopeSealer(ring, os.urandom, clock, cache_ttl=3600)
    seed = await sealer.new_seed(PROJECT)
    cold = await sealer.new_seed("cold")
    sealed = await sealer.seal(seed, CONTEXT, Secret("correct horse"))

    with service.away():
        for now in (0.0, 1800.0, 3599.0):
            clock.now = now
            assert (await sealer.open(seed, CONTEXT, sealed)).reveal() == "correct horse"
        with pytest.raises(KeyringUnavailable):
            await sealer.seal(cold, CONTEXT._replace(project_id="cold"), Secret("x"))
        with pytest.raises(KeyringUnavailable):
            await sealer.new_seed("another")
        clock.now = 3600.0
        with pytest.raises(KeyringUnavailable):
            await sealer.open(seed, CONTEXT, sealed)

    clock.now += 60.0
    assert (await sealer.open(seed, CONTEXT, sealed)).reveal() == "correct horse"


async def test_it_is_asked_seldom_whether_it_is_there(
    ring: ServiceRing, service: Scripted, clock: Hand
) -> None:
    said = []
    for now in (0.0, 1.0, 19.9):
        clock.now = now
        said.append(await ring.away())
    with service.away():
        for now in (20.0, 22.0):
            clock.now = now
            said.append(await ring.away())
    clock.now = 23.0
    said.append(await ring.away())

    assert said == [False, False, False, True, True, False]
    assert service.asked == ["wrap"] * 3


async def test_many_who_ask_whether_it_is_there_ask_it_once(
    ring: ServiceRing, service: Scripted
) -> None:
    """F29: whoever may see /readyz must not be able to shut the service out by looking."""
    with service.away():
        await asyncio.gather(*(ring.away() for _ in range(50)))

    assert service.asked == ["wrap"]


async def test_looking_whether_it_is_there_shuts_nobody_out(
    ring: ServiceRing, service: Scripted, clock: Hand
) -> None:
    with service.away():
        for _ in range(10):
            assert await ring.away()
            clock.now += 60

    assert not ring.figures()[0].left_alone
    assert (await ring.wrap(PLACE, SEED))[0] == service.kid


async def test_our_own_threads_being_taken_is_no_failure_of_the_service(
    ring: ServiceRing, service: Scripted
) -> None:
    answer = threading.Event()
    service.before = lambda: answer.wait(10)
    calls = [asyncio.create_task(ring.wrap(PLACE, SEED)) for _ in range(THREADS)]
    await asyncio.sleep(0.01)
    for call in calls:
        call.cancel()

    said = await asyncio.gather(*(ring.wrap(PLACE, SEED) for _ in range(5)), return_exceptions=True)
    assert all("wait for it already" in str(error) for error in said)
    answer.set()

    assert (await ring.wrap(PLACE, SEED))[0] == service.kid
    assert (ring.figures()[0].failed, ring.figures()[0].left_alone) == (0, False)


async def test_who_waits_for_a_thread_does_not_ask_a_service_that_was_given_up_on(
    ring: ServiceRing, service: Scripted
) -> None:
    answer = threading.Event()

    def refuse() -> None:
        answer.wait(10)
        raise KeyringUnavailable("away")

    service.before = refuse
    calls = [asyncio.create_task(ring.wrap(PLACE, SEED)) for _ in range(2 * THREADS)]
    await asyncio.sleep(0.01)
    answer.set()
    await asyncio.gather(*calls, return_exceptions=True)

    # Two may find a free thread before the third failure is told.
    assert len(service.asked) <= THREADS + 2


def test_a_thread_that_is_stuck_does_not_keep_the_process() -> None:
    program = """
        import asyncio, threading, time
        from regcred.adapters.sealing.service_ring import ServiceRing
        from regcred.domain.errors import KeyringUnavailable

        class Stuck:
            kid = "stuck"
            def wrap(self, context, plaintext):
                threading.Event().wait()

        async def main():
            try:
                await ServiceRing(Stuck(), time.monotonic, deadline=0.01).wrap(None, bytes(32))
            except KeyringUnavailable:
                print("ends")

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == b"ends\n"


async def test_a_call_that_was_cancelled_counts_for_nothing(
    ring: ServiceRing, service: Scripted
) -> None:
    answer = threading.Event()
    service.before = lambda: answer.wait(10)
    for _ in range(5):
        call = asyncio.create_task(ring.wrap(PLACE, SEED))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    answer.set()

    assert (await ring.wrap(PLACE, SEED))[0] == service.kid


# What a service must not answer


@pytest.mark.parametrize("answer", [b"", bytes(MAX_WRAPPED + 1)], ids=["nothing", "too much"])
async def test_what_cannot_be_stored_is_not_taken_for_a_wrapped_key(
    ring: ServiceRing, service: Scripted, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(service, "wrap", lambda *_: answer)

    with pytest.raises(KeyringUnavailable, match="cannot be a wrapped key"):
        await ring.wrap(PLACE, SEED)


async def test_a_service_that_gives_another_key_back_is_not_started_with(
    ring: ServiceRing, service: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "unwrap", lambda *_: SEED)

    with pytest.raises(StartRefused, match="another key"):
        await ring.prove(os.urandom)


# Several rings


async def test_the_first_ring_wraps_and_all_unwrap(ring: ServiceRing) -> None:
    file = keyring()
    kid, old = await file.wrap(PLACE, SEED)
    joined = JoinedRings([ring, file])

    new_kid, new = await joined.wrap(PLACE, SEED)

    assert joined.primary == new_kid == ring.primary
    assert joined.kids == {kid, new_kid}
    assert await joined.unwrap(kid, PLACE, old) == SEED
    assert await joined.unwrap(new_kid, PLACE, new) == SEED
    assert (joined.remote, JoinedRings([file, ring]).remote) == (True, False)
    assert not await joined.away()
    assert "correct" not in repr(joined)


async def test_a_ring_that_is_away_is_not_stood_in_for(
    ring: ServiceRing, service: Scripted
) -> None:
    """Writes fail closed: a move to a service must not fall back to the file it leaves."""
    joined = JoinedRings([ring, keyring()])

    with service.away(), pytest.raises(KeyringUnavailable):
        await joined.wrap(PLACE, SEED)


async def test_a_key_that_no_ring_has_is_asked_of_none(
    ring: ServiceRing, service: Scripted
) -> None:
    with pytest.raises(KeyringUnavailable):
        await JoinedRings([ring, keyring()]).unwrap("kek-9", PLACE, b"x")

    assert service.asked == []


def test_no_ring_is_no_ring() -> None:
    with pytest.raises(ValueError, match="at least one"):
        JoinedRings([])
