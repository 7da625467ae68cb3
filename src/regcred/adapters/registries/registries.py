"""Ask real registries about logins: the domain's port `Registries`, made real.

It picks the provider, the registry and the bounds; the handshake finds out, the client carries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from regcred.adapters.registries import providers
from regcred.adapters.registries.addresses import IPNetwork
from regcred.adapters.registries.client import RegistryClient
from regcred.adapters.registries.clouds import EXCHANGE_SECONDS, Clouds
from regcred.adapters.registries.handshake import Question, verify
from regcred.adapters.registries.limits import HostRate, Places, Refusals
from regcred.adapters.registries.messages import Finding, Handshake
from regcred.adapters.registries.origins import HttpHosts, Origin
from regcred.adapters.registries.probe import probe
from regcred.adapters.registries.provider import Provider
from regcred.adapters.registries.providers import generic
from regcred.adapters.registries.realm import RealmRule
from regcred.adapters.registries.transport import GuardedBackend
from regcred.domain.credential import Delivery, Draft, derive_scopes, texts
from regcred.domain.errors import InvalidInput
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.ports import UNKNOWN_PLACE, Clock, Family
from regcred.domain.registry import ImageReference, RegistryAddress, Scope
from regcred.domain.secret import Secret
from regcred.domain.verdict import EvidenceValue, Probe, Verdict, VerdictKind

_NO_REGISTRY = "The credential names no registry that can be asked."
_NO_PROVIDER = "The credential's provider or its settings are unknown to this server."
_HTTP_REFUSED: Mapping[str, EvidenceValue] = {
    "cause": "connect",
    "note": "Plain http is not allowed for this host: the operator would have to allow it.",
}
_NOWHERE = "The stored secret is exchanged, and the registry's name does not say where."
_DEFAULT_PORT = 443


@dataclass(frozen=True, slots=True)
class _Target:
    """Which registry is asked, and by whose rules."""

    provider: Provider
    authority: str
    """`host[:port]` as images name it."""

    scheme: str | None
    """What the credential's URL says, if it says."""


