"""From an answer to a verdict: one table, read from the top, the first row that fits decides.

A family's own rows (`Quirks.rows`) stand before it: they say what that family means by a status
that means something else everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from regcred.adapters.registries.challenge import Malformed, parse_challenges
from regcred.adapters.registries.messages import Reply
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
    doubtful: bool = False
    """Whether such an answer comes to a wrong login as well, so that it must be asked alone."""

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


def says(words: str) -> Callable[[Answer], bool]:
    """Return a condition: the answer's body holds these (lower-case) words."""
    return lambda answer: words.encode() in answer.reply.body.lower()


_says_expired = says("authorization token has expired")
"""ECR's words for a login past its 12 hours, which come with 403 instead of 401."""


def _own_token_refused(answer: Answer) -> bool:
    """RFC 6750 section 3.1: the token itself is bad, though it was made a moment ago to pull."""
    if not _may_pull(answer):
        return False
    try:
        challenges = parse_challenges(answer.reply.all("www-authenticate"))
        return any(one.parameter("error") == "invalid_token" for one in challenges)
    except Malformed:
        return False


def _identity_token(answer: Answer) -> bool:
    return answer.identity_token


def _may_pull(answer: Answer) -> bool:
    return answer.granted is not None and not {"pull", "*"}.isdisjoint(answer.granted)


def _no_pull(answer: Answer) -> bool:
    return answer.granted is not None and not _may_pull(answer)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: for that step (None: every one), these statuses, this condition."""

    step: Step | None
    statuses: Container[int]
    judgement: Judgement
    when: Callable[[Answer], bool] = _always


_GO_ON = Judgement(None)
_ANY = range(1000)
_REDIRECT = "It answers with a redirect, and redirects are not followed."
_NOT_ASKED = "The registry refuses the first question already, before any login."
_ODD = "The answer's status means nothing in this protocol."
_OWN_REFUSED = (
    "The registry does not take the token that its own token server made: their clocks, keys or "
    "names for each other differ."
)

_V = VerdictKind
_S = Step
_TABLE = (
    Row(None, {429}, Judgement(_V.RATE_LIMITED)),
    Row(None, range(500, 600), Judgement(_V.UNREACHABLE, cause="server_error")),
    Row(_S.PING, {200}, Judgement(_V.NOT_A_REGISTRY, "A web site answers here."), _web_site),
    Row(_S.PING, {200, 401}, _GO_ON),
    Row(_S.PING, {403}, Judgement(_V.UNSUPPORTED, _NOT_ASKED)),
    Row(_S.PING, range(300, 400), Judgement(_V.NOT_A_REGISTRY, _REDIRECT)),
    Row(_S.PING, _ANY, Judgement(_V.NOT_A_REGISTRY)),
    Row(_S.LOGIN, {200}, _GO_ON),
    Row(_S.LOGIN, {401}, Judgement(_V.REJECTED)),
    Row(_S.LOGIN, {403}, Judgement(_V.EXPIRED), _says_expired),
    Row(_S.LOGIN, {403}, Judgement(_V.DENIED)),
    Row(_S.TOKEN, {200}, _GO_ON),
    Row(_S.TOKEN, {403}, Judgement(_V.EXPIRED), _says_expired),
    Row(_S.TOKEN, {401, 403}, Judgement(_V.REJECTED)),
    Row(_S.TOKEN, {400}, Judgement(_V.REJECTED), _identity_token),
    Row(_S.SCOPED_TOKEN, {200}, _GO_ON),
    Row(_S.SCOPED_TOKEN, {401}, Judgement(_V.REJECTED)),
    Row(_S.SCOPED_TOKEN, {400}, Judgement(_V.REJECTED), _identity_token),
    Row(_S.SCOPED_TOKEN, {403}, Judgement(_V.EXPIRED), _says_expired),
    Row(_S.SCOPED_TOKEN, {403}, Judgement(_V.DENIED, doubtful=True)),
    Row(_S.MANIFEST, {200}, _GO_ON),
    Row(_S.MANIFEST, {401}, Judgement(_V.UNSUPPORTED, _OWN_REFUSED), _own_token_refused),
    Row(_S.MANIFEST, {401, 403}, Judgement(_V.DENIED, doubtful=True)),
    Row(_S.MANIFEST, {404}, Judgement(_V.DENIED, doubtful=True), _no_pull),
    Row(_S.MANIFEST, {404}, Judgement(_V.MISSING, doubtful=True)),
    Row(None, range(300, 400), Judgement(_V.UNSUPPORTED, _REDIRECT)),
    Row(None, _ANY, Judgement(_V.UNSUPPORTED, _ODD)),
)


def judge(step: Step, answer: Answer, own: tuple[Row, ...] = ()) -> Judgement:
    """Return what the first fitting row says, the family's `own` before those of all."""
    return next(
        row.judgement
        for row in chain(own, _TABLE)
        if row.step in (None, step) and answer.reply.status in row.statuses and row.when(answer)
    )
