"""The native operations, one file a noun. Handlers parse, act and render."""

from __future__ import annotations

from starlette.routing import BaseRoute

from regcred.web.dialects.native.routes import (
    audit,
    clusters,
    credentials,
    docker_credential,
    events,
    fetches,
    handouts,
    keys,
    projects,
    providers,
    pulling,
    uses,
    verdicts,
    webhooks,
    workloads,
)

# In the order in which they are looked through: what is asked for most stands first.
ROUTES: tuple[BaseRoute, ...] = tuple(
    route
    for noun in (
        credentials,
        verdicts,
        fetches,
        uses,
        pulling,
        docker_credential,
        handouts,
        projects,
        keys,
        audit,
        events,
        providers,
        webhooks,
        workloads,
        clusters,
    )
    for route in noun.router.routes
)
