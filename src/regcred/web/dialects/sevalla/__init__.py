"""Sevalla: `/v3`, bearer keys, UUIDs, a budget told on every answer."""

from __future__ import annotations

from fastapi import FastAPI

from regcred.web.authentication import bearer
from regcred.web.budget import Budget, Left
from regcred.web.dialect import Dialect, Headers
from regcred.web.dialects.sevalla.document import ROOT, document
from regcred.web.dialects.sevalla.errors import TABLE, render
from regcred.web.dialects.sevalla.routes import router
from regcred.web.services import Services
from regcred.web.sub_application import sub_application


def make_app(services: Services) -> FastAPI:
    """Return the application under /v3."""
    return sub_application(
        services,
        router.routes,
        root=ROOT,
        document=document,
        presented_key=bearer,
    )


def tell_budget(left: Left) -> Headers:
    """Return the vendor's headers; `reset` is in seconds from now."""
    return (
        (b"x-ratelimit-limit", b"%d" % left.limit),
        (b"x-ratelimit-remaining", b"%d" % left.remaining),
        (b"x-ratelimit-reset", b"%d" % left.reset),
    )


DIALECT = Dialect(
    name="sevalla",
    prefixes=(ROOT,),
    make_app=make_app,
    statuses=TABLE,
    render_error=render,
    budget=Budget(reads=6000, writes=6000),
    presets={"vendor": Budget(reads=400, writes=30)},
    tell_budget=tell_budget,
)
