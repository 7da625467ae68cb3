"""Keys that are fetched from a cluster's issuer, and how long they are believed.

The one thing you would get wrong: who makes us ask. Anyone can send a token with a key id that
nobody has; a cluster is asked at most once in `ASK_EVERY`, whatever comes, and few wait for it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from regcred.adapters.identity.compact import refused, strict_object
from regcred.adapters.identity.key_set import KeySet, read_key_set
from regcred.domain.errors import InvalidInput
from regcred.domain.workload import Cluster, https_url

if TYPE_CHECKING:
    import httpx2

ASK_EVERY = 30.0
"""Seconds between two attempts to fetch one cluster's keys."""

FRESH = 600.0
"""Seconds after which keys are fetched anew."""

KEPT = 24 * 3600.0
"""Seconds for which old keys are believed while the issuer does not answer."""

MAX_WAITING = 32
"""Requests that wait for one cluster's issuer at once, the one that asks among them: a silent
issuer must not take the places of those who need none."""

MAX_ANSWER = 64 * 1024
_DEADLINE = 3.0
"""Seconds that an issuer has, from the first connection to the last byte."""

_REMEMBERED = 1024
_OK, _HTTPS = 200, 443
_DISCOVERY = "/.well-known/openid-configuration"


class Unfetched(Exception):
    """The keys could not be had; the text, in fixed words, says why."""


@dataclass
class _Known:
    """What was fetched for one version of a cluster."""

    version: int
    keys: KeySet | None = None
    fetched: float = 0.0
    asked: float | None = None
    failure: str = "its issuer is being asked, and too many wait"
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class IssuerKeys:
    """The fetched keys of every cluster that has none of its own. In seconds of `monotonic`."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._known: dict[UUID, _Known] = {}

    async def having(self, cluster: Cluster, kid: str) -> KeySet:
        """Return the cluster's keys, fetched anew where `kid` is none of them.

        Raise NotAuthenticated when there are none to be had, or none that are new enough.
        """
        known = self._known_of(cluster)
        if self.asks(cluster, kid) and known.waiting < MAX_WAITING:
            known.waiting += 1
            try:
                async with known.asking:
                    if not self._serves(known, kid) or self._old(known):
                        await self._ask(known, cluster)
            finally:
                known.waiting -= 1
        if known.keys is None or self._monotonic() - known.fetched > KEPT:
            raise refused(f"its cluster's keys are not to be had: {known.failure}")
        return known.keys

    def asks(self, cluster: Cluster, kid: str) -> bool:
        """Whether `having`, called now, would wait for the issuer."""
        known = self._known_of(cluster)
        if known.asking.locked():
            return not self._serves(known, kid)
        return self._due(known) and (not self._serves(known, kid) or self._old(known))

    def _known_of(self, cluster: Cluster) -> _Known:
        known = self._known.get(cluster.id)
        if known is None or known.version != cluster.version:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[cluster.id] = _Known(cluster.version)
        return known

    def _serves(self, known: _Known, kid: str) -> bool:
        return known.keys is not None and known.keys.has(kid)

    def _old(self, known: _Known) -> bool:
        return self._monotonic() - known.fetched > FRESH

    def _due(self, known: _Known) -> bool:
        return known.asked is None or self._monotonic() - known.asked >= ASK_EVERY

    async def _ask(self, known: _Known, cluster: Cluster) -> None:
        """Fetch the keys, unless that was tried a moment ago."""
        if not self._due(known):
            return
        known.asked = self._monotonic()
        try:
            async with asyncio.timeout(_DEADLINE):
                known.keys = await _fetched(cluster)
            known.fetched = self._monotonic()
        except TimeoutError:
            known.failure = "its issuer does not answer in time"
        except Unfetched as error:
            known.failure = str(error)


def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a context that trusts the bundle alone, or the system. Raise ssl.SSLError."""
    context = ssl.create_default_context(cadata=ca_bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _fetched(cluster: Cluster) -> KeySet:
    """Raise Unfetched."""
    import httpx2  # noqa: PLC0415  2 MiB, and most services know no cluster

    async with httpx2.AsyncClient(
        verify=trust(cluster.ca_bundle),
        trust_env=False,
        follow_redirects=False,
        timeout=_DEADLINE,
        headers={"Accept": "application/json, application/jwk-set+json"},
    ) as client:
        url = cluster.jwks_uri or await _discovered(client, cluster)
        try:
            found = read_key_set(await _got(client, url))
        except ValueError:
            raise Unfetched("what its issuer answers is no key set") from None
    if not found.keys:
        raise Unfetched("its issuer has no usable key")
    return found


async def _discovered(client: httpx2.AsyncClient, cluster: Cluster) -> str:
    """Return where the issuer's own document says that its keys are. Raise Unfetched.

    At the issuer itself: else it could have us ask whatever we can reach and it cannot.
    """
    try:
        document = strict_object(await _got(client, cluster.issuer.removesuffix("/") + _DISCOVERY))
        if document.get("issuer") != cluster.issuer:
            raise Unfetched("the discovery document is another issuer's")
        url = https_url(str(document.get("jwks_uri")))
    except (ValueError, InvalidInput):
        raise Unfetched("what its issuer answers is no discovery document") from None
    if _place(url) != _place(cluster.issuer):
        raise Unfetched("its issuer says that its keys are elsewhere: give that as jwks_uri")
    return url


def _place(url: str) -> tuple[str | None, int]:
    split = urlsplit(url)
    return split.hostname, split.port or _HTTPS


async def _got(client: httpx2.AsyncClient, url: str) -> bytes:
    """Return a body of MAX_ANSWER bytes at most. Raise Unfetched."""
    import httpx2  # noqa: PLC0415  see above

    body = bytearray()
    try:
        async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
            if answer.status_code != _OK or "content-encoding" in answer.headers:
                raise Unfetched("its issuer does not answer 200 in plain bytes")
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MAX_ANSWER:
                    raise Unfetched("its issuer's answer is too long")
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError):
        raise Unfetched("its issuer cannot be reached, or its certificate is not trusted") from None
    return bytes(body)
