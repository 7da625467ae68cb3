"""The two servers that regcred is compared with: `peers.py hello|fastapi PORT ANSWER.json`.

`hello` is a raw ASGI callable that reads the request's body and answers with fixed bytes: the most
that this HTTP server can do. `fastapi` is an application with one route: the least that anyone
starts. Both run on uvicorn with the settings that regcred has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]


def hello(answer: bytes, headers: list[tuple[bytes, bytes]]) -> Any:
    """Return the raw ASGI callable."""

    async def app(
        _scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def bare_fastapi() -> Any:
    """Return an application with one route."""
    from fastapi import FastAPI  # noqa: PLC0415 - the other peer must not pay for it

    app = FastAPI()

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def main() -> None:
    kind, port, answer = sys.argv[1:4]
    if kind == "hello":
        spec = json.loads(Path(answer).read_bytes())
        app = hello(
            b"x" * spec["length"],
            [(name.encode("latin-1"), value.encode("latin-1")) for name, value in spec["headers"]],
        )
    else:
        app = bare_fastapi()
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        limit_concurrency=2048,
    )


if __name__ == "__main__":
    main()
