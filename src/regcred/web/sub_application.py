"""A dialect's sub-application: its routes, its document, and a page to read it on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from regcred.web.authentication import PresentedKey
from regcred.web.json_body import JSON
from regcred.web.reading_page import CONTENT_SECURITY_POLICY, page
from regcred.web.routing import plain_app, share
from regcred.web.services import Services

_PIECE = 8 * 1024
"""Bytes."""


class _LongAnswer(Response):
    """One that anybody may ask for, sent in pieces: who does not read keeps few of them here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        for begin in range(0, len(self.body), _PIECE):
            piece, more = self.body[begin : begin + _PIECE], begin + _PIECE < len(self.body)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


def sub_application(
    services: Services,
    routes: Iterable[BaseRoute],
    *,
    root: str,
    document: Callable[[FastAPI], dict[str, Any]],
    presented_key: PresentedKey,
) -> FastAPI:
    """Return the application; it answers every path from the root as it is.

    Its document is served at `root`/openapi.json and its page at `root`/docs.
    """
    app = plain_app()
    app.router.routes.extend(routes)
    # Written when first asked for: it takes longer than everything else at the start.
    described = cache(lambda: document(app))
    as_json = cache(lambda: orjson.dumps(described()))
    as_html = cache(lambda: page(described()))

    async def openapi(_request: Request) -> Response:
        return _LongAnswer(as_json(), media_type=JSON)

    async def docs(_request: Request) -> Response:
        policy = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return _LongAnswer(as_html(), headers=policy, media_type="text/html")

    app.router.routes.append(Route(f"{root}/openapi.json", openapi, include_in_schema=False))
    app.router.routes.append(Route(f"{root}/docs", docs, include_in_schema=False))
    share(app, services, presented_key)
    return app
