"""A receiver of webhooks on this machine, as its owner would write one. A test tool.

It checks every signature with the `standardwebhooks` package, drops what it has already by the
message's id, and answers as it is told.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.tools.programs import LOOPBACK, free_port, http_status


@dataclass(frozen=True, slots=True)
class Got:
    """One request, as it came."""

    id: str
    headers: dict[str, str]
    body: bytes
    message: Any
    """The parsed body; None when the signature is not right."""


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered next."""

    secret: str = ""
    """What signatures are checked with; "" checks none."""

    answers: list[Response] = field(default_factory=list)
    """One for each request to come; then 204."""

    got: list[Got] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Return where messages go."""
        return f"http://{LOOPBACK}:{self.port}/hook?from=regcred"

    @property
    def messages(self) -> list[Any]:
        """Return what was rightly signed, each message once."""
        return list({one.id: one.message for one in self.got if one.message}.values())

    def will(self, *statuses: int, **headers: str) -> None:
        """Answer the next requests so."""
        self.answers += [Response(status_code=status, headers=headers) for status in statuses]

    def wait(self, enough: Callable[[Receiver], bool], seconds: float = 30) -> None:
        """Wait until enough came. Raise TimeoutError."""
        end = time.monotonic() + seconds
        while not enough(self):
            if time.monotonic() > end:
                raise TimeoutError(f"{len(self.got)} requests came in {seconds} s")
            time.sleep(0.02)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Receiver]:
        """Serve until the block ends."""
        app = Starlette(routes=[Route("/hook", self._take, methods=["GET", "POST"])])
        config = uvicorn.Config(
            app, host=LOOPBACK, port=self.port, log_config=None, access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="receiver")
        thread.start()
        try:
            end = time.monotonic() + 30
            while http_status(self.port, "/nothing") != 404:
                if time.monotonic() > end:
                    raise TimeoutError("the receiver does not start")
                time.sleep(0.02)
            yield self
        finally:
            server.should_exit = True
            thread.join()

    async def _take(self, request: Request) -> Response:
        body, headers = await request.body(), dict(request.headers)
        message = None
        if self.secret:
            with contextlib.suppress(WebhookVerificationError):
                message = Webhook(self.secret).verify(body, headers)
        self.got.append(Got(headers.get("webhook-id", ""), headers, body, message))
        return self.answers.pop(0) if self.answers else Response(status_code=204)
