"""What a server that knows of the fast path offers with a request, besides ASGI.

`take(scope, body, reply, go_on)` of the application is asked for every request that came whole. If
it returns True, it calls one of the two later; else the application is called as ASGI has it.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from regcred.web.dialect import Headers

Reply = Callable[[int, Headers, bytes, bytes], None]
"""(status, headers, request id, body): writes a whole answer, if the client is there still."""

GoOn = Callable[[ASGIApp], None]
"""Has an application answer the request, in a task."""
