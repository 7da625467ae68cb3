"""The native sub-application: its routes, its document, its page."""

from __future__ import annotations

from functools import cache

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from regcred.web.authentication import bearer
from regcred.web.dialects.native.openapi import document
from regcred.web.dialects.native.problems import render
from regcred.web.dialects.native.routes import ROUTES
from regcred.web.errors import install_errors
from regcred.web.json_body import JSON
from regcred.web.reading_page import CONTENT_SECURITY_POLICY, page
from regcred.web.routing import plain_app, share
from regcred.web.services import Services


def make_app(services: Services) -> FastAPI:
    """Return the application; it answers every path from the root as it is."""
    app = plain_app()
    app.router.routes.extend(ROUTES)
    # Written when first asked for: it takes longer than everything else at the start.
    described = cache(lambda: document(app))
    as_json = cache(lambda: orjson.dumps(described()))
    as_html = cache(lambda: page(described()))

    async def openapi(_request: Request) -> Response:
        return Response(as_json(), media_type=JSON)

    async def docs(_request: Request) -> Response:
        policy = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return Response(as_html(), headers=policy, media_type="text/html")

    app.router.routes.append(Route("/v1/openapi.json", openapi, include_in_schema=False))
    app.router.routes.append(Route("/v1/docs", docs, include_in_schema=False))
    install_errors(app, render)
    share(app, services, bearer)
    return app
