"""The native operations, one file a noun. Handlers parse, act and render."""

from __future__ import annotations

from starlette.routing import BaseRoute

from regcred.web.dialects.native.routes import (
    audit,
    credentials,
    docker_credential,
    keys,
    projects,
    pulling,
    uses,
    verdicts,
)

# Where two paths could match, the longer one stands first.
ROUTES: tuple[BaseRoute, ...] = tuple(
    route
    for noun in (
        projects,
        keys,
        uses,
        verdicts,
        credentials,
        pulling,
        docker_credential,
        audit,
    )
    for route in noun.router.routes
)
