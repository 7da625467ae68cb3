"""Acme: a dialect made up for docs/adding-a-dialect.md. Keys after `Token`, logins by name."""

from __future__ import annotations

from fastapi import FastAPI

from regcred.web.authentication import authorization
from regcred.web.dialect import Dialect
from regcred.web.dialects.acme.errors import STATUS, document, render
from regcred.web.dialects.acme.routes import router
from regcred.web.services import Services
from regcred.web.sub_application import sub_application


def make_app(services: Services) -> FastAPI:
    """Return the application under /acme."""
    return sub_application(
        services,
        router.routes,
        root="/acme",
        document=document,
        presented_key=lambda scope: authorization(scope, "token"),
    )


DIALECT = Dialect(
    name="acme",
    prefixes=("/acme",),
    make_app=make_app,
    statuses=STATUS,
    render_error=render,
)
