"""A running service: the use cases over the opened state, behind the web, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import blake2b

import structlog
import uvicorn
from starlette.types import ASGIApp

from regcred import __version__
from regcred.adapters.metrics.registries import MeasuredRegistries
from regcred.adapters.registries.limits import ProjectRate
from regcred.adapters.registries.registries import RealRegistries
from regcred.adapters.sealing.webhook_signature import sign_message
from regcred.adapters.webhooks.sender import GuardedSender
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.first_run import FirstRun, make_first_project
from regcred.bootstrap.listening import authority, listen
from regcred.bootstrap.metrics_port import exposed, metrics_port, prometheus_meter
from regcred.bootstrap.protocol import Limits, guarded
from regcred.bootstrap.rechecker import Rechecker, checking
from regcred.bootstrap.renewals import Renewals
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.webhook_keeper import WebhookKeeper, delivering
from regcred.domain.errors import RegcredError, StartRefused
from regcred.domain.ports.measuring import UNMEASURED, Meter, Trigger
from regcred.settings import Settings
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.deliver_events import DeliverEvents
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.explain_image import ExplainImage
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.manage_keys import ManageKeys
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.manage_uses import ManageUses
from regcred.usecases.manage_webhooks import ManageWebhooks
from regcred.usecases.probe_registry import ProbeRegistry
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.read_audit import ReadAudit
from regcred.usecases.read_events import ReadEvents
from regcred.usecases.recheck_credentials import RecheckCredentials
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
        registries = _registries(settings, state)
        meter = prometheus_meter(settings, registries)
        exchanges = _exchanges(state, registries, meter or UNMEASURED)
        sender = _sender(settings)
        app = _app(settings, state, registries, exchanges, sender, meter or UNMEASURED)
        rechecker = _rechecker(settings, state, registries, meter or UNMEASURED)
        renewals = Renewals(exchanges)
        events = DeliverEvents(state.store, state.sealer, sender, state.clock, state.random)
        with listen(settings.host, settings.port) as listening, metrics_port(settings) as metrics:
            made = await first_run(state) if state.fresh else None
            url = f"http://{authority(listening)}"
            if made is not None:
                on_first_run(made, url)
            async with (
                _kept(keeper),
                checking(rechecker),
                _beside(renewals.run()),
                delivering(WebhookKeeper(events)),
                exposed(meter, metrics),
            ):
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


def _registries(settings: Settings, state: State) -> RealRegistries:
    try:
        return RealRegistries(
            state.clock,
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


def _exchanges(state: State, registries: RealRegistries, meter: Meter) -> ExchangeLogins:
    measured = MeasuredRegistries(registries, meter, Trigger.AUTOMATIC, time.monotonic)
    store, sealer = state.store, state.sealer
    return ExchangeLogins(store, sealer, measured, state.clock, state.random, asyncio.sleep, meter)


def _rechecker(
    settings: Settings, state: State, registries: RealRegistries, meter: Meter
) -> Rechecker:
    measured = MeasuredRegistries(registries, meter, Trigger.AUTOMATIC, time.monotonic)
    recheck = RecheckCredentials(state.store, state.sealer, measured, state.clock, meter)
    # Half of the places are left to people, who wait.
    at_once = max(1, settings.verify_concurrency // 2)
    return Rechecker(recheck, at_once, checks=settings.recheck)


def _sender(settings: Settings) -> GuardedSender:
    return GuardedSender(
        sign_message,
        time.monotonic,
        allow_networks=settings.allow_networks,
        allow_http=settings.allow_http,
        per_host_rate=settings.verify_per_host,
    )


def _app(
    settings: Settings,
    state: State,
    registries: RealRegistries,
    exchanges: ExchangeLogins,
    sender: GuardedSender,
    meter: Meter = UNMEASURED,
) -> ASGIApp:
    store, sealer, clock = state.store, state.sealer, state.clock
    new_request_id = _request_ids()
    asked = MeasuredRegistries(registries, meter, Trigger.PERSON, time.monotonic)
    allowance = ProjectRate(settings.verify_per_project, time.monotonic)
    prove = ProveLogin(store, asked, allowance, exchanges, meter)
    credentials = ManageCredentials(store, sealer, prove, clock, state.new_id)
    services = Services(
        authenticate=Authenticate(store, state.digests, clock),
        projects=ManageProjects(store, sealer, clock, state.new_id),
        keys=ManageKeys(store, state.digests, clock, state.random),
        credentials=credentials,
        verify=VerifyCredential(store, sealer, asked, clock, allowance, exchanges, meter),
        probe=ProbeRegistry(store, registries, allowance),
        explain=ExplainImage(store),
        uses=ManageUses(store, clock),
        audit=ReadAudit(store),
        events=ReadEvents(store),
        docker_helper=ServeDockerHelper(credentials),
        webhooks=ManageWebhooks(store, sealer, sender, clock, state.new_id, state.random),
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
    return build_app(services, hot_path=hot)


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
