"""The registry login dance as a pure generator: `reply = yield request`.

Ping, read the challenge, prove the login (Basic, or a token), and for an image ask for its
manifest; then ask the same as nobody, because what anyone can pull proves nothing. The one thing
you would get wrong: nothing at all is sent to a realm that `demand` has not passed, and every
secret that leaves is tied to one origin.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from regcred.adapters.registries.bearer import Token, read_token
from regcred.adapters.registries.demand import UNREADABLE, TokenServer, Unusable, read_demand
from regcred.adapters.registries.judgement import Answer, Step, judge
from regcred.adapters.registries.messages import (
    Attach,
    Finding,
    Handshake,
    Proof,
    Reply,
    Request,
    Unanswered,
    Unreadable,
    observed,
)
from regcred.adapters.registries.origins import Origin
from regcred.adapters.registries.provider import Quirks
from regcred.adapters.registries.realm import RealmRule
from regcred.domain.secret import Secret
from regcred.domain.verdict import EvidenceValue, VerdictKind

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""All four, always: asked for fewer, Distribution answers 404 for an image that is there."""

IDENTITY_TOKEN_USER = "<token>"  # noqa: S105 - docker's mark for an identity token, not a secret
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404
_CLIENT_ID = "regcred"
_OF_ACCEPTED = {VerdictKind.DENIED, VerdictKind.MISSING}
"""What is said of a login that is accepted, and might be said to nobody as well."""

_OPEN = "The registry asks nobody to log in."
_NO_TOKEN = "The token server's answer holds no token."  # noqa: S105 - a sentence
_NO_IDENTITY = "An identity token works only where the registry has a token server."
_UNSURE = "Whether anyone can pull this image could not be found out."
_UNPROVEN = "Whether the login is accepted at all could not be found out."

_Steps = Generator[Request, Reply, VerdictKind]
_Accepting = Generator[Request, Reply, VerdictKind | None]
_Asking = Generator[Request, Reply, Reply]


@dataclass(frozen=True, slots=True)
class Question:
    """One login at one registry, and the image it should pull, if any."""

    registry: Origin
    realms: RealmRule
    username: str
    secret: Secret
    repository: str | None = None
    reference: str = "latest"
    """A tag or a digest."""

    quirks: Quirks = field(default_factory=Quirks)


def verify(question: Question) -> Handshake:
    """Find out what the registry says of a login. The generator returns a Finding."""
    dance = _Dance(question)
    try:
        kind = yield from dance.whole()
    except Unanswered as failure:
        kind = dance.end(VerdictKind.UNREACHABLE, cause=failure.cause)
    except Unreadable as failure:
        first = "ping_status" not in dance.evidence
        kind = VerdictKind.NOT_A_REGISTRY if first else VerdictKind.UNSUPPORTED
        dance.end(kind, note=failure.note)
    if "note" not in dance.evidence:
        dance.end(kind, note=question.quirks.note(kind, question.username))
    return Finding(kind, dance.evidence)


