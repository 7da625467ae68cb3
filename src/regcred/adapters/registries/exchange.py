"""Exchanging a stored secret for a short-lived login: what the families that do it share.

An exchange is a dialogue like a handshake (`reply = yield request`), driven by the same client
through the same guarded transport. It ends in a login, or in a finding that says why there is
none. Whom it asks is a cloud's own host, or the operator's address for it: of what was typed in,
only a region, a tenant's id and a registry of the cloud's own reach an address, each in a fixed
form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from regcred.adapters.registries.judgement import Judgement
from regcred.adapters.registries.messages import (
    Dialogue,
    Finding,
    Reply,
    Request,
    Unanswered,
    Unreadable,
    UnusableKey,
    observed,
)
from regcred.adapters.registries.origins import Origin, parse_url
from regcred.domain.credential import Delivery
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind

SERVICES = frozenset({"ecr", "ecr-public", "sts", "gcp", "azure", "acr", "digitalocean"})
"""What exchanges talk to, by the names under which the operator may say where it is reached."""

_OK = 200
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}\Z")
_REDIRECT = "The cloud answers with a redirect, and redirects are not followed."
_ODD = "The cloud's answer holds no login."


@dataclass(frozen=True, slots=True)
class Ask:
    """One stored secret, to be exchanged at one place."""

    delivery: Delivery
    secret: Secret
    place: str
    now: datetime
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Where the operator has a service reached instead of its own address, by its name."""

    def origin(self, service: str, host: str) -> Origin:
        """Return where a service is reached: at the operator's address for it, else at `host`."""
        chosen = self.endpoints.get(service)
        return Origin.parse(host, "https") if chosen is None else parse_url(chosen)[0]


@dataclass(frozen=True, slots=True)
class Obtained:
    """A short-lived login."""

    username: str
    secret: Secret
    expires_at: datetime


Exchanging = Dialogue[Obtained | Finding]


@dataclass(frozen=True, slots=True)
class Exchange:
    """How a family turns a stored secret into a login."""

    place: Callable[[Delivery, str], str | None]
    """Where a secret is exchanged for a login at a host ("" for a host that is not known yet).

    UNKNOWN_PLACE: it is exchanged, and the host does not say where. None: it is handed over as it
    is stored.
    """

    begin: Callable[[Ask], Exchanging]
    needs: tuple[str, ...] = ()
    """The modules of an extra that must be there."""

    extra: str = ""
    as_stored: bool = True
    """Whether the registry would take the stored secret too: what `allow_raw` is for."""


def exchanged(ask: Ask, exchange: Exchange) -> Exchanging:
    """Run a family's exchange; what comes in place of an answer is a finding too."""
    try:
        return (yield from exchange.begin(ask))
    except Unanswered as failure:
        return Finding(VerdictKind.UNREACHABLE, {"cause": failure.cause, "note": _SILENT})
    except Unreadable as failure:
        return Finding(VerdictKind.UNSUPPORTED, {"note": failure.note})
    except UnusableKey as failure:
        return Finding(VerdictKind.REJECTED, {"note": failure.note})
    except Refused as refused:
        return refused.finding
    except Exception:  # noqa: BLE001  what a tenant typed in must not leave an exchange half done
        return Finding(VerdictKind.UNSUPPORTED, {"note": _UNUSABLE})


_UNUSABLE = "What is stored cannot be used for an exchange: type it in again."
_SILENT = (
    "The cloud that exchanges the stored secret did not answer: check the network, and whether the "
    "operator lets it be reached."
)


class Refused(Exception):
    """A cloud gave no login."""

    def __init__(self, finding: Finding, code: str = "") -> None:
        self.finding = finding
        self.code = code
        """The cloud's own word for it, as it came."""

        super().__init__(finding.kind)


Words = Mapping[str, Judgement]
"""What a cloud's error codes mean: the verdict, and what to do about it."""


def asked(
    request: Request, words: Words, code_of: Callable[[Reply], str]
) -> Generator[Request, Reply, Reply]:
    """Send a request and return its answer if it is 200. Raise Refused."""
    reply = yield request
    if reply.status == _OK:
        return reply
    code = code_of(reply)
    evidence = {**observed(reply), "exchange_status": reply.status}
    if _CODE.match(code):
        evidence["exchange_error"] = code
    judgement = words.get(code) or next(
        meaning for statuses, meaning in _STATUSES if reply.status in statuses
    )
    kind = judgement.kind or VerdictKind.UNSUPPORTED
    raise Refused(Finding(kind, {**evidence, **judgement.evidence}), code)


_V = VerdictKind
_STATUSES: tuple[tuple[Container[int], Judgement], ...] = (
    ({429}, Judgement(_V.RATE_LIMITED, "The cloud limits requests: it is asked again later.")),
    (
        range(500, 600),
        Judgement(
            _V.UNREACHABLE, "The cloud fails to answer: it is asked again later.", "server_error"
        ),
    ),
    (range(300, 400), Judgement(_V.UNSUPPORTED, _REDIRECT)),
    ({401}, Judgement(_V.REJECTED, "The cloud does not accept the stored secret.")),
    ({403}, Judgement(_V.DENIED, "The cloud does not let the stored secret get a login.")),
    (range(1000), Judgement(_V.UNSUPPORTED, _ODD)),
)


def odd(note: str = _ODD) -> Refused:
    """Return the refusal for an answer that holds no login."""
    return Refused(Finding(VerdictKind.UNSUPPORTED, {"exchange_status": _OK, "note": note}))


def json_object(reply: Reply) -> dict[str, object]:
    """Return the JSON object of an answer, an empty one for all else."""
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
