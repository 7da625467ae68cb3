"""A running service: the use cases over the opened state, behind the web, in each process."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from socket import socket
from typing import TYPE_CHECKING

import structlog
import uvicorn
from starlette.types import ASGIApp

from regcred import __version__
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.audit_pruning import AuditPruner
from regcred.bootstrap.beside import beside
from regcred.bootstrap.first_run import FirstRun, first_run
from regcred.bootstrap.listening import authority, listen
from regcred.bootstrap.metrics_port import exposed, metrics_port, prometheus_meter
from regcred.bootstrap.protocol import Limits, configured
from regcred.bootstrap.server import Server
from regcred.bootstrap.shift import shift_of
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.tracing import tracing
from regcred.bootstrap.wiring import Parts, open_registries, wire
from regcred.bootstrap.workers import FAILED, OK, REFUSED, Workers
from regcred.domain.errors import RegcredError, StartRefused
from regcred.domain.ports.measuring import UNMEASURED
from regcred.settings import Settings
from regcred.web.forwarded import TrustedProxies

if TYPE_CHECKING:
    from regcred.adapters.metrics.prometheus import PrometheusMeter

_KEEP_ALIVE = 15
_log = structlog.get_logger("regcred")

OnFirstRun = Callable[[FirstRun, str], None]


def serve(settings: Settings, *, on_first_run: OnFirstRun) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    The port opens only once everything is ready. Raise StartRefused.
    """
    if settings.workers == 1:
        return _run(_serve_alone(settings, on_first_run))
    if settings.database is None:
        raise StartRefused(
            f"--workers {settings.workers}: an SQLite store is served by one process, because "
            "two that write one file wait for each other for seconds. Use --workers 1, or a "
            "PostgreSQL database (--database)"
        )
    if any(ring.startswith("fd:") for ring in settings.key_rings):
        raise StartRefused(
            "--keyring fd: is read once, by one process: with several --workers name a file or a"
            " key service"
        )
    with listen(settings.host, settings.port) as listening:
        # Not uvloop, which may leave threads behind, and workers are forked from here.
        asyncio.run(_prepare(settings, listening, on_first_run))

        def work(index: int) -> int:
            try:
                return _run(_serve_beside_others(settings, listening, index))
            except RegcredError as refusal:
                _log.error("a worker was refused its start", reason=str(refusal))
                return REFUSED if isinstance(refusal, StartRefused) else FAILED

        return Workers(settings.workers, work, settings.grace).run()


def _run(work: Coroutine[None, None, int]) -> int:
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(work)


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415  the operator's other commands start without it

    return uvloop.new_event_loop()


@dataclass(frozen=True, slots=True)
class _Opened:
    """All of a service but its ports."""

    state: State
    keeper: AuditKeeper
    parts: Parts
    meter: PrometheusMeter | None


@asynccontextmanager
async def _opened(settings: Settings, *, accept_rollback: bool) -> AsyncIterator[_Opened]:
    async with open_state(settings, exclusive=True) as state, tracing(settings) as traces:
        keeper = _keeper(settings, state)
        await keeper.check(accept_rollback=accept_rollback)
        registries = open_registries(settings, state)
        meter = prometheus_meter(settings, registries)
        parts = wire(settings, state, keeper, registries, meter or UNMEASURED, traces)
        yield _Opened(state, keeper, parts, meter)


async def _serve_alone(settings: Settings, on_first_run: OnFirstRun) -> int:
    async with _opened(settings, accept_rollback=settings.accept_rollback) as opened:
        # Before the key is made: it is shown once, so nothing may stop the start in between.
        with listen(settings.host, settings.port) as listening, metrics_port(settings) as metrics:
            await _first(opened.state, listening, on_first_run)
            await _serve(settings, opened, listening, metrics)
    return OK


async def _prepare(settings: Settings, listening: socket, on_first_run: OnFirstRun) -> None:
    """Do what is done once, and meet what would refuse every worker."""
    async with _opened(settings, accept_rollback=settings.accept_rollback) as opened:
        await _first(opened.state, listening, on_first_run)


async def _serve_beside_others(settings: Settings, listening: socket, index: int) -> int:
    async with _opened(settings, accept_rollback=False) as opened:
        with metrics_port(settings, index) as metrics:
            await _serve(settings, opened, listening, metrics)
    return OK


async def _first(state: State, listening: socket, on_first_run: OnFirstRun) -> None:
    if state.fresh:
        on_first_run(await first_run(state), f"http://{authority(listening)}")


async def _serve(
    settings: Settings, opened: _Opened, listening: socket, metrics: socket | None
) -> None:
    parts = opened.parts
    async with (
        _kept(opened.keeper),
        beside(parts.rechecker.run()),
        beside(parts.renewals.run()),
        beside(parts.webhooks.run()),
        beside(parts.scrubber.run()),
        exposed(opened.meter, metrics, parts.watch.figures),
    ):
        server = Server(_configured(settings, parts.app), parts.stopping)
        _tune_interpreter()
        _log.info("serving", address=f"http://{authority(listening)}", version=__version__)
        await server.serve([listening])
        _log.info("stopped")


def _keeper(settings: Settings, state: State) -> AuditKeeper:
    parts = (state.store, state.keys.audit_chain, state.anchor, state.clock)
    pruner = AuditPruner(*parts, settings.audit_days, shift_of(state, "pruning"))
    verifying = shift_of(state, "verifying the audit")
    looking = shift_of(state, "looking what was set back")
    return AuditKeeper(*parts, pruner, verifying, looking)


@asynccontextmanager
async def _kept(keeper: AuditKeeper) -> AsyncIterator[None]:
    """Run the audit keeper beside the server, and link what is left when it stops."""
    try:
        async with beside(keeper.run()):
            yield
    finally:
        await keeper.link()


def _tune_interpreter() -> None:
    """Keep two things from stopping all requests at once (docs/benchmarks.md).

    A full collection walks every framework object for tens of milliseconds, though what a
    request leaves behind is little and has no cycles: what is there now is left out. And the
    writer, back from the disk with answers that requests wait for, waits for the interpreter's
    lock no longer than half a millisecond.
    """
    sys.setswitchinterval(0.0005)
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _configured(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    proxies = TrustedProxies(settings.trusted_proxies)
    limits = Limits(settings.peer_connections, 2 * settings.concurrency, proxies.has)
    return configured(app, limits, keep_alive=_KEEP_ALIVE, grace=settings.grace)
