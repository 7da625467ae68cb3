"""Every answer carries the shared headers; every failure is a problem; nothing else gets out."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from regcred.domain.errors import NotFound, StoreUnavailable
from regcred.web.app import build_app
from regcred.web.border import Border
from regcred.web.dialects.native.problems import render
from tests.web.operations import OPERATIONS
from tests.web.world import World, credential, problem

HERE = "/v1/projects/-/credentials"
_COMMON = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_ASKED = [
    ("GET", "/v1/whoami", 200),
    ("HEAD", "/v1/whoami", 200),
    ("OPTIONS", "/v1/whoami", 204),
    ("POST", HERE, 415),
    ("PUT", "/v1/whoami", 405),
    ("GET", "/v1/nothing", 404),
    ("GET", "/", 404),
    ("GET", "/v9/", 404),
    ("GET", "/v1", 404),
    ("GET", "/v1x/whoami", 404),
    ("GET", "/livez", 200),
    ("GET", "/readyz", 200),
    ("GET", "/v1/openapi.json", 200),
    ("GET", "/v1/docs", 200),
    ("GET", "/docs", 404),
    ("GET", "/redoc", 404),
    ("GET", "/openapi.json", 404),
    ("GET", "/v1/%2f", 400),
    ("GET", "/livez/%2e%2e/x", 400),
    ("GET", f"{HERE}/{'a' * 9000}", 414),
]


@pytest.mark.parametrize(("method", "path", "status"), _ASKED)
async def test_every_answer_has_the_shared_headers(
    world: World, method: str, path: str, status: int
) -> None:
    body: dict[str, Any] = {"content": b"{}"} if method == "POST" else {}
    reply = await world.send(method, path, headers={"X-Request-Id": "my.id_1-A"}, **body)

    assert reply.status_code == status
    assert reply.headers["x-request-id"] == "my.id_1-A"
    assert {name: reply.headers[name] for name in _COMMON} == _COMMON
    assert reply.headers.get_list("x-request-id") == ["my.id_1-A"]
    if status >= 400:
        problem(reply)


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "<script>", "a,b", ""])
async def test_a_request_id_that_could_do_harm_is_replaced(world: World, sent: str) -> None:
    reply = await world.send("GET", "/v1/whoami", headers={"X-Request-Id": sent})

    assert reply.headers["x-request-id"].startswith("made-")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
async def test_a_trailing_slash_is_another_path(world: World, operation: Any) -> None:
    path = operation.at(credential="c", key="k", webhook="w", workload="i", cluster="x")

    reply = await world.send(operation.method, f"{path}/", operation.body)

    assert reply.status_code == 404
    assert "location" not in reply.headers


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/whoami", "GET, HEAD, OPTIONS"),
        ("/v1/projects", "GET, HEAD, OPTIONS, POST"),
        (HERE, "GET, HEAD, OPTIONS, POST"),
        (f"{HERE}/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        (f"{HERE}:verify", "OPTIONS, POST"),
        (f"{HERE}/x/uses/a/b", "DELETE, OPTIONS, PUT"),
        ("/v1/projects/-/resolve", "OPTIONS, POST"),
        ("/v1/projects/-/docker-credential/get", "OPTIONS, POST"),
    ],
)
async def test_methods_that_a_path_answers_are_named(world: World, path: str, allowed: str) -> None:
    asked = await world.send("OPTIONS", path, key=None)
    refused = await world.send("TRACE", path, key=None)

    assert asked.status_code == 204
    assert asked.headers["allow"] == refused.headers["allow"] == allowed
    assert problem(refused) == "method-not-allowed"
    assert problem(await world.send("OPTIONS", f"{path}/nothing/here/at/all")) == "not-found"


async def test_head_is_get_without_a_body(world: World) -> None:
    await world.add()
    got = await world.send("GET", f"{HERE}/ci-pull", headers={"X-Request-Id": "a"})
    headed = await world.send("HEAD", f"{HERE}/ci-pull", headers={"X-Request-Id": "a"})

    assert headed.status_code == 200
    assert headed.content == b""
    assert headed.headers == got.headers


async def test_a_foreign_answer_is_not_compressed(world: World) -> None:
    reply = await world.send("GET", "/v1/openapi.json", headers={"Accept-Encoding": "gzip, br"})

    assert "content-encoding" not in reply.headers


async def test_what_nobody_expected_is_a_fixed_text_and_a_log_line(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def explode(*_: object) -> None:
        raise RuntimeError("Hunter2 in a message")

    monkeypatch.setattr(world.store, "find_project", explode)
    with capture_logs() as logs:
        reply = await world.send("GET", "/v1/projects/-", headers={"X-Request-Id": "boom"})

    assert problem(reply) == "internal"
    assert reply.headers["cache-control"] == "no-store"
    assert "Hunter2" not in reply.text
    assert "Hunter2" not in str(logs)
    line = next(line for line in logs if line["event"] == "internal error")
    assert line["request_id"] == "boom"
    assert line["error"] == "RuntimeError"
    assert line["where"].endswith("explode")


async def test_a_store_that_is_away_is_a_503_that_says_when_to_return(world: World) -> None:
    world.store.broken = True  # type: ignore[attr-defined]  # the fake's switch
    with capture_logs() as logs:
        reply = await world.send("GET", "/v1/whoami")

    assert problem(reply) == "store-unavailable"
    assert reply.headers["retry-after"] == "5"
    assert any(line["error"] == "StoreUnavailable" for line in logs if "error" in line)


async def test_a_key_ring_that_is_away_stores_nothing(world: World) -> None:
    world.sealer.available = False

    assert problem(await world.send("POST", HERE, credential())) == "keyring-unavailable"
    assert (await world.send("GET", HERE)).json()["items"] == []


async def test_the_access_log_names_routes_and_never_paths(world: World) -> None:
    world.checks = {"store": "away"}
    with capture_logs() as logs:
        await world.send("GET", "/livez", key=None)
        await world.send("GET", "/readyz", key=None)
        await world.send("GET", f"{HERE}/Hunter2?verify=Hunter2")
        await world.send("HEAD", f"{HERE}/Hunter2")
        await world.send("GET", "/Hunter2")

    requests = [line for line in logs if line["event"] == "request"]
    route = "/v1/projects/{project}/credentials/{credential}"
    assert [(line["method"], line["route"], line["status"]) for line in requests] == [
        ("GET", "-", 503), ("GET", route, 422), ("HEAD", route, 404), ("GET", "-", 404),
    ]  # fmt: skip
    assert "Hunter2" not in str(logs)


async def test_ready_says_which_check_fails(world: World) -> None:
    world.checks = {"store": "ok", "keyring": "does not wrap a key", "migrations": "ok"}

    reply = await world.send("GET", "/readyz", key=None)

    assert reply.status_code == 503
    assert reply.json() == {"status": "unavailable", "checks": world.checks}
    assert parsedate_to_datetime(reply.headers["date"]).date() == world.clock().date()
    assert (await world.send("GET", "/livez", key=None)).json() == {"status": "ok"}
    assert problem(await world.send("POST", "/readyz")) == "method-not-allowed"


async def test_two_keys_are_refused_before_either_is_looked_at(world: World) -> None:
    key = f"Bearer {world.keys['admin']}"
    headers = [("Authorization", key), ("Authorization", key)]

    reply = await world.send("GET", "/v1/whoami", key=None, headers=headers)

    assert problem(reply) == "malformed-request"
    assert reply.json()["errors"] == [{"field": "Authorization", "rule": "must be sent once"}]


class _Server:
    """Plays the ASGI server for what no HTTP client can say."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.heard: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:
        self.heard.append(message)


