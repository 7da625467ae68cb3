"""Gcore Everywhere Inference: `/cloud/v3`, keys after `apikey`, names, limit and offset."""

from __future__ import annotations

from fastapi import FastAPI

from regcred.web.authentication import authorization
from regcred.web.dialect import Dialect
from regcred.web.dialects.gcore.document import document
from regcred.web.dialects.gcore.errors import TABLE, render
from regcred.web.dialects.gcore.routes import router
from regcred.web.services import Services
from regcred.web.sub_application import sub_application

ROOT = "/cloud/v3"


def make_app(services: Services) -> FastAPI:
    """Return the application under /cloud/v3."""
    return sub_application(
        services,
        router.routes,
        root=ROOT,
        document=document,
        presented_key=lambda scope: authorization(scope, "apikey"),
    )


DIALECT = Dialect(
    name="gcore",
    prefixes=(ROOT,),
    make_app=make_app,
    statuses={fact: status for fact, (status, _) in TABLE.items()},
    render_error=render,
)
