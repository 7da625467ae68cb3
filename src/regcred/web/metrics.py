"""The text that a scraper fetches, on a port of its own: no key, no project, no secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Exposition = Callable[[], Awaitable[tuple[str, bytes]]]
"""Returns (content type, text)."""


def metrics_app(exposition: Exposition) -> Starlette:
    """Return the application; it knows `GET /metrics` and nothing else."""

    async def metrics(_request: Request) -> Response:
        content_type, text = await exposition()
        return Response(
            text,
            headers={
                "Content-Type": content_type,
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    return Starlette(routes=[Route("/metrics", metrics, methods=["GET"])])
