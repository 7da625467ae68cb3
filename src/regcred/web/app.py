"""The web as one ASGI callable: the hot path first, then health, then the dialects by prefix.

Prefixes are never stripped: a sub-application sees the path that the client sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from regcred.domain.errors import (
    MalformedRequest,
    NotFound,
    QuotaExceeded,
    RegcredError,
    StartRefused,
)
from regcred.web.border import Border
from regcred.web.budget import Budget, Meter
from regcred.web.dialect import Dialect
from regcred.web.dialects import DIALECTS, native
from regcred.web.fast import GoOn, Reply
from regcred.web.health import HEALTH_PATHS, Health
from regcred.web.middleware import peer_of, request_id
from regcred.web.refusals import Overloaded
from regcred.web.services import Services


class FastPath(Protocol):
    """Answers what it can before there is an ASGI conversation about it."""

    def take(self, scope: Scope, body: bytes, reply: Reply, go_on: GoOn) -> bool:
        """Whether it answers this request, by one of the two. It must be cheap too."""
        ...


class HotPath(Protocol):
    """A raw ASGI application that is looked at before everything else, with its own border."""

    def takes(self, scope: Scope) -> bool:
        """Whether it answers this request. Asked for every request, so it must be cheap."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        ...


def build_app(
    services: Services,
    hot_path: HotPath | None = None,
    fast_path: FastPath | None = None,
    lifespan: ASGIApp | None = None,
) -> ASGIApp:
    """Return the whole web; `lifespan`, if given, gets the server's start and stop."""
    return _Web(services, hot_path, fast_path, lifespan)


def chosen_budgets(choices: Mapping[str, str]) -> dict[str, Budget]:
    """Return budgets by dialect: `READS/WRITES` a minute, or the name of one of its presets.

    Raise StartRefused, saying what there is to choose.
    """
    dialects = {dialect.name: dialect for dialect in DIALECTS}
    if unknown := choices.keys() - dialects:
        raise StartRefused(f"budget {min(unknown)}: there is {', '.join(sorted(dialects))}")
    return {name: _chosen(dialects[name], choice) for name, choice in choices.items()}


def _chosen(dialect: Dialect, choice: str) -> Budget:
    if choice in dialect.presets:
        return dialect.presets[choice]
    try:
        return Budget.parse(choice)
    except ValueError as error:
        presets = "".join(f", or {preset}" for preset in dialect.presets)
        raise StartRefused(f"budget {dialect.name}={choice}: it {error}{presets}") from None


class _Web:
    def __init__(
        self,
        services: Services,
        hot_path: HotPath | None,
        fast_path: FastPath | None,
        lifespan: ASGIApp | None,
    ) -> None:
        self._hot = hot_path
        self._fast = fast_path
        self._lifespan = lifespan or _no_lifespan
        self._new_request_id = services.new_request_id
        fallback = native.DIALECT.render_error
        self._dialects = [(dialect, _bordered(dialect, services)) for dialect in DIALECTS]
        self._health = Border(
            Health(services.readiness, services.watched, services.clock),
            fallback,
            answered=services.answered_on("health"),
            waiting=services.admission.waiting,
            quiet=True,
        )
        self._nothing = Border(
            _nothing,
            fallback,
            answered=services.answered_on("none"),
            waiting=services.admission.waiting,
        )
        self._admission = services.admission
        self._proxies = services.proxies

    def take(self, scope: Scope, body: bytes, reply: Reply, go_on: GoOn) -> bool:
        """Offer a request that came whole to the fast path; False: it must be called.

        Where clients come through proxies, who they are is found out first.
        """
        if self._fast is None or self._proxies:
            return False
        return self._fast.take(scope, body, reply, go_on)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._admission.begin()
            try:
                await self._answer(scope, receive, send)
            finally:
                self._admission.end(scope)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            # RFC 6455: the server answers 403 when the handshake is closed before it is accepted.
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if self._proxies or self._admission.full else None
        if refusal is None and self._hot is not None and self._hot.takes(scope):
            await self._hot(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = request_id(scope, self._new_request_id)
        border = self._behind(scope["path"])
        if refusal is None:
            await border(scope, receive, send)
        else:
            await border.refuse(scope, refusal, send)

    def _refusal(self, scope: Scope) -> RegcredError | None:
        """Return why nobody looks at a request, or None."""
        # Whether the process lives is asked most when it is busy: else a probe would end it.
        if self._admission.full and scope["path"] not in HEALTH_PATHS:
            return Overloaded()
        return self._brought(scope) if self._proxies else None

    def _brought(self, scope: Scope) -> RegcredError | None:
        """Have a request that a trusted proxy brought come from its client, if it may have one."""
        proxy = peer_of(scope)
        if not self._proxies.has(proxy):
            return None
        try:
            client = self._proxies.client_of(scope)
            scope["client"] = (client, 0)
            if not self._proxies.has(client):
                self._admission.admit_client(scope, client)
        except (MalformedRequest, QuotaExceeded) as refused:
            return refused
        return None

    def _behind(self, path: str) -> Border:
        if path in HEALTH_PATHS:
            return self._health
        for dialect, border in self._dialects:
            if dialect.answers(path):
                return border
        return self._nothing


def _bordered(dialect: Dialect, services: Services) -> Border:
    budget = services.budgets.get(dialect.name, dialect.budget)
    meter = None if budget is None else Meter(budget, services.monotonic)
    return Border(
        dialect.make_app(services),
        dialect.render_error,
        meter,
        dialect.tell_budget,
        services.answered_on(dialect.name),
        services.admission.waiting,
    )


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotFound


async def _no_lifespan(_scope: Scope, receive: Receive, send: Send) -> None:
    while True:
        step = (await receive())["type"]
        await send({"type": f"{step}.complete"})
        if step == "lifespan.shutdown":
            return