class RealRegistries:
    """Checks logins against the registries they are for."""

    def __init__(
        self,
        clock: Clock,
        monotonic: Callable[[], float],
        *,
        allow_networks: Iterable[str | IPNetwork] = (),
        allow_http: Iterable[str] = (),
        ports: Collection[int] | None = None,
        deadline: float = 10.0,
        max_concurrency: int = 32,
        per_host_rate: int = 300,
        exchange_rate: int = 600,
        endpoints: Mapping[str, str] | None = None,
        allow_raw: Collection[str] = (),
    ) -> None:
        """Take what the operator allows and how much may happen at once.

        `allow_http` holds `host` (any port) or `host:port`; `deadline` is in seconds for a whole
        check; `per_host_rate` is in checks a minute, `exchange_rate` in exchanges a minute with
        one cloud. `endpoints` says where a cloud's service is reached, if not at its own address;
        `allow_raw` names families whose stored secrets are handed out as they are. Raise
        ValueError for an unreadable network, host or endpoint, and for a family that cannot.
        """
        self._clock = clock
        self._monotonic = monotonic
        self._http_hosts = HttpHosts(allow_http)
        backend = GuardedBackend(allow_networks, ports, any_port=self._http_hosts.cover)
        self._client = RegistryClient(backend, deadline)
        self._places = Places(max_concurrency, deadline)
        self._refusals = Refusals(monotonic)
        self._unasked = False
        self._clouds = Clouds(
            clock,
            RegistryClient(backend, min(deadline, EXCHANGE_SECONDS)),
            HostRate(exchange_rate, monotonic),
            endpoints or {},
            allow_raw,
        )
        self._rate = HostRate(per_host_rate, monotonic)
        self._count = self._rate.take

    def unasked(self) -> RealRegistries:
        """Return the same for checks that nobody asked for.

        People keep half of a host's rate, and of a user name that was refused a few times lately
        no other login is tried.
        """
        second = copy(self)
        second._count = self._rate.take_second  # noqa: SLF001  it is one of us
        second._unasked = True  # noqa: SLF001  likewise
        return second

    def check(self, draft: Draft) -> Draft:
        """Check what was typed in by its provider's rules. Raise InvalidInput.

        Return the draft whole: one without a registry is for the provider's own.
        """
        provider = providers.rules(draft.provider, texts(draft.scopes))
        provider.check_draft(draft)
        scopes = provider.scopes() if draft.registry_url is None else draft.scopes
        # What a secret says of its own end is truer than what was typed in beside an older one.
        ends = provider.expiry(draft) or draft.expires_at
        if (scopes, ends) == (draft.scopes, draft.expires_at):
            return draft
        return replace(draft, scopes=scopes, expires_at=ends)

    def catalogue(self) -> Sequence[Family]:
        """Return every family, `generic` last."""
        return [provider.told() for provider in providers.PROVIDERS]

    def family(self, delivery: Delivery) -> str:
        """Return the slug of the family that a login belongs to, as far as one can tell."""
        return providers.family(delivery.provider, delivery.scopes)

    def fitting(self, slug: str, registry_url: str | None) -> str:
        """Return `slug` if that provider takes logins of this registry, else `generic`.

        One that is found anywhere does not take them where another family is at home.
        """
        anyones = generic.PROVIDER.slug
        named = [provider for provider in providers.PROVIDERS if provider.slug == slug]
        if registry_url is None or not named:
            return slug if named else anyones
        hosts = {scope.host for scope in derive_scopes(registry_url)}
        owners = {providers.for_host(anyones, host).slug for host in hosts} - {anyones}
        fits = hosts and named[0].takes(registry_url) and owners <= {slug}
        return slug if fits else anyones

    def place(self, delivery: Delivery, registry: RegistryAddress | None) -> str | None:
        """Return where a secret is exchanged for a login at that registry; see the port."""
        return self._clouds.place(delivery, registry)

    async def exchange(
        self, delivery: Delivery, secret: Secret, place: str
    ) -> FreshLogin | Verdict:
        """Exchange a stored secret for a short-lived login, or say why there is none."""
        outcome = await self._clouds.exchange(delivery, secret, place)
        if isinstance(outcome, Finding):
            return self._verdict(outcome.kind, None, {"exchanged": False, **outcome.evidence})
        return outcome

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        """Ask the registry about the login. Every outcome is a verdict.

        A login for many hosts is asked at the image's. Raise InvalidInput for an image that is
        not in the login's scope (or missing where it is needed), QuotaExceeded.
        """
        target = _target(delivery, image)
        if isinstance(target, str):
            return self._verdict(VerdictKind.UNSUPPORTED, image, {"note": target})
        registry = self._reach(target)
        if registry is None:
            return self._verdict(VerdictKind.UNREACHABLE, image, _HTTP_REFUSED)
        if self._unasked:
            self._refusals.require_few(registry.host, delivery.username)
        username, seen = delivery.username, dict[str, EvidenceValue]()
        place = self.place(delivery, image.address() if image else None)
        if place == UNKNOWN_PLACE:
            return self._verdict(VerdictKind.UNSUPPORTED, image, {"note": _NOWHERE})
        if place is not None:
            login = await self._clouds.exchange(delivery, secret, place)
            if isinstance(login, Finding):
                return self._verdict(login.kind, image, {"exchanged": False, **login.evidence})
            username, secret = login.username, login.password
            seen = {"exchanged": True, "login_expires_at": _utc(login.expires_at)}
        wanted = image.effective() if image else None
        question = Question(
            registry,
            RealmRule(registry, self._http_hosts, delivery.settings.get("realm")),
            username,
            secret,
            repository=wanted.repository if wanted else None,
            reference=(wanted.digest or wanted.tag or "") if wanted else "",
            quirks=target.provider.quirks,
        )
        finding = await self._run(verify(question), delivery.settings)
        if finding.kind is VerdictKind.REJECTED and self._unasked:
            self._refusals.note(registry.host, delivery.username)
        return self._verdict(finding.kind, image, {**seen, **finding.evidence})

    async def probe(self, registry_url: str, settings: Mapping[str, str]) -> Probe:
        """Ask a registry what it wants of a login, without one. Raise InvalidInput, QuotaExceeded.

        The settings are those of a generic login: they concern the way there.
        """
        generic.PROVIDER.check_settings(settings)
        scope = Scope.parse(registry_url)
        if scope.pattern:
            raise InvalidInput("registry_url", "must name one registry, without a *")
        family = providers.for_host(generic.PROVIDER.slug, scope.host)
        target = _Target(family, _authority(scope), _scheme(registry_url))
        registry = self._reach(target)
        if registry is None:
            finding = Finding(VerdictKind.UNREACHABLE, _HTTP_REFUSED)
        else:
            realms = RealmRule(registry, self._http_hosts, settings.get("realm"))
            asking = probe(registry, realms, self._clock, family.quirks.rows)
            finding = await self._run(asking, settings)
        return Probe(target.authority, finding.kind, self._clock(), finding.evidence)

    async def _run(self, handshake: Handshake, settings: Mapping[str, str]) -> Finding:
        """Run a handshake within the bounds."""
        async with self._places.one():
            began = self._monotonic()
            finding = await self._client.run(handshake, settings.get("ca_bundle"))
            return _timed(finding, self._monotonic() - began)

    def _reach(self, target: _Target) -> Origin | None:
        """Return where the registry is reached, None for http where only https is allowed.

        Without a scheme it is https, unless the operator allowed http for that place. It counts
        as a check of that host either way. Raise QuotaExceeded.
        """
        authority = target.provider.endpoints.get(target.authority, target.authority)
        plain = Origin.parse(authority, "http")
        self._count(plain.host)
        allowed = self._http_hosts.cover(*plain.place)
        if target.scheme == "https" or (target.scheme is None and not allowed):
            return Origin.parse(authority, "https")
        return plain if allowed else None

    def _verdict(
        self,
        kind: VerdictKind,
        image: ImageReference | None,
        evidence: Mapping[str, EvidenceValue],
    ) -> Verdict:
        return Verdict(kind, self._clock(), str(image) if image else None, evidence)


