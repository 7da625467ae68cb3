"""The border around a sub-application: guard, bounded body, shared headers, no error unrendered.

Every answer leaves through here with a request id and the headers of `COMMON_HEADERS`. Whatever
an application raises becomes an error in its dialect's shape; an unexpected exception becomes a
fixed text, and the log gets its type and place, never its message (it could quote a secret).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regcred.domain.errors import RegcredError
from regcred.web.budget import Left, Meter, carry_meter, left_after
from regcred.web.dialect import Headers, RenderError
from regcred.web.middleware import (
    COMMON_HEADERS,
    ClientGone,
    Waiting,
    guard,
    has_body,
    read_body,
    replay,
    uncounted,
)
from regcred.web.refusals import Internal, Overloaded
from regcred.web.services import Answered
from regcred.web.unexpected import kind_and_place

_log = structlog.get_logger("regcred.web")

CLOSE = (b"connection", b"close")
SERVER_ERROR = 500
_REFUSED = 400
_MILLISECONDS = 1000


class Border:
    """Wraps one application. `scope["state"]["request_id"]` must be there."""

    def __init__(
        self,
        app: ASGIApp,
        render_error: RenderError,
        meter: Meter | None = None,
        tell_budget: Callable[[Left], Headers] | None = None,
        answered: Answered | None = None,
        waiting: Waiting = uncounted,
        *,
        quiet: bool = False,
    ) -> None:
        """With a `meter` the application counts its requests; `tell_budget` shows what is left.

        `waiting` counts a request while its body is waited for, and may refuse to. Of a `quiet`
        one's requests only those that fail are told in the log.
        """
        self._app = app
        self._render_error = render_error
        self._meter = meter
        self._tell_budget = tell_budget
        self._answered = answered
        self._waiting = waiting
        self._quiet = quiet

    async def refuse(self, scope: Scope, error: RegcredError, send: Send) -> None:
        """Answer a request that nobody looks at, and close its connection: its body stays there."""
        outgoing = _Outgoing(scope, send, self._budget_headers)
        await self._refuse(outgoing, error, CLOSE)
        self._tell(outgoing, scope, scope["method"], 0.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        began, method = time.perf_counter(), scope["method"]
        if self._meter is not None:
            carry_meter(scope, self._meter)
        outgoing, seen = _Outgoing(scope, send, self._budget_headers), _as_get(scope)
        try:
            received = await self._admitted(scope, receive, outgoing)
            if received is not None:
                await self._app(seen, received, outgoing)
        except ClientGone:
            return
        except RegcredError as error:
            await self._refuse(outgoing, error)
        except Exception as error:  # noqa: BLE001  the last wall: anything else would reach the server
            log_unexpected(outgoing.request_id, error)
            if not outgoing.started:
                await self._refuse(outgoing, Internal())
        self._tell(outgoing, seen, method, time.perf_counter() - began)

    def _tell(self, outgoing: _Outgoing, scope: Scope, method: str, seconds: float) -> None:
        route, status = route_of(scope), outgoing.status
        if self._answered is not None:
            self._answered(route, method, status, seconds)
        if self._quiet and status < _REFUSED:
            return
        _log.info(
            "request",
            request_id=outgoing.request_id,
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * _MILLISECONDS, 1),
        )

    async def _admitted(
        self, scope: Scope, receive: Receive, outgoing: _Outgoing
    ) -> Receive | None:
        """Return where the application reads its body from; None: refused and answered."""
        refusal = guard(scope)
        if refusal is None:
            if not has_body(scope):
                return replay(b"", receive)
            try:
                waiting = partial(self._waiting, scope)
                return replay(await read_body(receive, waiting=waiting), receive)
            except RegcredError as error:
                refusal = error
        await self._refuse(outgoing, refusal, CLOSE)
        return None

    def _budget_headers(self, scope: Scope) -> Headers:
        if self._meter is None or self._tell_budget is None:
            return ()
        return self._tell_budget(left_after(scope, self._meter))

    async def _refuse(
        self, send: _Outgoing, error: RegcredError, *more: tuple[bytes, bytes]
    ) -> None:
        answer = self._render_error(error, send.request_id)
        if answer.status >= SERVER_ERROR and not isinstance(error, Internal | Overloaded):
            log_failure(send.request_id, error)
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body)), *more]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


class _Outgoing:
    """A `send` that adds the shared headers and drops the body of an answer to HEAD."""

    def __init__(self, scope: Scope, send: Send, more: Callable[[Scope], Headers]) -> None:
        self._scope = scope
        self._send = send
        self._more = more
        self._without_body = scope["method"] == "HEAD"
        self.request_id: str = scope["state"]["request_id"]
        self.started = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = [
                *message.get("headers", ()),
                *COMMON_HEADERS,
                (b"x-request-id", self.request_id.encode()),
                *self._more(self._scope),
            ]
            message = {**message, "headers": headers}
        elif self._without_body:
            message = {**message, "body": b""}
        await self._send(message)


def route_of(scope: Scope) -> str:
    """Return the template of the route that answered, never the path that was asked for."""
    return str(getattr(scope.get("route"), "path", "-"))


def log_failure(request_id: str, error: RegcredError) -> None:
    """Log a fact that the operator must deal with; its text names causes, never secrets."""
    _log.error("failed", request_id=request_id, error=type(error).__name__, reason=str(error))


def log_unexpected(request_id: str, error: BaseException) -> None:
    """Log an exception's type and place under the request's id."""
    _log.error("internal error", request_id=request_id, **kind_and_place(error))


def _as_get(scope: Scope) -> Scope:
    """Let HEAD be answered by GET (RFC 9110, section 9.3.2)."""
    # A copy: the server looks at its own to know that no body follows.
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
