"""One key of a key service as a key ring: off the loop, bounded in time, asked once for many.

The one thing you would get wrong: a cold start. Every request of a project needs the same seed at
once; they share one call. What one of them gives up on the others still wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Protocol

from regcred.adapters.sealing.box import ROOT_SIZE
from regcred.adapters.sealing.breaker import Breaker
from regcred.adapters.sealing.key_encryption import MAX_WRAPPED, WrapContext
from regcred.domain.errors import KeyringUnavailable, SealBroken, StartRefused
from regcred.domain.ports import RandomBytes
from regcred.domain.ports.measuring import KeyServiceFigures
from regcred.domain.tally import Tally

DEADLINE = 10.0
"""Seconds that a request waits for a key service, and at most for one of our own threads."""

THREADS = 8
_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, DEADLINE)
_WELL_FOR, _AWAY_FOR = 20.0, 3.0
_PROOF = WrapContext("proof", "one", 1)
_OTHER = WrapContext("proof", "other", 1)


class KeyService(Protocol):
    """One key in somebody else's hands. Both methods block, each at most a few seconds."""

    @property
    def kid(self) -> str:
        """The key's id in the store: how the operator names it."""
        ...

    def wrap(self, context: WrapContext, plaintext: bytes) -> bytes:
        """Wrap under the key, bound to the context. Raise KeyringUnavailable."""
        ...

    def unwrap(self, context: WrapContext, wrapped: bytes) -> bytes:
        """Unwrap. Raise SealBroken when it does not open, KeyringUnavailable otherwise."""
        ...


