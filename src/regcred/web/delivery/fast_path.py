"""The fast path: requests that came whole, with nothing unusual, whose logins can leave at once.

They cost no ASGI conversation, no task and no future. What is unusual or wrong at first sight is
left to the slow path (`HotPath`); what was taken and must be waited for, or fails, goes on in a
task and is told as there. So there are no errors of its own here, and what is answered is byte for
byte what the slow path would (tests hold it to that). The one thing you would get wrong: asking
again. A commit whose answer got lost may have happened, so nothing is done twice.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from regcred.domain.ports import ProjectRef
from regcred.usecases.pull import Presented
from regcred.web.authentication import token_of
from regcred.web.border import log_unexpected
from regcred.web.delivery.exchange import FACE, JSON_HEADERS, PREFIX, HotPath
from regcred.web.destination import NAMESPACE, NODE, destination
from regcred.web.dialect import Answer, Headers
from regcred.web.fast import GoOn, Reply
from regcred.web.json_body import JSON
from regcred.web.middleware import (
    COMMON_HEADERS,
    HOST,
    MAX_BODY,
    MAX_HEADER_BYTES,
    is_plain_path,
    peer_of,
    request_id,
)
from regcred.web.services import Services

_HEADERS: Headers = (*JSON_HEADERS, *COMMON_HEADERS)
_JSON = JSON.encode()
_OK = 200
_REQUEST_ID = b"x-request-id"

Work = Callable[[], Awaitable[Answer]]
"""What is left to do for an answer."""
_FEW = 32
"""Headers; those who send more can wait."""

# Each may change what the request is, or where it ends.
_UNUSUAL = frozenset({b"transfer-encoding", b"upgrade", b"expect"})


class Instant(Protocol):
    """An endpoint of the fast path."""

    def at_once(self, presented: Presented, body: bytes, taken: Taken) -> bool:
        """Have `taken` told later what comes of it, or return False. Raise any RegcredError."""
        ...


class _Place(NamedTuple):
    endpoint: Instant
    project: ProjectRef | None
    route: str


class FastPath:
    """`POST /v1/projects/{project}/SUFFIX` for those of the hot path that can."""

    def __init__(self, hot: HotPath, endpoints: Mapping[str, Instant], services: Services) -> None:
        self._hot = hot
        self._endpoints = endpoints
        self._admission = services.admission
        self._new_request_id = services.new_request_id
        self._counts = services.answered_on(FACE)
        # The same few paths come again and again; what strangers ask fills it too.
        self._place = lru_cache(maxsize=512)(self._placed)

    def take(self, scope: Scope, body: bytes, reply: Reply, go_on: GoOn) -> bool:
        """Take a request, for which one of the two is called later; False: it is not for here."""
        place = self._place(scope["raw_path"]) if scope["method"] == "POST" else None
        if place is None or scope["query_string"] or len(body) > MAX_BODY:
            return False
        if self._admission.crowded:
            return False
        headers = _plain(scope)
        if headers is None:
            return False
        if _REQUEST_ID in headers:
            asked_id = request_id(scope, self._new_request_id)
        else:
            asked_id = self._new_request_id()
        taken = Taken(self, scope, body, asked_id, place.route, reply, go_on)
        try:
            node, namespace = ("", "")
            if NODE in headers or NAMESPACE in headers:
                node, namespace = destination(scope)
            presented = Presented(
                token_of(headers[b"authorization"].decode("latin-1"), "bearer"),
                place.project,
                "",
                asked_id,
                peer_of(scope),
                node,
                namespace,
                partial(self._admission.admit, scope),
            )
            is_taken = place.endpoint.at_once(presented, body, taken)
        except Exception:  # noqa: BLE001  whatever it is, the slow path says it
            return False
        if is_taken:
            self._admission.begin()
        return is_taken

    def answered(self, taken: Taken) -> None:
        """Give back what a request held, and count its answer."""
        self._admission.end(taken.scope)
        if self._counts is not None:
            self._counts(taken.route, "POST", _OK, time.perf_counter() - taken.began)

    def rest(self, taken: Taken, work: Work) -> ASGIApp:
        """Return what answers a request that was taken by doing the rest of the work."""

        async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
            try:
                asked_id, began = taken.asked_id, taken.began
                await self._hot.tell(scope, send, taken.body, asked_id, began, work())
            finally:
                self._admission.end(scope)

        return answer

    def _placed(self, raw_path: bytes) -> _Place | None:
        if not is_plain_path(raw_path):
            return None
        project, suffix = self._hot.place(raw_path.decode()) or (None, "")
        endpoint = self._endpoints.get(suffix)
        if endpoint is None:
            return None
        return _Place(endpoint, project, f"{PREFIX}{{project}}/{suffix}")


class Taken:
    """A request that was taken. It is told one thing, the first."""

    __slots__ = (
        "_go_on",
        "_path",
        "_reply",
        "_waits",
        "asked_id",
        "began",
        "body",
        "route",
        "scope",
    )

    def __init__(
        self,
        path: FastPath,
        scope: Scope,
        body: bytes,
        asked_id: str,
        route: str,
        reply: Reply,
        go_on: GoOn,
    ) -> None:
        self._path = path
        self._reply = reply
        self._go_on = go_on
        self._waits = True
        self.scope = scope
        self.body = body
        self.asked_id = asked_id
        self.route = route
        self.began = time.perf_counter()

    def answered(self, render: Callable[[], bytes]) -> None:
        """Answer with JSON. What fails is told in a task: others of the wave come after this."""
        if not self._waits:
            return
        try:
            body = render()
        except Exception as error:  # noqa: BLE001  whatever it is, it is told as that
            self.goes_on(partial(_failed, error))
            return
        self._waits = False
        try:
            self._reply(_OK, _HEADERS, self.asked_id.encode(), body)
        except Exception as error:  # noqa: BLE001  nobody is there to be told
            log_unexpected(self.asked_id, error)
        self._path.answered(self)

    def goes_on(self, work: Work) -> None:
        """Answer with what comes of the rest of the work, in a task."""
        if self._waits:
            self._waits = False
            self._go_on(self._path.rest(self, work))


async def _failed(error: Exception) -> Answer:
    raise error


def _plain(scope: Scope) -> Mapping[bytes, bytes] | None:
    """Return the headers of a request that none could take for another; None: see `guard`."""
    sent = scope["headers"]
    headers: dict[bytes, bytes] = dict(sent)
    if (
        len(sent) > _FEW
        or len(headers) != len(sent)
        or scope["http_version"] != "1.1"
        or headers.get(b"content-type") != _JSON
        or not HOST.match(headers.get(b"host", b""))
        or not _UNUSUAL.isdisjoint(headers)
        or sum(map(len, headers)) + sum(map(len, headers.values())) > MAX_HEADER_BYTES
    ):
        return None
    return headers
