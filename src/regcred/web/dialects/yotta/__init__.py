"""Yotta Labs: `/v2` and the older `/openapi/v1`, numbers for ids, everything in an envelope."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import Scope

from regcred.web.authentication import bearer, only_header
from regcred.web.dialect import Dialect
from regcred.web.dialects.yotta import routes, routes_v1
from regcred.web.dialects.yotta.document import document
from regcred.web.dialects.yotta.errors import TABLE, render
from regcred.web.services import Services
from regcred.web.sub_application import sub_application

ROOT = "/v2"


def presented_key(scope: Scope) -> str | None:
    """Return the key of X-Api-Key, else of a Bearer. Raise MalformedRequest, NotAuthenticated."""
    key = only_header(scope, b"x-api-key")
    return bearer(scope) if key is None else key


def make_app(services: Services) -> FastAPI:
    """Return the application under /v2 and /openapi/v1."""
    return sub_application(
        services,
        [*routes.router.routes, *routes_v1.router.routes],
        root=ROOT,
        document=document,
        presented_key=presented_key,
    )


DIALECT = Dialect(
    name="yotta",
    prefixes=(ROOT, "/openapi/v1"),
    make_app=make_app,
    statuses={fact: status for fact, (status, _) in TABLE.items()},
    render_error=render,
)
