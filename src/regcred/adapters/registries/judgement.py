"""From an answer to a verdict: one table, read from the top, the first row that fits decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import StrEnum

from regcred.adapters.registries.exchange import Reply
from regcred.domain.verdict import EvidenceValue, VerdictKind


class Step(StrEnum):
    """The questions that a verdict can hang on."""

    PING = "ping"
    """GET /v2/ without the login."""

    LOGIN = "login"
    """GET /v2/ with the login (Basic)."""

    TOKEN = "token"  # noqa: S105 - the name of a step
    """A token asked for with the login, for nothing in particular."""

    SCOPED_TOKEN = "scoped_token"  # noqa: S105 - the name of a step
    """A token asked for with the login, to pull the image's repository."""

    MANIFEST = "manifest"
    """HEAD of the image's manifest, with the login or its token."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply with what else a row may ask about."""

    reply: Reply
    granted: tuple[str, ...] | None = None
    """What the token says it grants; None if it does not say (or there is none)."""

    identity_token: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a row says. `kind` None: nothing is decided yet, go on."""

    kind: VerdictKind | None
    note: str = ""
    cause: str = ""

    @property
    def evidence(self) -> dict[str, EvidenceValue]:
        """Return what there is to tell of why."""
        told = {"note": self.note, "cause": self.cause}
        return {name: text for name, text in told.items() if text}


def _always(_answer: Answer) -> bool:
    return True


def _registry_like(answer: Answer) -> bool:
    """Distribution says who it is; others answer `{}` or nothing. A web site does neither."""
    if (answer.reply.header("docker-distribution-api-version") or "").startswith("registry/2"):
        return True
    try:
        return not answer.reply.body.strip() or isinstance(json.loads(answer.reply.body), dict)
    except (ValueError, RecursionError):
        return False


def _web_site(answer: Answer) -> bool:
    return not _registry_like(answer)


def _says_expired(answer: Answer) -> bool:
    """ECR's words for a login past its 12 hours, which come with 403 instead of 401."""
    return b"authorization token has expired" in answer.reply.body.lower()


def _identity_token(answer: Answer) -> bool:
    return answer.identity_token


def _no_pull(answer: Answer) -> bool:
    return answer.granted is not None and not {"pull", "*"} & set(answer.granted)


@dataclass(frozen=True, slots=True)
class _Row:
    step: Step | None
    statuses: Container[int]
    judgement: Judgement
    when: Callable[[Answer], bool] = _always


_GO_ON = Judgement(None)
_ANY = range(1000)
_REDIRECT = "It answers with a redirect, and redirects are not followed."
_NOT_ASKED = "The registry refuses the first question already, before any login."
_ODD = "The answer's status means nothing in this protocol."

_V = VerdictKind
_S = Step
_TABLE = (
    _Row(None, {429}, Judgement(_V.RATE_LIMITED)),
    _Row(None, range(500, 600), Judgement(_V.UNREACHABLE, cause="server_error")),
    _Row(_S.PING, {200}, Judgement(_V.NOT_A_REGISTRY, "A web site answers here."), _web_site),
    _Row(_S.PING, {200, 401}, _GO_ON),
    _Row(_S.PING, {403}, Judgement(_V.UNSUPPORTED, _NOT_ASKED)),
    _Row(_S.PING, range(300, 400), Judgement(_V.NOT_A_REGISTRY, _REDIRECT)),
    _Row(_S.PING, _ANY, Judgement(_V.NOT_A_REGISTRY)),
    _Row(_S.LOGIN, {200}, _GO_ON),
    _Row(_S.LOGIN, {401}, Judgement(_V.REJECTED)),
    _Row(_S.LOGIN, {403}, Judgement(_V.EXPIRED), _says_expired),
    _Row(_S.LOGIN, {403}, Judgement(_V.DENIED)),
    _Row(_S.TOKEN, {200}, _GO_ON),
    _Row(_S.TOKEN, {401, 403}, Judgement(_V.REJECTED)),
    _Row(_S.TOKEN, {400}, Judgement(_V.REJECTED), _identity_token),
    _Row(_S.SCOPED_TOKEN, {200}, _GO_ON),
    _Row(_S.SCOPED_TOKEN, {401}, Judgement(_V.REJECTED)),
    _Row(_S.SCOPED_TOKEN, {400}, Judgement(_V.REJECTED), _identity_token),
    _Row(_S.SCOPED_TOKEN, {403}, Judgement(_V.DENIED)),
    _Row(_S.MANIFEST, {200}, _GO_ON),
    _Row(_S.MANIFEST, {401, 403}, Judgement(_V.DENIED)),
    _Row(_S.MANIFEST, {404}, Judgement(_V.DENIED), _no_pull),
    _Row(_S.MANIFEST, {404}, Judgement(_V.MISSING)),
    _Row(None, range(300, 400), Judgement(_V.UNSUPPORTED, _REDIRECT)),
    _Row(None, _ANY, Judgement(_V.UNSUPPORTED, _ODD)),
)


def judge(step: Step, answer: Answer) -> Judgement:
    """Return what the first fitting row says of this answer to this question."""
    return next(
        row.judgement
        for row in _TABLE
        if row.step in (None, step) and answer.reply.status in row.statuses and row.when(answer)
    )
