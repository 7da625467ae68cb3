"""A token taken apart (RFC 7515, compact form), in the one way in which it can be read.

The one thing you would get wrong: leniency. Base64 with spare bits, padding or foreign characters,
and JSON with a name twice, are read differently by different readers; here they are no token.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

from regcred.domain.errors import NotAuthenticated
from regcred.domain.workload import TokenIssuer, is_label, is_subdomain

MAX_TOKEN = 16 * 1024
"""Bytes. Kubernetes' own are about one KiB."""

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_SUBJECT = "system:serviceaccount:"


class Token(NamedTuple):
    """A token's parts, none of them believed yet."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> Token:
        """Take a token apart. Raise NotAuthenticated."""
        if len(text) > MAX_TOKEN:
            raise refused("it is too long")
        if not _FORM.match(text):
            raise refused("it is no token in compact form")
        header, claims, signature = text.split(".")
        try:
            unbased(signature)
            return cls(text, strict_object(unbased(header)), strict_object(unbased(claims)))
        except ValueError:
            raise refused("it is no token in compact form") from None

    def claimed(self) -> TokenIssuer:
        """Return whose token it says it is, and for whom. Raise NotAuthenticated.

        `aud` is one audience, as text or as a list of it: who could use a token elsewhere too
        could have got it there.
        """
        issuer, audience = self.claims.get("iss"), self.claims.get("aud")
        if isinstance(audience, list) and len(audience) == 1:
            audience = audience[0]
        if not isinstance(issuer, str) or not isinstance(audience, str):
            raise refused("its iss or aud is not one text")
        namespace, account = self._subject()
        return TokenIssuer(issuer, audience, namespace, account)

    def _subject(self) -> tuple[str, str]:
        subject = self.claims.get("sub")
        if not isinstance(subject, str) or not subject.startswith(_SUBJECT):
            raise refused("its sub is no service account")
        namespace, _, account = subject.removeprefix(_SUBJECT).partition(":")
        if not (is_label(namespace) and is_subdomain(account)):
            raise refused("its sub is no service account")
        return namespace, account


def refused(why: str) -> NotAuthenticated:
    """Return the one refusal that every token gets; `why`, in fixed words, is for the log."""
    return NotAuthenticated("token", why)


def unbased(part: str) -> bytes:
    """Return what base64url without padding stands for. Raise ValueError unless canonical."""
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        raise ValueError("not canonical")
    return data


def strict_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object in UTF-8 in which no name stands twice. Raise ValueError."""
    try:
        read = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(read, dict):
        raise ValueError("not an object")  # noqa: TRY004  what was read, not what was passed
    return read


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice")
    return names


def _no_constant(_name: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")
