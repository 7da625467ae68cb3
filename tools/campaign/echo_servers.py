"""Servers that tell what they understood: guarded as the service is, and not at all."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import uvicorn
import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regcred.bootstrap.protocol import Limits, configured
from regcred.web.border import Border
from regcred.web.dialects.native.problems import render

LIMITS = Limits(per_peer=1_000, connections=2_000)
_PATIENCE = 20.0


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    """Say which method and path were understood, how long the body was, and if a key came."""
    message: Message = {"more_body": True}
    length = 0
    while message["more_body"]:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message["body"])
    key = " key" if any(name == b"authorization" for name, _ in scope["headers"]) else ""
    said = f"understood: {scope['method']} {scope['path']} {length}{key}\n".encode()
    headers = [(b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


def bordered() -> ASGIApp:
    """Return `tell` behind the border that all of regcred's applications have."""
    border, ids = Border(tell, render), count()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"request_id": f"r{next(ids)}"}
        await border(scope, receive, send)

    return app


def guarded() -> uvicorn.Config:
    """Return the configuration with which regcred serves."""
    return configured(bordered(), LIMITS, keep_alive=15, grace=1)


def unguarded(app: ASGIApp = tell) -> uvicorn.Config:
    """Return uvicorn's own, with the same parser."""
    return uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_graceful_shutdown=1, timeout_keep_alive=1,
    )  # fmt: skip


@contextmanager
def serving(config: uvicorn.Config) -> Iterator[tuple[str, int]]:
    """Serve on loopback in a thread; yield the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listening:
        server = uvicorn.Server(config)

        def run() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(server.serve([listening]))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        until = time.monotonic() + _PATIENCE
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join(_PATIENCE)
