"""The composition: every use case over the opened state, the app, and what runs beside it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from regcred.adapters.identity.pod_tokens import PodTokenVerifier
from regcred.adapters.metrics.registries import MeasuredRegistries
from regcred.adapters.registries.limits import ProjectRate
from regcred.adapters.registries.registries import RealRegistries
from regcred.adapters.sealing.webhook_signature import sign_message
from regcred.adapters.webhooks.sender import GuardedSender
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.bell import TaskBell, TaskBells
from regcred.bootstrap.rechecker import Rechecker
from regcred.bootstrap.renewals import Renewals
from regcred.bootstrap.scrubber import Scrubber
from regcred.bootstrap.server import Stopping
from regcred.bootstrap.shift import shift_of
from regcred.bootstrap.state import State
from regcred.bootstrap.watch import Watch
from regcred.bootstrap.waves import FewWaves, Wave
from regcred.bootstrap.webhook_keeper import WebhookKeeper
from regcred.domain.errors import StartRefused
from regcred.domain.ports.measuring import UNMEASURED, Meter, Trigger
from regcred.settings import Settings
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.deliver_events import DeliverEvents
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.explain_image import ExplainImage
from regcred.usecases.hand_out_logins import HandOutLogins
from regcred.usecases.lock_out import LockOut
from regcred.usecases.manage_clusters import ManageClusters
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.manage_keys import ManageKeys
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.manage_uses import ManageUses
from regcred.usecases.manage_webhooks import ManageWebhooks
from regcred.usecases.manage_workloads import ManageWorkloads
from regcred.usecases.probe_registry import ProbeRegistry
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.read_audit import ReadAudit
from regcred.usecases.read_events import ReadEvents
from regcred.usecases.read_fetches import ReadFetches
from regcred.usecases.recheck_credentials import RecheckCredentials
from regcred.usecases.resolve_image import ResolveImage
from regcred.usecases.scrub_secrets import ScrubSecrets
from regcred.usecases.serve_docker_helper import ServeDockerHelper
from regcred.usecases.serve_kubelet import ServeKubelet
from regcred.usecases.verify_credential import VerifyCredential
from regcred.web.admission import Admission
from regcred.web.app import build_app, chosen_budgets
from regcred.web.delivery.docker_credential import DockerCredential
from regcred.web.delivery.exchange import HotPath
from regcred.web.delivery.fast_path import FastPath
from regcred.web.delivery.kubelet import KubeletCredential, token_in
from regcred.web.delivery.resolve import Resolve
from regcred.web.dialects.native import DIALECT
from regcred.web.forwarded import TrustedProxies
from regcred.web.services import Counts, Services

if TYPE_CHECKING:
    from regcred.adapters.tracing.traces import Traces


_IDS_AT_ONCE = 256
"""Request ids for which random bytes are drawn together."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process runs."""

    app: ASGIApp
    rechecker: Rechecker
    renewals: Renewals
    webhooks: WebhookKeeper
    scrubber: Scrubber
    watch: Watch
    stopping: Stopping


def wire(
    settings: Settings,
    state: State,
    keeper: AuditKeeper,
    registries: RealRegistries,
    meter: Meter,
    traces: Traces | None = None,
) -> Parts:
    """Put everything together."""
    if traces is not None:
        store, sealer = traces.inside("store", state.store), traces.inside("sealer", state.sealer)
        state = replace(state, store=store, sealer=sealer)
        registries = traces.inside("registry", registries)
    allowance = ProjectRate(settings.verify_per_project, time.monotonic)
    due = TaskBell()
    exchanges = ExchangeLogins(
        state.store,
        state.sealer,
        MeasuredRegistries(registries, meter, Trigger.AUTOMATIC, time.monotonic),
        state.clock,
        state.random,
        allowance,
        due,
        TaskBells(),
        meter,
        settings.concurrency,
    )
    sender = _sender(settings)
    events = DeliverEvents(state.store, state.sealer, sender, state.clock, state.random)
    rechecker = _rechecker(settings, state, registries, meter)
    renewals, webhooks = Renewals(exchanges, due), WebhookKeeper(events)
    tasks = {
        "automatic checks": rechecker.heartbeat,
        "renewals": renewals.heartbeat,
        "webhooks": webhooks.heartbeat,
    }
    scrubber = Scrubber(
        ScrubSecrets(state.store, state.sealer),
        meter,
        settings.scrub_rate,
        shift_of(state, "scrubbing"),
    )
    stopping = Stopping()
    watch = Watch(state, keeper, tasks, rechecker.recheck.due, stopping, scrubber)
    counts = [] if meter is UNMEASURED else [meter.answered]
    counts += [] if traces is None else [traces.answered]
    app = _app(settings, state, registries, allowance, exchanges, sender, meter, watch, counts)
    if traces is not None:
        app = traces.web(app)
    return Parts(app, rechecker, renewals, webhooks, scrubber, watch, stopping)


