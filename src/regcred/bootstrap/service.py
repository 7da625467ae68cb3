"""A running service: the use cases over the opened state, behind the web, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b

import structlog
import uvicorn
from starlette.types import ASGIApp

from regcred import __version__
from regcred.adapters.registries.limits import ProjectRate
from regcred.adapters.registries.registries import RealRegistries
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.first_run import FirstRun, make_first_project
from regcred.bootstrap.protocol import Limits, guarded
from regcred.bootstrap.renewals import Renewals
from regcred.bootstrap.state import State, open_state
from regcred.domain.errors import RegcredError, StartRefused
from regcred.domain.ports import Clock
from regcred.settings import Settings
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.explain_image import ExplainImage
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.manage_keys import ManageKeys
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.manage_uses import ManageUses
from regcred.usecases.probe_registry import ProbeRegistry
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.read_audit import ReadAudit
from regcred.usecases.resolve_image import ResolveImage
from regcred.usecases.serve_docker_helper import ServeDockerHelper
from regcred.usecases.verify_credential import VerifyCredential
from regcred.web.app import build_app, chosen_budgets
from regcred.web.delivery.docker_credential import DockerCredential
from regcred.web.delivery.exchange import HotPath
from regcred.web.delivery.resolve import Resolve
from regcred.web.dialects.native import DIALECT
from regcred.web.services import Services

OK, FAILED = 0, 1
_KEEP_ALIVE = 15
_log = structlog.get_logger("regcred")

OnFirstRun = Callable[[FirstRun, str], None]


def serve(settings: Settings, *, on_first_run: OnFirstRun) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    The port opens only once everything is ready. Raise StartRefused.
    """
    if settings.workers != 1:
        raise StartRefused(
            f"--workers {settings.workers}: an SQLite store is served by one process, because "
            "two that write one file wait for each other for seconds. Use --workers 1"
        )
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(_serve(settings, on_first_run))


def _new_loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415  the operator's other commands start without it

    return uvloop.new_event_loop()


async def _serve(settings: Settings, on_first_run: OnFirstRun) -> int:
    async with open_state(settings, exclusive=True) as state:
        keeper = AuditKeeper(state.store, state.keys.audit_chain, state.anchor, state.clock)
        await keeper.check(accept_rollback=settings.accept_rollback)
        # Before the key is made: it is shown once, so nothing may stop the start in between.
        app, renewals = _app(settings, state)
        with _listen(settings) as listening:
            made = await first_run(state) if state.fresh else None
            url = f"http://{_authority(listening)}"
            if made is not None:
                on_first_run(made, url)
            async with _kept(keeper), _beside(renewals.run()):
                server = _Server(_configured(settings, app))
                _tune_interpreter()
                _log.info("serving", address=url, version=__version__)
                await server.serve([listening])
                _log.info("stopped")
    return OK


class _Server(uvicorn.Server):
    """uvicorn, stopped by a signal and then done: its own way is to raise the signal again."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT stop the server while it runs; a second SIGINT does not wait."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


async def first_run(state: State) -> FirstRun:
    """Make project 1 and its operator's key in a fresh store."""
    return await make_first_project(
        state.store, state.sealer, state.digests, state.clock, state.new_id, state.random
    )


@asynccontextmanager
async def _kept(keeper: AuditKeeper) -> AsyncIterator[None]:
    """Run the audit keeper beside the server, and link what is left when it stops."""
    try:
        async with _beside(keeper.run()):
            yield
    finally:
        await keeper.link()


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run what never ends beside the server, and cancel it when the server stops."""
    running = asyncio.create_task(work)
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _tune_interpreter() -> None:
    """Keep two things from stopping all requests at once (docs/benchmarks.md).

    A full collection walks every framework object for tens of milliseconds, though what a
    request leaves behind is little and has no cycles: what is there now is left out. And the
    writer, back from the disk with answers that requests wait for, waits for the interpreter's
    lock no longer than half a millisecond.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _app(settings: Settings, state: State) -> tuple[ASGIApp, Renewals]:
    store, sealer, clock = state.store, state.sealer, state.clock
    new_request_id = _request_ids()
    registries = _registries(settings, clock)
    allowance = ProjectRate(settings.verify_per_project, time.monotonic)
    exchanges = ExchangeLogins(store, sealer, registries, clock, state.random, asyncio.sleep)
    prove = ProveLogin(store, registries, allowance, exchanges)
    credentials = ManageCredentials(store, sealer, prove, clock, state.new_id)
    services = Services(
        authenticate=Authenticate(store, state.digests, clock),
        projects=ManageProjects(store, sealer, clock, state.new_id),
        keys=ManageKeys(store, state.digests, clock, state.random),
        credentials=credentials,
        verify=VerifyCredential(store, sealer, registries, clock, allowance, exchanges),
        probe=ProbeRegistry(store, registries, allowance),
        explain=ExplainImage(store),
        uses=ManageUses(store, clock),
        audit=ReadAudit(store),
        docker_helper=ServeDockerHelper(credentials),
        families=registries,
        cursors=state.keys.cursors,
        request_digest=state.keys.request_digests.digest,
        clock=clock,
        monotonic=time.monotonic,
        budgets=chosen_budgets(settings.budgets),
        most_at_once=settings.concurrency,
        new_request_id=new_request_id,
        readiness=lambda: _readiness(state),
    )
    resolve = ResolveImage(store, sealer, state.digests, clock, registries, exchanges)
    hot = HotPath(
        {"resolve": Resolve(resolve), "docker-credential/get": DockerCredential(resolve)},
        services,
        DIALECT.render_error,
    )
    return build_app(services, hot_path=hot), Renewals(exchanges)


def _registries(settings: Settings, clock: Clock) -> RealRegistries:
    try:
        return RealRegistries(
            clock,
            time.monotonic,
            allow_networks=settings.allow_networks,
            allow_http=settings.allow_http,
            max_concurrency=settings.verify_concurrency,
            per_host_rate=settings.verify_per_host,
            exchange_rate=settings.exchanges_per_cloud,
            endpoints=settings.endpoints,
            allow_raw=settings.allow_raw,
        )
    except ValueError as error:
        raise StartRefused(f"a setting cannot be used: {error}") from None


async def _readiness(state: State) -> Mapping[str, str]:
    """Ask each part that a request needs, by name."""
    checks = {"store": "ok", "keyring": "ok", "migrations": "ok"}
    try:
        await state.store.check()
    except RegcredError:
        checks["store"] = "does not read and write"
    try:
        await state.sealer.new_seed("readiness")
    except RegcredError:
        checks["keyring"] = "does not wrap a key"
    if not state.store.at_head():
        checks["migrations"] = "the schema is not this program's"
    return checks


def _request_ids() -> Callable[[], str]:
    """Return a source of request ids, 32 hex digits that tell nothing of how many there were.

    A count under a random key of the process: drawing random bytes for each would cost the hot
    path a system call.
    """
    key, count = secrets.token_bytes(32), itertools.count()
    return lambda: blake2b(next(count).to_bytes(8), key=key, digest_size=16).hexdigest()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise StartRefused(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Choose another --host or --port"
        ) from None
    listening.setblocking(False)
    return listening


def _authority(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _configured(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=guarded(Limits(settings.peer_connections, 2 * settings.concurrency)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=settings.grace,
    )
