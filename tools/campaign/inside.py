"""The whole service without its sockets: requests go straight into the application."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from regcred.bootstrap.state import open_state
from regcred.bootstrap.wiring import open_registries, wire
from regcred.domain.ports.measuring import UNMEASURED
from regcred.settings import Settings
from tests.tools.inside import keeper_of
from tools.campaign.client import LOOPBACK, Answer


class Inside:
    """Asks as a `Client` does, with one key."""

    def __init__(self, app: ASGIApp, key: str, header: str = "Authorization: Bearer ") -> None:
        self._app = app
        self._name, _, self._before = header.partition(": ")
        self.key = key

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        request_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer."""
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"host": LOOPBACK, self._name: self._before + self.key, **(headers or {})}
        if request_id:
            sent["x-request-id"] = request_id
        if body is not None:
            sent["content-length"] = str(len(content))
            sent["content-type"] = "application/json"
        where, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": where,
            "raw_path": where.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), text.encode()) for name, text in sent.items()],
            "client": (LOOPBACK, 1),
            "server": (LOOPBACK, 80),
            "state": {},
        }
        waiting = [{"type": "http.request", "body": content, "more_body": False}]
        said: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        found = {name.decode(): text.decode() for name, text in said[0]["headers"]}
        return Answer(said[0]["status"], found, b"".join(one.get("body", b"") for one in said[1:]))

    async def close(self) -> None:
        """There is nothing to close."""


@asynccontextmanager
async def application(data: Path, database: str | None = None) -> AsyncIterator[ASGIApp]:
    """Start the service, without what runs beside requests, and yield its application."""
    settings = Settings(data=data, database=database)
    async with open_state(settings, exclusive=True) as state:
        keeper = keeper_of(state)
        await keeper.check(accept_rollback=False)
        parts = wire(settings, state, keeper, open_registries(settings, state), UNMEASURED)
        yield parts.app
        await keeper.link()