async def test_a_client_that_leaves_gets_no_answer(world: World) -> None:
    server = _Server(
        {"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}
    )
    scope = {
        "type": "http", "method": "POST", "path": HERE, "raw_path": HERE.encode(),
        "query_string": b"", "headers": [(b"host", b"x"), (b"transfer-encoding", b"chunked")],
        "http_version": "1.1",
    }  # fmt: skip

    await world.app(scope, server.receive, server.send)

    assert server.heard == []


@pytest.mark.parametrize(
    ("error", "status", "logged"),
    [
        (RuntimeError("Hunter2"), 500, "RuntimeError"),
        (StoreUnavailable("the disk is full"), 503, "StoreUnavailable"),
        (NotFound(), 404, None),
    ],
)
async def test_whatever_an_application_raises_is_answered(
    error: Exception, status: int, logged: str | None
) -> None:
    async def raising(*_: Any) -> None:
        raise error

    server = _Server()
    scope = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(b"host", b"x")], "http_version": "1.1", "state": {"request_id": "r"},
    }  # fmt: skip
    with capture_logs() as logs:
        await Border(raising, render)(scope, server.receive, server.send)

    assert server.heard[0]["status"] == status
    assert (b"x-request-id", b"r") in server.heard[0]["headers"]
    assert [line["error"] for line in logs if "error" in line] == ([logged] if logged else [])
    assert "Hunter2" not in str(logs) + str(server.heard)


async def test_start_and_stop_are_acknowledged_or_handed_on(world: World) -> None:
    server = _Server({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    await world.app({"type": "lifespan"}, server.receive, server.send)
    handed: list[str] = []

    async def lifespan(scope: Any, _receive: Any, _send: Any) -> None:
        handed.append(scope["type"])

    await build_app(world.services, lifespan=lifespan)(
        {"type": "lifespan"}, server.receive, server.send
    )

    assert [m["type"] for m in server.heard] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert handed == ["lifespan"]


async def test_websockets_are_closed(world: World) -> None:
    server = _Server({"type": "websocket.connect"})

    await world.app({"type": "websocket", "path": "/v1/whoami"}, server.receive, server.send)

    assert [m["type"] for m in server.heard] == ["websocket.close"]


async def test_without_a_hot_path_its_operations_are_not_there(world: World) -> None:
    world.app = build_app(world.services)

    for path in ("/v1/projects/-/resolve", "/v1/projects/-/docker-credential/get"):
        body = {"image": "a"} if path.endswith("resolve") else None
        assert problem(await world.send("POST", path, body)) == "not-found"
