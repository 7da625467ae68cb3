"""The web as one ASGI callable: the hot path first, then health, then the dialects by prefix.

Prefixes are never stripped: a sub-application sees the path that the client sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from regcred.domain.errors import NotFound, StartRefused
from regcred.web.border import Border
from regcred.web.budget import Budget, Meter
from regcred.web.dialect import Dialect
from regcred.web.dialects import DIALECTS, native
from regcred.web.health import HEALTH_PATHS, Health
from regcred.web.middleware import request_id
from regcred.web.services import Services

_BUDGET = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})")


class HotPath(Protocol):
    """A raw ASGI application that is looked at before everything else, with its own border."""

    def takes(self, scope: Scope) -> bool:
        """Whether it answers this request. Asked for every request, so it must be cheap."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        ...


def build_app(
    services: Services, hot_path: HotPath | None = None, lifespan: ASGIApp | None = None
) -> ASGIApp:
    """Return the whole web; `lifespan`, if given, gets the server's start and stop."""
    return _Web(services, hot_path, lifespan)


def chosen_budgets(choices: Mapping[str, str]) -> dict[str, Budget]:
    """Return budgets by dialect: `READS/WRITES` a minute, or the name of one of its presets.

    Raise StartRefused, saying what there is to choose.
    """
    return {name: _chosen(name, choice) for name, choice in choices.items()}


def _chosen(name: str, choice: str) -> Budget:
    dialects = {dialect.name: dialect for dialect in DIALECTS}
    if name not in dialects:
        raise StartRefused(f"budget {name}={choice}: there is {', '.join(sorted(dialects))}")
    if choice in dialects[name].presets:
        return dialects[name].presets[choice]
    if found := _BUDGET.fullmatch(choice):
        return Budget(int(found[1]), int(found[2]))
    ways = " or ".join(["READS/WRITES a minute, such as 600/60", *dialects[name].presets])
    raise StartRefused(f"budget {name}={choice}: it must be {ways}")


class _Web:
    def __init__(
        self, services: Services, hot_path: HotPath | None, lifespan: ASGIApp | None
    ) -> None:
        self._hot = hot_path
        self._lifespan = lifespan or _no_lifespan
        self._new_request_id = services.new_request_id
        fallback = native.DIALECT.render_error
        self._dialects = [(dialect, _bordered(dialect, services)) for dialect in DIALECTS]
        self._health = Border(Health(services.readiness), fallback)
        self._nothing = Border(_nothing, fallback)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._hot is not None and self._hot.takes(scope):
                await self._hot(scope, receive, send)
                return
            state = scope.setdefault("state", {})
            state["request_id"] = request_id(scope, self._new_request_id)
            await self._behind(scope["path"])(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            # RFC 6455: the server answers 403 when the handshake is closed before it is accepted.
            await send({"type": "websocket.close", "code": 1000})

    def _behind(self, path: str) -> ASGIApp:
        if path in HEALTH_PATHS:
            return self._health
        for dialect, border in self._dialects:
            if dialect.answers(path):
                return border
        return self._nothing


def _bordered(dialect: Dialect, services: Services) -> Border:
    meter = Meter(services.budgets.get(dialect.name, dialect.budget), services.monotonic)
    return Border(dialect.make_app(services), dialect.render_error, meter, dialect.tell_budget)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotFound


async def _no_lifespan(_scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        step = (await receive())["type"]
        await send({"type": f"{step}.complete"})
        if step == "lifespan.shutdown":
            return
