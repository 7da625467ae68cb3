"""The hot path as one raw ASGI callable: read a request whole, answer it once.

The same guard, bounds and problems as everywhere else, without a framework in between: an
ordinary route would cost more than the whole resolve (docs/benchmarks.md).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType
from typing import NamedTuple

import structlog
from starlette.types import Receive, Scope, Send

from regcred.domain.access import Caller
from regcred.domain.errors import (
    InvalidInput,
    NotAuthenticated,
    ProjectNotFound,
    QuotaExceeded,
    RegcredError,
)
from regcred.domain.ports import ProjectRef
from regcred.domain.workload import is_pod_token
from regcred.usecases.pull import Presented
from regcred.web.authentication import bearer
from regcred.web.border import CLOSE, SERVER_ERROR, log_failure, log_unexpected
from regcred.web.destination import destination
from regcred.web.dialect import Answer, RenderError
from regcred.web.json_body import JSON, require_media_type
from regcred.web.middleware import (
    COMMON_HEADERS,
    ClientGone,
    Waiting,
    guard,
    peer_of,
    read_body,
    request_id,
)
from regcred.web.references import project_ref
from regcred.web.refusals import Internal
from regcred.web.services import Services

_log = structlog.get_logger("regcred.web")

FACE = "native"
PREFIX = "/v1/projects/"
JSON_HEADERS = ((b"content-type", JSON.encode()),)


class Asked(NamedTuple):
    """A request of the hot path, read whole and bounded."""

    scope: Scope
    body: bytes
    key: str | None
    project: ProjectRef | None
    request_id: str
    admit: Callable[[Scope, Caller], None]

    def presented(self, client: str) -> Presented:
        """Return the request around the question, for the use case. Raise MalformedRequest."""
        peer, (node, namespace) = peer_of(self.scope), destination(self.scope)
        admit = partial(self.admit, self.scope)
        return Presented(
            self.key, self.project, client, self.request_id, peer, node, namespace, admit
        )

    def json_body(self) -> bytes:
        """Return the body if it says that it is JSON. Raise UnsupportedMediaType."""
        types = [value.decode("latin-1") for name, value in self.scope["headers"] if name == _TYPE]
        require_media_type(types, JSON)
        return self.body


_TYPE = b"content-type"
_NO_CONTENT = 204
_NOWHERE = (None, "")

Endpoint = Callable[[Asked], Awaitable[Answer]]


class HotPath:
    """`POST /v1/projects/{project}/SUFFIX` for a few suffixes, each with its endpoint."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        services: Services,
        render_error: RenderError,
        token_in: Mapping[str, Callable[[bytes], str | None]] = MappingProxyType({}),
    ) -> None:
        """Take, by suffix, what finds the token that a body carries: it wins over a key."""
        self._endpoints = endpoints
        self._token_in = token_in
        self._render_error = render_error
        self._authenticate = services.authenticate
        self._authenticate_pod = services.authenticate_pod
        self._new_request_id = services.new_request_id
        self._answered = services.answered_on(FACE)
        self._admit, self._waiting = services.admission.admit, services.admission.waiting
        # The same few paths come again and again; what strangers ask fills it too.
        self.place = lru_cache(maxsize=512)(self._place)
        """Returns (project, suffix) of a path of ours."""

    def takes(self, scope: Scope) -> bool:
        """Whether a request is for the hot path; any other method or path is not."""
        return scope["method"] == "POST" and self.place(scope["path"]) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that `takes` took."""
        began = time.perf_counter()
        asked_id = request_id(scope, self._new_request_id)
        try:
            body = await _admitted(scope, receive, self._waiting)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the last wall, as in Border
            # Without its body read, what follows on the connection is not a request.
            answer = self._wrong(error, scope, asked_id)
            await _send(send, answer, asked_id, close=True)
            self._count(scope, answer, began)
            return
        await self.tell(scope, send, body, asked_id, began, self._answer(scope, body, asked_id))

    async def tell(
        self,
        scope: Scope,
        send: Send,
        body: bytes,
        asked_id: str,
        began: float,
        work: Awaitable[Answer],
    ) -> None:
        """Send what comes of the work, or what is wrong. `began` is in `perf_counter`'s seconds."""
        try:
            answer = await work
        except Exception as error:  # noqa: BLE001  as above
            told = error
            if isinstance(error, RegcredError):
                told = await self._told_first(error, scope, body, asked_id)
            answer = self._wrong(told, scope, asked_id)
        await _send(send, answer, asked_id, close=False)
        self._count(scope, answer, began)

    def _count(self, scope: Scope, answer: Answer, began: float) -> None:
        if self._answered is not None:
            seconds = time.perf_counter() - began
            self._answered(self._route(scope["path"]), "POST", answer.status, seconds)

    async def _answer(self, scope: Scope, body: bytes, asked_id: str) -> Answer:
        if scope["query_string"]:
            raise InvalidInput("query", "must be empty: this operation has no parameters")
        project, suffix = self.place(scope["path"]) or _NOWHERE
        asked = Asked(scope, body, bearer(scope), project, asked_id, self._admit)
        return await self._endpoints[suffix](asked)

    async def _told_first(
        self, error: RegcredError, scope: Scope, body: bytes, asked_id: str
    ) -> RegcredError:
        """Say who asks before what is wrong with the question, as every other route does.

        Only refusals pay for it: the one read of a good question finds the key as well.
        """
        if isinstance(error, NotAuthenticated | QuotaExceeded):
            return error
        project, suffix = self.place(scope["path"]) or _NOWHERE
        token_in = self._token_in.get(suffix)
        try:
            key, peer = (token_in and token_in(body)) or bearer(scope), peer_of(scope)
            if key is not None and is_pod_token(key):
                await self._authenticate_pod(key, project, request_id=asked_id, peer=peer)
            else:
                await self._authenticate(key, request_id=asked_id, peer=peer)
        except RegcredError as refused:
            return refused
        return error

    def _wrong(self, error: Exception, scope: Scope, asked_id: str) -> Answer:
        if isinstance(error, RegcredError):
            return self._refusal(error, scope, asked_id)
        log_unexpected(asked_id, error)
        return self._render_error(Internal(), asked_id)

    def _refusal(self, error: RegcredError, scope: Scope, asked_id: str) -> Answer:
        """Render and log a refusal; a login handed out stands in the audit instead."""
        answer = self._render_error(error, asked_id)
        if answer.status >= SERVER_ERROR:
            log_failure(asked_id, error)
        route, status = self._route(scope["path"]), answer.status
        # A token's refusal tells its sender nothing, so the operator reads here what it was.
        why = error.why if isinstance(error, NotAuthenticated) and error.why else None
        _log.info(
            "request",
            request_id=asked_id,
            method="POST",
            route=route,
            status=status,
            reason=why,
        )
        return answer

    def _route(self, path: str) -> str:
        """Return the pattern of a path of ours."""
        return f"{PREFIX}{{project}}/{path[len(PREFIX) :].partition('/')[2]}"

    def _place(self, path: str) -> tuple[ProjectRef | None, str] | None:
        if not path.startswith(PREFIX):
            return None
        project, slash, suffix = path[len(PREFIX) :].partition("/")
        return (_project(project), suffix) if slash and suffix in self._endpoints else None


async def _admitted(scope: Scope, receive: Receive, waiting: Waiting) -> bytes:
    """Return the body of a request that may go on. Raise RegcredError, ClientGone."""
    refusal = guard(scope)
    if refusal is not None:
        raise refusal
    return await read_body(receive, waiting=partial(waiting, scope))


def _project(text: str) -> ProjectRef | None:
    try:
        return project_ref(text)
    except ProjectNotFound:
        # Who is not known hears of no project: a number that none has is asked for instead.
        return 0


async def _send(send: Send, answer: Answer, asked_id: str, *, close: bool) -> None:
    headers = [
        *answer.headers,
        *COMMON_HEADERS,
        (b"x-request-id", asked_id.encode()),
    ]
    if answer.status != _NO_CONTENT:  # RFC 9110, section 8.6: such an answer has no length
        headers.append((b"content-length", str(len(answer.body)).encode()))
    if close:
        headers.append(CLOSE)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
