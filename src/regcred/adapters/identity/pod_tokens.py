"""Whether a service-account token is a cluster's, for us, and counts now: the port `PodTokens`.

Everything is checked that Kubernetes puts into one (KEP-1205), and nothing that a token says of
itself decides how it is checked: the key comes from the cluster, the algorithm from the key, and
`jku`, `x5u`, `x5c` and `jwk` are not looked at.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import jwt

from regcred.adapters.identity.compact import Token, refused
from regcred.adapters.identity.issuer_keys import IssuerKeys, trust
from regcred.adapters.identity.key_set import ALGORITHMS, USABLE, KeySet, read_key_set
from regcred.domain.errors import InvalidInput
from regcred.domain.workload import MAX_CA_BUNDLE, MAX_JWKS, Cluster, Pod, TokenIssuer, is_subdomain

LEEWAY = 30
"""Seconds by which the cluster's clock and ours may differ."""

LONGEST = 24 * 3600
"""Seconds that a token may live: what lives longer is kept somewhere, and stolen there."""

_LATEST = 2**53
_signatures = jwt.PyJWS(algorithms=list(ALGORITHMS))


class PodTokenVerifier:
    """Implements PodTokens."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._fetched = IssuerKeys(monotonic)

    def check(self, cluster: Cluster) -> None:
        """Pass if the keys or the CA bundle can be used. Raise InvalidInput."""
        if cluster.jwks is not None:
            _check_keys(cluster.jwks)
        if cluster.ca_bundle is not None:
            _check_bundle(cluster.ca_bundle)

    def read(self, token: str) -> TokenIssuer:
        """Return what a token claims, believing nothing. Raise NotAuthenticated."""
        return Token.parse(token).claimed()

    def asks(self, token: str, cluster: Cluster) -> bool:
        """Whether `verify`, called now, would wait for the issuer. Raise NotAuthenticated."""
        kid, _ = _named_key(Token.parse(token).header)
        return cluster.jwks is None and self._fetched.asks(cluster, kid)

    async def verify(self, token: str, cluster: Cluster, now: datetime) -> Pod:
        """Return the pod of a token. Raise NotAuthenticated."""
        parsed = Token.parse(token)
        kid, algorithm = _named_key(parsed.header)
        keys = await self._keys(cluster, kid)
        key = keys.keys.get((kid, algorithm))
        if key is None:
            raise refused("its cluster has no key of this id for this algorithm")
        try:
            _signatures.decode(parsed.text, key, algorithms=[algorithm])
        except jwt.PyJWTError:
            raise refused("its signature is not its cluster's") from None
        claimed = parsed.claimed()
        if (claimed.issuer, claimed.audience) != (cluster.issuer, cluster.audience):
            raise refused("its issuer or audience is not its cluster's")
        _check_times(parsed.claims, now.timestamp())
        return _pod(parsed.claims, claimed)

    async def _keys(self, cluster: Cluster, kid: str) -> KeySet:
        if cluster.jwks is None:
            return await self._fetched.having(cluster, kid)
        try:
            return _inline(cluster.jwks)
        except ValueError:
            # Set up before a rule was made that it breaks.
            raise refused("its cluster's keys cannot be used") from None


@lru_cache(maxsize=256)
def _inline(jwks: str) -> KeySet:
    return read_key_set(jwks.encode())


def _check_keys(jwks: str) -> None:
    if len(jwks.encode()) > MAX_JWKS:
        raise InvalidInput("jwks", f"must be at most {MAX_JWKS} bytes")
    try:
        found = read_key_set(jwks.encode())
    except ValueError:
        rule = "must be a JSON Web Key Set with each kid once (kubectl get --raw /openid/v1/jwks)"
        raise InvalidInput("jwks", rule) from None
    if found.unusable:
        raise InvalidInput(f"jwks.keys.{found.unusable[0]}", f"must be {USABLE}")
    if not found.keys:
        raise InvalidInput("jwks.keys", "must hold a key")


def _check_bundle(bundle: str) -> None:
    usable = bundle.isascii() and 0 < len(bundle) <= MAX_CA_BUNDLE
    try:
        usable = usable and bool(trust(bundle).get_ca_certs())
    except (ssl.SSLError, ValueError):
        usable = False
    if not usable:
        rule = f"must be CA certificates in PEM, at most {MAX_CA_BUNDLE} bytes"
        raise InvalidInput("ca_bundle", rule)


def _named_key(header: dict[str, Any]) -> tuple[str, str]:
    """Return the key id and the algorithm that a header names. Raise NotAuthenticated."""
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if "crit" in header or "b64" in header:
        raise refused("its header has extensions")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise refused("it is another kind of token")
    if not isinstance(kid, str) or not isinstance(algorithm, str):
        raise refused("its header names no key or no algorithm")
    return kid, algorithm


def _check_times(claims: dict[str, Any], now: float) -> None:
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    if expires <= now - LEEWAY:
        raise refused("it has expired")
    if max(issued, begins) > now + LEEWAY:
        raise refused("it does not count yet")
    if expires - issued > LONGEST:
        raise refused("it lives too long")


def _time(claims: dict[str, Any], name: str) -> float:
    """Return a claim that is seconds since 1970 (RFC 7519, NumericDate)."""
    claim = claims.get(name)
    if not isinstance(claim, int | float) or claim is True or not 0 < claim < _LATEST:
        raise refused("its exp, iat or nbf is no time")
    return claim


def _pod(claims: dict[str, Any], claimed: TokenIssuer) -> Pod:
    """Return the pod; what Kubernetes says beside `sub` must agree. Raise NotAuthenticated."""
    told = claims.get("kubernetes.io", {})
    if not isinstance(told, dict):
        raise refused("its kubernetes.io claims are none")
    namespace = told.get("namespace", claimed.namespace)
    account = _name(told, "serviceaccount", claimed.service_account)
    if (namespace, account) != (claimed.namespace, claimed.service_account):
        raise refused("its sub and its kubernetes.io claims differ")
    ends = datetime.fromtimestamp(_time(claims, "exp"), UTC)
    return Pod(namespace, account, ends, _name(told, "pod", ""), _name(told, "node", ""))


def _name(told: dict[str, Any], what: str, otherwise: str) -> str:
    """Return the name of what a token is bound to; `otherwise` where it says nothing of it."""
    if what not in told:
        return otherwise
    named = told[what].get("name") if isinstance(told[what], dict) else None
    if not isinstance(named, str) or not is_subdomain(named):
        raise refused("its kubernetes.io claims are none")
    return named