def _target(delivery: Delivery, image: ImageReference | None) -> _Target | str:
    """Return which registry to ask, or a sentence that says why there is none."""
    try:
        named = providers.find(delivery.provider)
        # What was stored before a rule was made may break it.
        providers.rules(named.slug, delivery.scopes).check_settings(delivery.settings)
    except InvalidInput:
        return _NO_PROVIDER
    scopes = [Scope.parse(text) for text in delivery.scopes]
    if not scopes:
        return _NO_REGISTRY
    if image is not None:
        address = image.address()
        if not any(scope.covers(address, image.repository) for scope in scopes):
            raise InvalidInput("image", "must lie in the credential's scope")
        host, authority = address.host, str(address)
    elif scopes[0].pattern:
        raise InvalidInput("image", "must be given: the credential is for many hosts")
    else:
        host, authority = scopes[0].host, _authority(scopes[0])
    return _Target(providers.for_host(named.slug, host), authority, _scheme(delivery.registry_url))


def _authority(scope: Scope) -> str:
    return str(replace(scope, path=""))


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _scheme(url: str | None) -> str | None:
    scheme, separator, _ = (url or "").partition("://")
    if separator:
        return scheme.lower()
    return "https" if scheme.partition("/")[0].endswith(f":{_DEFAULT_PORT}") else None


def _timed(finding: Finding, seconds: float) -> Finding:
    """Add the time taken, in coarse steps.

    Not for what was unreachable: it would tell a refused connection from a filtered one.
    """
    if finding.kind is VerdictKind.UNREACHABLE:
        return finding
    return Finding(finding.kind, {**finding.evidence, "duration_ms": round(seconds * 10) * 100})
