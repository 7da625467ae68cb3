"""Whether the process lives (`/livez`) and whether it can serve (`/readyz`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from regcred.domain.ports import Clock
from regcred.web.refusals import MethodNotAllowed

HEALTH_PATHS = frozenset({"/livez", "/readyz"})
_METHODS = ("GET", "HEAD")
_OK = "ok"


class Health:
    """Answers without a key and says no more than the time, and each check's name and state."""

    def __init__(self, readiness: Callable[[], Awaitable[Mapping[str, str]]], clock: Clock) -> None:
        self._readiness = readiness
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise MethodNotAllowed for anything but GET."""
        if scope["method"] != "GET":
            raise MethodNotAllowed(_METHODS)
        await (await self._answer(scope["path"]))(scope, receive, send)

    async def _answer(self, path: str) -> Response:
        if path == "/livez":
            return JSONResponse({"status": _OK})
        checks = dict(await self._readiness())
        ready = all(state == _OK for state in checks.values())
        status = _OK if ready else "unavailable"
        answer = JSONResponse({"status": status, "checks": checks}, 200 if ready else 503)
        # No other answer carries it; `regcred doctor` compares it with its machine's clock.
        answer.headers["Date"] = format_datetime(self._clock(), usegmt=True)
        return answer