def open_registries(settings: Settings, state: State) -> RealRegistries:
    """Return the registries as the operator lets them be reached. Raise StartRefused."""
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


def _rechecker(
    settings: Settings, state: State, registries: RealRegistries, meter: Meter
) -> Rechecker:
    unasked = registries.unasked()
    measured = MeasuredRegistries(unasked, meter, Trigger.AUTOMATIC, time.monotonic)
    recheck = RecheckCredentials(state.store, state.sealer, measured, state.clock, meter)
    # Half of the places are left to people too, who wait.
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
    allowance: ProjectRate,
    exchanges: ExchangeLogins,
    sender: GuardedSender,
    meter: Meter,
    watch: Watch,
    counts: Sequence[Counts],
) -> ASGIApp:
    store, sealer, clock = state.store, state.sealer, state.clock
    new_request_id = _request_ids()
    asked = MeasuredRegistries(registries, meter, Trigger.PERSON, time.monotonic)
    prove = ProveLogin(store, asked, allowance, exchanges, meter)
    credentials = ManageCredentials(store, sealer, prove, clock, state.new_id, Wave)
    tokens, stamps = PodTokenVerifier(time.monotonic), state.keys.pod_stamps
    lock_out = LockOut(store, clock)
    pods = AuthenticatePod(store, tokens, stamps, clock)
    services = Services(
        authenticate=Authenticate(store, state.digests, clock, lock_out, Wave),
        authenticate_pod=pods,
        projects=ManageProjects(store, sealer, clock, state.new_id),
        keys=ManageKeys(store, state.digests, clock, state.random),
        credentials=credentials,
        verify=VerifyCredential(store, sealer, asked, clock, allowance, exchanges, meter),
        probe=ProbeRegistry(store, registries, allowance),
        explain=ExplainImage(store, registries, clock),
        uses=ManageUses(store, clock),
        audit=ReadAudit(store),
        events=ReadEvents(store),
        fetches=ReadFetches(store),
        docker_helper=ServeDockerHelper(credentials),
        hand_out=HandOutLogins(store, sealer, clock, registries, exchanges, state.keys.key_digests),
        webhooks=ManageWebhooks(
            store, sealer, sender, clock, state.new_id, state.random, allowance
        ),
        clusters=ManageClusters(store, tokens, stamps, clock, state.new_id),
        workloads=ManageWorkloads(store, stamps, clock, state.new_id),
        families=registries,
        cursors=state.keys.cursors,
        request_digest=state.keys.request_digests.digest,
        clock=clock,
        monotonic=time.monotonic,
        budgets=chosen_budgets(settings.budgets),
        admission=Admission(
            settings.concurrency,
            time.monotonic,
            per_project=settings.rate_per_project,
            per_key=settings.rate_per_key,
            per_client=settings.peer_connections,
        ),
        proxies=TrustedProxies(settings.trusted_proxies),
        new_request_id=new_request_id,
        readiness=watch.needed,
        watched=watch.watched,
        answered=_together(counts),
    )
    resolve = ResolveImage(
        store,
        sealer,
        state.digests,
        clock,
        registries,
        exchanges,
        pods,
        lock_out,
        FewWaves if store.shared else Wave,
        meter,
    )
    logins = Resolve(resolve)
    hot = HotPath(
        {
            "resolve": logins,
            "docker-credential/get": DockerCredential(resolve),
            "kubelet-credential": KubeletCredential(ServeKubelet(resolve, store, clock)),
        },
        services,
        DIALECT.render_error,
        {"kubelet-credential": token_in},
    )
    return build_app(services, hot, FastPath(hot, {"resolve": logins}, services))


def _together(counts: Sequence[Counts]) -> Counts | None:
    """Return one that calls all; None where there is none."""
    if len(counts) < 2:  # noqa: PLR2004  one needs nobody to call it
        return counts[0] if counts else None

    def call_all(face: str, route: str, method: str, status: int, seconds: float) -> None:
        for count in counts:
            count(face, route, method, status, seconds)

    return call_all


def _request_ids() -> Callable[[], str]:
    """Return a source of request ids, 32 hex digits that tell nothing of how many there were.

    Random bytes are drawn for many at once: for each it would cost the hot path a system call.
    """

    def drawn() -> Iterator[str]:
        while True:
            digits = secrets.token_hex(16 * _IDS_AT_ONCE)
            yield from (digits[at : at + 32] for at in range(0, len(digits), 32))

    return drawn().__next__