class ServiceRing:
    """Implements KeyEncryption with one key of a service."""

    __slots__ = (
        "_breaker", "_deadline", "_failed", "_free", "_is_away", "_look_again", "_monotonic",
        "_refused", "_seconds", "_service", "_under_way",
    )  # fmt: skip

    def __init__(
        self, service: KeyService, monotonic: Callable[[], float], *, deadline: float = DEADLINE
    ) -> None:
        self._service = service
        self._breaker = Breaker(monotonic)
        self._seconds = Tally(_SECONDS)
        self._refused = self._failed = 0
        self._deadline = deadline
        # Threads of its own: an outage must not take those of everything else.
        self._free = asyncio.Semaphore(THREADS)
        self._monotonic = monotonic
        self._is_away = False
        self._look_again = monotonic()
        self._under_way: dict[tuple[WrapContext, bytes], asyncio.Task[bytes]] = {}

    @property
    def primary(self) -> str:
        """The id of the service's key."""
        return self._service.kid

    @property
    def kids(self) -> frozenset[str]:
        """That id alone."""
        return frozenset((self._service.kid,))

    async def wrap(self, context: WrapContext, plaintext: bytes) -> tuple[str, bytes]:
        """Wrap 32 bytes. Raise KeyringUnavailable."""
        if len(plaintext) != ROOT_SIZE:
            raise ValueError(f"only keys of {ROOT_SIZE} bytes are wrapped")
        wrapped = await self._ask(self._service.wrap, context, plaintext)
        if not 0 < len(wrapped) <= MAX_WRAPPED:
            raise KeyringUnavailable("the key service answers with what cannot be a wrapped key")
        return self._service.kid, wrapped

    async def unwrap(self, kid: str, context: WrapContext, wrapped: bytes) -> bytes:
        """Unwrap. Raise SealBroken, KeyringUnavailable; the service is asked once for many."""
        if kid != self._service.kid:
            raise KeyringUnavailable("it has no key of the id that a seed is wrapped by")
        if not 0 < len(wrapped) <= MAX_WRAPPED:
            raise SealBroken("a wrapped key")
        place = (context, wrapped)
        task = self._under_way.get(place)
        if task is None:
            task = asyncio.create_task(self._ask(self._service.unwrap, context, wrapped))
            self._under_way[place] = task
            task.add_done_callback(lambda done: self._settled(place, done))
        return await asyncio.shield(task)

    async def prove(self, random: RandomBytes) -> None:
        """Wrap a key and open it, and see that it does not open elsewhere.

        A policy that lets us encrypt and not decrypt, or a server too old to bind the context,
        must be noticed before anything hangs on it. Raise StartRefused, KeyringUnavailable.
        """
        key = random(ROOT_SIZE)
        kid, wrapped = await self.wrap(_PROOF, key)
        if await self.unwrap(kid, _PROOF, wrapped) != key:
            raise StartRefused(f"{kid} gives back another key than it was given")
        try:
            await self.unwrap(kid, _OTHER, wrapped)
        except SealBroken:
            return
        raise StartRefused(
            f"{kid} does not bind a wrapped key to its place: a seed that was moved would open."
            " Use a key or a server that does (docs/keys.md)"
        )

    def knows(self, kid: str) -> bool:
        """Whether that is its key."""
        return kid == self._service.kid

    @property
    def remote(self) -> bool:
        """A service may be away."""
        return True

    async def away(self) -> bool:
        """Whether the service does not answer: asked 20 s after it did, 3 s after it did not."""
        if self._monotonic() >= self._look_again:
            # Before it is asked: whoever comes meanwhile takes what was known, and asks nothing.
            self._look_again = self._monotonic() + self._deadline + _AWAY_FOR
            try:
                await self._a_thread()
                await self._in_time(self._service.wrap, _PROOF, bytes(ROOT_SIZE))
                self._is_away, rest = False, _WELL_FOR
            except KeyringUnavailable:
                self._is_away, rest = True, _AWAY_FOR
            self._look_again = self._monotonic() + rest
        return self._is_away

    def figures(self) -> Sequence[KeyServiceFigures]:
        """Return how often and how long it was asked, and how that ended."""
        counts = (self._seconds, self._refused, self._failed, self._breaker.open)
        return [KeyServiceFigures(*counts)]

    def close(self) -> None:
        """Wait for nothing: its threads end with the process, were one of them stuck."""

    async def _ask(
        self, call: Callable[[WrapContext, bytes], bytes], context: WrapContext, data: bytes
    ) -> bytes:
        admitted = await self._admitted()
        began = self._monotonic()
        try:
            answer = await self._in_time(call, context, data)
        except SealBroken:
            self._refused += 1
            self._breaker.succeeded(admitted)
            raise
        except KeyringUnavailable:
            self._failed += 1
            self._breaker.failed(admitted)
            raise
        except BaseException:
            self._breaker.gave_up(admitted)
            raise
        finally:
            self._seconds.add(self._monotonic() - began)
        self._breaker.succeeded(admitted)
        return answer

    async def _admitted(self) -> int:
        """Wait for a thread, and return the call's generation. Raise KeyringUnavailable."""
        admitted = self._breaker.admit()
        try:
            await self._a_thread()
        except BaseException:
            # That our threads are taken is no failure of the service.
            self._breaker.gave_up(admitted)
            raise
        if not self._breaker.is_old(admitted):
            return admitted
        try:
            return self._breaker.admit()
        except KeyringUnavailable:
            self._free.release()
            raise

    async def _a_thread(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline):
                await self._free.acquire()
                return
        raise KeyringUnavailable("as many requests as may ask the key service wait for it already")

    async def _in_time(
        self, call: Callable[[WrapContext, bytes], bytes], context: WrapContext, data: bytes
    ) -> bytes:
        """Ask in the thread that was waited for; it is free again when the call has ended."""
        answer = self._start(call, context, data)
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.wrap_future(answer)
        except TimeoutError:
            pass
        raise KeyringUnavailable(f"the key service did not answer within {self._deadline:g} s")

    def _start(
        self, call: Callable[[WrapContext, bytes], bytes], context: WrapContext, data: bytes
    ) -> Future[bytes]:
        loop = asyncio.get_running_loop()
        answer: Future[bytes] = Future()
        answer.set_running_or_notify_cancel()

        def ask() -> None:
            try:
                answer.set_result(call(context, data))
            except BaseException as failure:  # noqa: BLE001  raised where it is waited for
                answer.set_exception(failure)
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(self._free.release)

        # A daemon, which an executor's are not: a stuck one must not hold up the process's end.
        Thread(target=ask, name="key-service", daemon=True).start()
        return answer

    def _settled(self, place: tuple[WrapContext, bytes], done: asyncio.Task[bytes]) -> None:
        del self._under_way[place]
        if not done.cancelled():
            done.exception()  # whoever asked may have left: nobody need be told then

    def __repr__(self) -> str:
        return f"ServiceRing({self._service.kid!r})"
