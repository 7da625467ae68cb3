"""The port that a scraper asks."""

from __future__ import annotations

import httpx2
import pytest

from regcred.web.metrics import metrics_app


async def exposition() -> tuple[str, bytes]:
    return "text/plain; version=9", b"a 1\n"


async def asked(method: str, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=metrics_app(exposition))
    async with httpx2.AsyncClient(transport=transport, base_url="http://m.test") as client:
        return await client.request(method, path)


async def test_metrics_are_shown_to_whoever_reaches_the_port() -> None:
    reply = await asked("GET", "/metrics")

    assert (reply.status_code, reply.text) == (200, "a 1\n")
    assert reply.headers["content-type"] == "text/plain; version=9"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/v1/whoami", 404),
        ("GET", "/livez", 404),
    ],
)
async def test_and_nothing_else_is_there(method: str, path: str, status: int) -> None:
    assert (await asked(method, path)).status_code == status
