"""The native sub-application."""

from __future__ import annotations

from fastapi import FastAPI

from regcred.web.authentication import bearer
from regcred.web.dialects.native.openapi import document
from regcred.web.dialects.native.routes import ROUTES
from regcred.web.services import Services
from regcred.web.sub_application import sub_application


def make_app(services: Services) -> FastAPI:
    """Return the application under /v1."""
    return sub_application(
        services,
        ROUTES,
        root="/v1",
        document=document,
        presented_key=bearer,
    )
