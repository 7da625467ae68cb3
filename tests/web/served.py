"""An application as the server calls it: the fast path is offered what came whole."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from regcred.web.dialect import Headers
from regcred.web.middleware import replay


def served(app: Any) -> ASGIApp:
    """Return the application behind its own fast path, if it has one."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if not hasattr(app, "take"):
            await app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def reply(status: int, headers: Headers, request_id: bytes, answer: bytes) -> None:
            lines = (b"x-request-id", request_id), (b"content-length", b"%d" % len(answer))
            outcome.set_result((status, [*headers, *lines], answer))

        if not app.take(scope, body, reply, outcome.set_result):
            await app(scope, replay(body, receive), send)
            return
        answered = await outcome
        if not isinstance(answered, tuple):
            await answered(scope, replay(body, receive), send)
            return
        status, headers, answer = answered
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return call