@dataclass(slots=True)
class _Dance:
    """One handshake under way: each method is a stretch of it and returns a verdict."""

    ask: Question
    evidence: dict[str, EvidenceValue] = field(default_factory=dict)
    doubtful: bool = False
    """Whether the last answer may have come to a login that is not accepted at all."""

    def whole(self) -> _Steps:
        reply = yield self._get("/v2/")
        if kind := self._judge(Step.PING, Answer(reply)):
            return kind
        if reply.status == _OK and self.ask.repository is not None:
            # Some registries open their door and ask for a login only inside.
            reply = yield self._head()
            self.evidence["anonymous_status"] = reply.status
        if reply.status != _UNAUTHORIZED:
            return self._open_registry(reply)
        return (yield from self._challenged(reply))

    def _open_registry(self, reply: Reply) -> VerdictKind:
        self.evidence["scheme"] = "none"
        if reply.status == _OK:
            return self.end(VerdictKind.PUBLIC, note=_OPEN)
        if reply.status == _FORBIDDEN:
            return self.end(VerdictKind.UNSUPPORTED, note=UNREADABLE)
        return self._judge(Step.MANIFEST, Answer(reply)) or VerdictKind.PUBLIC

    def _challenged(self, reply: Reply) -> _Steps:
        try:
            demand = read_demand(reply, self.ask.realms)
        except Unusable as refusal:
            self.evidence |= refusal.finding.evidence
            return refusal.finding.kind
        self.evidence |= demand.evidence
        if demand.token_server is None:
            return (yield from self._basic())
        return (yield from self._bearer(demand.token_server))

    # Basic

    def _basic(self) -> _Steps:
        if self.ask.username == IDENTITY_TOKEN_USER:
            return self.end(VerdictKind.UNSUPPORTED, note=_NO_IDENTITY)
        proof = self._login(self.ask.registry, Attach.BASIC)
        reply = yield self._get("/v2/", proof)
        if kind := self._judge(Step.LOGIN, Answer(reply)):
            return kind
        if self.ask.repository is None:
            return VerdictKind.OK
        reply = yield self._head(proof)
        if kind := self._judge(Step.MANIFEST, Answer(reply)):
            return kind
        return (yield from self._control(self._anonymous_manifest()))

    def _anonymous_manifest(self) -> _Asking:
        return (yield self._head())

    # Bearer

    def _bearer(self, server: TokenServer) -> _Steps:
        if self.ask.repository is None:
            return (yield from self._accepted(server)) or VerdictKind.OK
        kind = yield from self._scoped(server)
        if kind in _OF_ACCEPTED and self.doubtful:
            # Harbor gives a wrong login the token that nobody gets, GitHub answers 403 to both.
            return (yield from self._accepted(server, "login")) or kind
        # A token that does not say what it grants would not say it of more either.
        if kind is VerdictKind.OK and "granted" in self.evidence:
            yield from self._try_for_more(self._token_request(server, "pull,push"))
        return kind

    def _accepted(self, server: TokenServer, record: str = "token") -> _Accepting:
        """Ask for a token for nothing, as `docker login` does. None: the login is accepted."""
        reply = yield self._token_request(server, None)
        identity = self.ask.username == IDENTITY_TOKEN_USER
        kind = self._judge(Step.TOKEN, Answer(reply, identity_token=identity), record)
        if kind is VerdictKind.UNSUPPORTED and self.ask.repository is not None:
            self.evidence["note"] = _UNPROVEN
            return None
        if kind is None and self.ask.repository is None and read_token(reply.body) is None:
            return self.end(VerdictKind.UNSUPPORTED, note=_NO_TOKEN)
        return kind

    def _scoped(self, server: TokenServer) -> _Steps:
        reply = yield self._token_request(server)
        identity = self.ask.username == IDENTITY_TOKEN_USER
        if kind := self._judge(Step.SCOPED_TOKEN, Answer(reply, identity_token=identity), "token"):
            return kind
        token = read_token(reply.body)
        if token is None:
            return self.end(VerdictKind.UNSUPPORTED, note=_NO_TOKEN)
        return (yield from self._pull(token, self._anonymous_pull(server)))

    def _pull(self, token: Token, control: _Asking) -> _Steps:
        granted = token.actions(self.ask.repository or "")
        if granted is not None:
            self.evidence["granted"] = granted
        reply = yield self._head(self._with_token(token))
        if kind := self._judge(Step.MANIFEST, Answer(reply, granted)):
            return kind
        return (yield from self._control(control))

    def _anonymous_pull(self, server: TokenServer) -> _Asking:
        reply = yield self._anonymous_token_request(server)
        self.evidence["anonymous_token_status"] = reply.status
        token = read_token(reply.body) if reply.status == _OK else None
        if token is None:
            return Reply(_UNAUTHORIZED) if reply.status == _OK else reply
        return (yield self._head(self._with_token(token)))

    def _try_for_more(self, request: Request) -> Generator[Request, Reply, None]:
        """Ask for a token that may push, and push nothing. It never spoils what was found."""
        try:
            reply = yield request
        except (Unanswered, Unreadable):
            return
        token = read_token(reply.body) if reply.status == _OK else None
        granted = token.actions(self.ask.repository or "") if token else None
        if granted is not None:
            self.evidence["could_push"] = not {"push", "*"}.isdisjoint(granted)

    # The control: can anyone do this?

    def _control(self, asking: _Asking) -> _Steps:
        """Repeat as nobody what the login just did. It never spoils what was found already."""
        try:
            reply = yield from asking
        except (Unanswered, Unreadable):
            return self.end(VerdictKind.OK, note=_UNSURE)
        self.evidence["anonymous_status"] = reply.status
        if reply.status == _OK:
            return VerdictKind.PUBLIC
        if reply.status in {_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND}:
            return VerdictKind.OK
        return self.end(VerdictKind.OK, note=_UNSURE)

    # Requests

    def _get(self, target: str, proof: Proof | None = None) -> Request:
        return Request("GET", self.ask.registry, target, ("application/json",), proof=proof)

    def _head(self, proof: Proof | None = None) -> Request:
        target = f"/v2/{self.ask.repository}/manifests/{self.ask.reference}"
        return Request("HEAD", self.ask.registry, target, MANIFEST_TYPES, proof=proof)

    def _token_request(self, server: TokenServer, actions: str | None = "pull") -> Request:
        """Ask for a token by GET; by POST with an identity token, or where the family wants it.

        `actions` None asks for a token for nothing in particular.
        """
        wanted = self._wanted(server.service, actions)
        if self.ask.username == IDENTITY_TOKEN_USER:
            return self._grant(server, wanted, Attach.REFRESH_GRANT)
        if self.ask.quirks.token_by_post:
            return self._grant(server, wanted, Attach.PASSWORD_GRANT)
        target = _with_query(server.target, (*wanted, ("account", self.ask.username)))
        return Request("GET", server.origin, target, proof=self._login(server.origin, Attach.BASIC))

    def _anonymous_token_request(self, server: TokenServer) -> Request:
        target = _with_query(server.target, self._wanted(server.service))
        return Request("GET", server.origin, target)

    def _grant(
        self, server: TokenServer, wanted: tuple[tuple[str, str], ...], attach: Attach
    ) -> Request:
        form = (("grant_type", attach.value), ("client_id", _CLIENT_ID), *wanted)
        proof = self._login(server.origin, attach)
        return Request("POST", server.origin, server.target, form=form, proof=proof)

    def _wanted(
        self, service: str | None, actions: str | None = "pull"
    ) -> tuple[tuple[str, str], ...]:
        named = () if service is None else (("service", service),)
        if actions is None:
            return named
        return (*named, ("scope", f"repository:{self.ask.repository}:{actions}"))

    def _login(self, origin: Origin, attach: Attach) -> Proof:
        return Proof(origin, attach, self.ask.secret, self.ask.username)

    def _with_token(self, token: Token) -> Proof:
        return Proof(self.ask.registry, Attach.BEARER, token.secret)

    # What was seen

    def _judge(self, step: Step, answer: Answer, record: str = "") -> VerdictKind | None:
        """Keep what the answer shows, and return the verdict if it decides one."""
        self.evidence[f"{record or step}_status"] = answer.reply.status
        self.evidence |= observed(answer.reply)
        judgement = judge(step, answer, self.ask.quirks.rows)
        self.evidence |= judgement.evidence
        self.doubtful = judgement.doubtful
        return judgement.kind

    def end(self, kind: VerdictKind, *, note: str = "", cause: str = "") -> VerdictKind:
        """Keep why, and return `kind`."""
        for name, value in (("note", note), ("cause", cause)):
            if value:
                self.evidence[name] = value
        return kind


def _with_query(target: str, parameters: tuple[tuple[str, str], ...]) -> str:
    return target + ("&" if "?" in target else "?") + urlencode(parameters)
