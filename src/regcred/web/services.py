"""Everything the web needs from the inside, as the composition root hands it over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from regcred.domain.ports import Clock, Cursors, Families
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.explain_image import ExplainImage
from regcred.usecases.hand_out_logins import HandOutLogins
from regcred.usecases.manage_clusters import ManageClusters
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.manage_keys import ManageKeys
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.manage_uses import ManageUses
from regcred.usecases.manage_webhooks import ManageWebhooks
from regcred.usecases.manage_workloads import ManageWorkloads
from regcred.usecases.probe_registry import ProbeRegistry
from regcred.usecases.read_audit import ReadAudit
from regcred.usecases.read_events import ReadEvents
from regcred.usecases.read_fetches import ReadFetches
from regcred.usecases.serve_docker_helper import ServeDockerHelper
from regcred.usecases.verify_credential import VerifyCredential
from regcred.web.admission import Admission
from regcred.web.budget import Budget
from regcred.web.forwarded import TrustedProxies

Counts = Callable[[str, str, str, int, float], None]
"""(face, route, method, status, seconds): counts an answer."""

Answered = Callable[[str, str, int, float], None]
"""(route, method, status, seconds): counts an answer of one face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases, and the few things that only the border needs."""

    authenticate: Authenticate
    authenticate_pod: AuthenticatePod
    projects: ManageProjects
    keys: ManageKeys
    credentials: ManageCredentials
    verify: VerifyCredential
    probe: ProbeRegistry
    explain: ExplainImage
    uses: ManageUses
    audit: ReadAudit
    events: ReadEvents
    fetches: ReadFetches
    docker_helper: ServeDockerHelper
    hand_out: HandOutLogins
    webhooks: ManageWebhooks
    clusters: ManageClusters
    workloads: ManageWorkloads

    families: Families
    """Asked which family a login belongs to, and what is known of each."""

    cursors: Cursors
    request_digest: Callable[..., bytes]
    """(bytes, …) -> an HMAC over the parts, each kept apart from the next."""

    clock: Clock
    monotonic: Callable[[], float]
    new_request_id: Callable[[], str]
    """Returns a fresh id of [A-Za-z0-9._-]{1,64}."""

    budgets: Mapping[str, Budget]
    """By a dialect's name: what the operator chose in the place of its own."""

    admission: Admission
    """Asked of every request whose caller is known."""

    proxies: TrustedProxies
    """Believed on where a request comes from."""

    readiness: Callable[[], Awaitable[Mapping[str, str]]]
    """Name of a check -> "ok", or in a few words what is wrong (no secrets, no addresses)."""

    watched: Callable[[], Awaitable[Mapping[str, str]]]
    """Likewise, of what requests do without."""

    answered: Counts | None = None
    """None: nobody looks."""

    def answered_on(self, face: str) -> Answered | None:
        """Return what counts the answers of one face, if they are counted."""
        return None if self.answered is None else partial(self.answered, face)
