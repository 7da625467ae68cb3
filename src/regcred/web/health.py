"""Whether the process lives (`/livez`) and whether it can serve (`/readyz`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import format_datetime

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from regcred.domain.ports import Clock
from regcred.web.refusals import MethodNotAllowed
from regcred.web.times import timestamp

Checks = Callable[[], Awaitable[Mapping[str, str]]]
"""Return the name of a check -> "ok", or in a few words what is wrong."""

HEALTH_PATHS = frozenset({"/livez", "/readyz"})
_METHODS = ("GET", "HEAD")
_OK = "ok"


class Health:
    """Answers without a key and says no more than the time, and each check's name and state.

    `/readyz?verbose` also tells of what requests do without, and since when each is as it is: the
    first time that somebody asked and found it so.
    """

    def __init__(self, needed: Checks, watched: Checks, clock: Clock) -> None:
        self._needed = needed
        self._watched = watched
        self._clock = clock
        self._seen: dict[str, tuple[str, datetime]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raise MethodNotAllowed for anything but GET."""
        if scope["method"] != "GET":
            raise MethodNotAllowed(_METHODS)
        verbose = scope["query_string"].partition(b"=")[0] == b"verbose"
        answer = await self._answer(scope["path"], verbose=verbose)
        await answer(scope, receive, send)

    async def _answer(self, path: str, *, verbose: bool) -> Response:
        if path == "/livez":
            return JSONResponse({"status": _OK})
        needed = await self._needed()
        ready = all(found == _OK for found in needed.values())
        checks: Mapping[str, object] = needed
        if verbose:
            watched = await self._watched()
            checks = {
                **{name: self._told(name, found, "failed") for name, found in needed.items()},
                **{name: self._told(name, found, "warning") for name, found in watched.items()},
            }
        status = _OK if ready else "unavailable"
        answer = JSONResponse({"status": status, "checks": checks}, 200 if ready else 503)
        # No other answer carries it; `regcred doctor` compares it with its machine's clock.
        answer.headers["Date"] = format_datetime(self._clock(), usegmt=True)
        return answer

    def _told(self, name: str, found: str, bad: str) -> Mapping[str, str | None]:
        if name not in self._seen or self._seen[name][0] != found:
            self._seen[name] = (found, self._clock())
        since = timestamp(self._seen[name][1])
        if found == _OK:
            return {"state": _OK, "reason": None, "since": since}
        return {"state": bad, "reason": found, "since": since}
