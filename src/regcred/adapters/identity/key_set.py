"""A JSON Web Key Set (RFC 7517), of which only what can verify a signature is used.

The one thing you would get wrong: letting the token choose. A key verifies by the algorithms that
are its own, so an RSA key is never taken for the secret of an HMAC, and `none` has no key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jwt

from regcred.adapters.identity.compact import strict_object

MAX_KEYS = 32
_RSA_BITS = range(2048, 8193)
_RSA = ("RS256", "RS384", "RS512")
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
ALGORITHMS = (*_RSA, *_CURVES.values())
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

USABLE = (
    "a public RSA key of 2048 to 8192 bits or an EC key on P-256, P-384 or P-521, for signatures, "
    "with a kid of its own"
)


class KeySet(NamedTuple):
    """The usable keys of a set, by key id and algorithm."""

    keys: Mapping[tuple[str, str], jwt.PyJWK]
    unusable: Sequence[int]
    """Where in the set the others stand."""

    def has(self, kid: str) -> bool:
        """Whether a key has this id, whatever it is for."""
        return any(kid == one for one, _ in self.keys)


def read_key_set(data: bytes) -> KeySet:
    """Read a set. Raise ValueError for what is none, has too many keys, or one key id twice."""
    listed = strict_object(data).get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError(f"not a list of at most {MAX_KEYS} keys")
    keys: dict[tuple[str, str], jwt.PyJWK] = {}
    unusable: list[int] = []
    kids: set[str] = set()
    for number, one in enumerate(listed):
        found = dict(_usable(one))
        kid = one["kid"] if found else None
        if kid in kids:
            raise ValueError("a kid stands twice")
        if kid is None:
            unusable.append(number)
            continue
        kids.add(kid)
        keys |= {(kid, algorithm): key for algorithm, key in found.items()}
    return KeySet(keys, unusable)


def _usable(one: Any) -> Iterator[tuple[str, jwt.PyJWK]]:
    """Yield a key once for each algorithm that it may verify; nothing if it may none."""
    if not isinstance(one, dict) or not _for_signatures(one):
        return
    for algorithm in _algorithms(one):
        try:
            key = jwt.PyJWK(one, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError):
            return
        if one["kty"] != "RSA" or key.key.key_size in _RSA_BITS:
            yield algorithm, key


def _for_signatures(one: dict[str, Any]) -> bool:
    kid, operations = one.get("kid"), one.get("key_ops")
    return (
        isinstance(kid, str)
        and bool(kid)
        and one.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and _PRIVATE.isdisjoint(one)
    )


def _algorithms(one: dict[str, Any]) -> Sequence[str]:
    kty, curve, own = one.get("kty"), one.get("crv"), one.get("alg")
    possible: Sequence[str] = ()
    if kty == "RSA":
        possible = _RSA
    elif kty == "EC" and isinstance(curve, str) and curve in _CURVES:
        possible = (_CURVES[curve],)
    return possible if own is None else [each for each in possible if each == own]
