"""The hot path has the same border as everything else: who asks, what gets in, what gets out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from regcred.domain.access import Role
from regcred.domain.ports import ResolveRead
from regcred.web.middleware import MAX_BODY
from tests.fakes.store import MemoryStore
from tests.web.delivery.asking import (
    GET,
    IMAGE,
    PASSWORD,
    RESOLVE,
    SAME_ID,
    actions,
    get,
    names,
    resolve,
    told,
)
from tests.web.world import START, Headers, Reply, World, problem

HOST = "registry.example.com"
NOWHERE = "019a9c1e-ffff-7fff-bfff-ffffffffffff"
JSON = ("Content-Type", "application/json")
COMMON = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
PATHS = (RESOLVE, GET)
BODIES = {RESOLVE: f'{{"image": "{IMAGE}"}}'.encode(), GET: HOST.encode()}

hot = pytest.mark.parametrize("path", PATHS, ids=["resolve", "get"])


async def ask(
    world: World,
    path: str,
    *,
    key: str | None = "puller",
    headers: Headers = (),
    content: bytes | None = None,
) -> Reply:
    """Send one operation's good request, or with another body."""
    pairs = list(headers.items()) if hasattr(headers, "items") else list(headers)
    suffix = path.split("?", maxsplit=1)[0].rpartition("/")[2]
    body = BODIES[RESOLVE if suffix == "resolve" else GET] if content is None else content
    return await world.send("POST", path, key=key, headers=[JSON, *pairs], content=body)


@pytest.fixture
async def stocked(world: World) -> World:
    """A service whose home project has a login."""
    await world.add(registry_url=HOST)
    return world


# Who asks


@hot
@pytest.mark.parametrize("key", [None, "", "x", "Basic", "rgc_x", "rgc_" + "0" * 70])
async def test_without_a_key_no_project_is_spoken_of(
    stocked: World, path: str, key: str | None
) -> None:
    projects = ("-", "1", "2", "999", str(stocked.home.id), NOWHERE, "no-such", "0", "\u00fc")

    replies = [
        await ask(stocked, path.replace("-", project, 1), key=key, headers=SAME_ID)
        for project in projects
    ]

    assert problem(replies[0]) == "not-authenticated"
    assert replies[0].headers["www-authenticate"] == "Bearer"
    assert len({str(told(reply)) for reply in replies}) == 1


@hot
async def test_every_key_that_does_not_open_is_refused_by_its_reason(
    stocked: World, path: str
) -> None:
    other = stocked.keys["puller"][:-1] + ("0" if stocked.keys["puller"][-1] != "0" else "1")
    unknown = await _deleted_key(stocked)
    expired = await stocked.make_key(stocked.home, Role.PULLER, expires_at=START)
    disabled = await stocked.make_key(stocked.home, Role.PULLER, disabled=True)

    said = {
        name: (await ask(stocked, path, key=key)).json()["detail"]
        for name, key in {
            "missing": None, "malformed": other, "unknown": unknown, "expired": expired,
            "disabled": disabled,
        }.items()
    }  # fmt: skip

    assert said == {
        "missing": "no API key was sent",
        "malformed": "that is not a regcred API key: its form or checksum is wrong",
        "unknown": "this API key is unknown or was revoked",
        "expired": "this API key has expired",
        "disabled": "this API key is disabled",
    }
    assert "credential.revealed" not in await actions(stocked)


async def _deleted_key(world: World) -> str:
    text = await world.make_key(world.home, Role.PULLER)
    reply = await world.send("DELETE", f"/v1/projects/-/keys/{text.split('_')[1]}")
    assert reply.status_code == 204, reply.text
    return text


@hot
async def test_a_key_counts_until_the_moment_it_expires(stocked: World, path: str) -> None:
    end = stocked.clock.now + timedelta(hours=1)
    key = await stocked.make_key(stocked.home, Role.PULLER, expires_at=end)

    assert (await ask(stocked, path, key=key)).status_code == 200
    stocked.clock.now = end
    assert problem(await ask(stocked, path, key=key)) == "not-authenticated"


@hot
@pytest.mark.parametrize("role", [str(role) for role in Role])
async def test_a_foreign_project_is_to_the_byte_a_missing_one(
    stocked: World, path: str, role: str
) -> None:
    await stocked.add("theirs", registry_url=HOST, key="foreign admin")
    theirs, id_ = str(stocked.foreign.number), str(stocked.foreign.id)

    foreign, missing = [
        [
            await ask(stocked, path.replace("-", project, 1), key=role, headers=SAME_ID)
            for project in projects
        ]
        for projects in ((theirs, id_, id_.upper()), ("999", NOWHERE, "nonsense"))
    ]

    assert {problem(reply) for reply in foreign} == {"project-not-found"}
    assert len({str(told(reply)) for reply in (*foreign, *missing)}) == 1


@hot
async def test_a_project_is_named_by_id_number_or_as_home(stocked: World, path: str) -> None:
    for project in ("-", "1", str(stocked.home.id), str(stocked.home.id).upper()):
        reply = await ask(stocked, path.replace("-", project, 1))
        assert reply.status_code == 200, project


@hot
async def test_an_operator_reaches_every_project(stocked: World, path: str) -> None:
    await stocked.add("theirs", registry_url=HOST, key="foreign admin", password="foreign-one")

    reply = await ask(stocked, path.replace("-", "2", 1), key="operator")

    assert "foreign-one" in reply.text
    assert PASSWORD not in reply.text


@hot
async def test_two_keys_are_refused_before_either_is_looked_at(stocked: World, path: str) -> None:
    twice = [("Authorization", f"Bearer {stocked.keys['puller']}")] * 2

    reply = await ask(stocked, path, key=None, headers=twice)

    assert problem(reply) == "malformed-request"
    assert reply.json()["errors"] == [{"field": "Authorization", "rule": "must be sent once"}]


# What gets in


@hot
@pytest.mark.parametrize("query", ["verify=require", "a", "image=x", "%00"])
async def test_a_query_is_refused(stocked: World, path: str, query: str) -> None:
    reply = await ask(stocked, f"{path}?{query}")

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"] == [
        {"field": "query", "rule": "must be empty: this operation has no parameters"}
    ]
    assert "connection" not in reply.headers


@hot
async def test_a_body_that_is_too_large_closes_the_connection(stocked: World, path: str) -> None:
    reply = await ask(stocked, path, content=b" " * (MAX_BODY + 1))

    assert problem(reply) == "body-too-large"
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("path", "headers", "slug"),
    [
        ("/v1/projects/a%00b/resolve", [], "malformed-request"),
        ("/v1/projects/%2e%2e/resolve", [], "malformed-request"),
        ("/v1/projects/a;b/docker-credential/get", [], "malformed-request"),
        (f"/v1/projects/{'1' * 9000}/resolve", [], "path-too-long"),
        (f"{GET}?{'q' * 9000}", [], "path-too-long"),
        (RESOLVE, [("X-A", "1")] * 101, "headers-too-large"),
        (GET, [("X-A", "a" * 40_000)], "headers-too-large"),
    ],
)
async def test_what_the_guard_refuses_closes_the_connection(
    stocked: World, path: str, headers: list[tuple[str, str]], slug: str
) -> None:
    reply = await ask(stocked, path, headers=[*SAME_ID.items(), *headers])

    assert problem(reply) == slug
    assert reply.headers["connection"] == "close"
    assert reply.headers["x-request-id"] == "the-same-id"
    assert "credential.revealed" not in await actions(stocked)


@hot
@pytest.mark.parametrize(
    "framing",
    [
        [(b"host", b"other")],
        [(b"content-length", b"5")],
        [(b"transfer-encoding", b"chunked")],
        [(b"content-length", b"5"), (b"content-length", b"6")],
    ],
)
async def test_a_request_of_two_readings_closes_the_connection(
    stocked: World, path: str, framing: list[tuple[bytes, bytes]]
) -> None:
    heard = await _raw(stocked, path, headers=framing)

    assert heard[0]["status"] == 400
    assert (b"connection", b"close") in heard[0]["headers"]
    assert "credential.revealed" not in await actions(stocked)


@hot
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE"])
async def test_other_methods_are_not_allowed(stocked: World, path: str, method: str) -> None:
    reply = await stocked.send(method, path)

    assert problem(reply) == "method-not-allowed"
    assert reply.headers["allow"] == "OPTIONS, POST"
    assert PASSWORD not in reply.text


@pytest.mark.parametrize(
    "path",
    [f"{RESOLVE}/", f"{GET}/", "/v1/projects/resolve", "/v1/projects//resolve",
     "/v1/projects/-/x/resolve", "/v9/projects/-/resolve", "/V1/projects/-/resolve",
     "/v1/projects/-/Resolve", "/v1/projects/-/docker-credential", "/v1/projects/-/"],
)  # fmt: skip
async def test_paths_nearby_are_not_the_hot_path(stocked: World, path: str) -> None:
    reply = await stocked.send("POST", path, content=BODIES[RESOLVE], headers=[JSON])

    assert problem(reply).endswith("not-found") or problem(reply) == "method-not-allowed"
    assert PASSWORD not in reply.text


@hot
async def test_a_body_may_come_in_pieces(stocked: World, path: str) -> None:
    heard = await _raw(
        stocked,
        path,
        *({"type": "http.request", "body": bytes([b]), "more_body": True} for b in BODIES[path]),
        {"type": "http.request", "body": b"", "more_body": False},
    )

    assert heard[0]["status"] == 200
    assert PASSWORD.encode() in heard[1]["body"]


@hot
async def test_a_client_that_leaves_gets_no_answer_and_no_login(stocked: World, path: str) -> None:
    heard = await _raw(
        stocked,
        path,
        {"type": "http.request", "body": BODIES[path], "more_body": True},
        {"type": "http.disconnect"},
    )

    assert heard == []
    assert "credential.revealed" not in await actions(stocked)


async def _raw(
    world: World, path: str, *messages: dict[str, Any], headers: Sequence[tuple[bytes, bytes]] = ()
) -> list[dict[str, Any]]:
    """Play the ASGI server with these messages, and return what it was told to send."""
    heard: list[dict[str, Any]] = []

    async def coming() -> AsyncIterator[dict[str, Any]]:
        for message in messages:
            await asyncio.sleep(0)
            yield message

    received = coming()
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "http_version": "1.1", "client": None,
        "headers": [
            (b"host", b"x"), (b"transfer-encoding", b"chunked"),
            (b"content-type", b"application/json"),
            (b"authorization", f"bearer {world.keys['puller']}".encode()), *headers,
        ],
    }  # fmt: skip

    async def send(message: Any) -> None:
        heard.append(message)

    await world.app(scope, received.__anext__, send)
    return heard


# What gets out


async def _answers(world: World, headers: Headers = ()) -> list[Reply]:
    """Return one answer of each kind."""
    return [
        reply
        for path in PATHS
        for reply in (
            await ask(world, path, headers=headers),
            await ask(world, path, headers=headers, content=b'{"image": "a.example/b"}'),
            await ask(world, path, headers=headers, content=b"elsewhere.example.com"),
            await ask(world, path, headers=headers, content=b"\xff"),
            await ask(world, path, headers=headers, key=None),
            await ask(world, path, headers=headers, key="viewer"),
            await ask(world, path, headers=headers, content=b"x" * (MAX_BODY + 1)),
            await ask(world, path.replace("-", "2", 1), headers=headers),
            await ask(world, f"{path}?a=b", headers=headers),
            await ask(world, path.replace("-", "%00", 1), headers=headers),
        )
    ]


async def test_every_answer_has_the_shared_headers_once(stocked: World) -> None:
    replies = await _answers(stocked, {"X-Request-Id": "my.id_1-A"})

    assert {reply.status_code for reply in replies} == {200, 204, 400, 401, 403, 404, 413, 422}
    for reply in replies:
        listed = reply.headers.multi_items()
        assert [pair for pair in listed if pair[0] in COMMON] == list(COMMON.items())
        assert reply.headers.get_list("x-request-id") == ["my.id_1-A"]
        lengths = reply.headers.get_list("content-length")
        assert lengths == ([] if reply.status_code == 204 else [str(len(reply.content))])
        assert "server" not in reply.headers
        if reply.status_code >= 400:
            problem(reply)


async def test_every_answer_has_a_request_id_of_its_own(stocked: World) -> None:
    ids = [reply.headers["x-request-id"] for reply in await _answers(stocked)]

    assert all(id_.startswith("made-") for id_ in ids)
    assert len(set(ids)) == len(ids)


@hot
@pytest.mark.parametrize("sent", ["a b", "x" * 65, "<script>", "a,b", ""])
async def test_a_request_id_that_could_do_harm_is_replaced(
    stocked: World, path: str, sent: str
) -> None:
    reply = await ask(stocked, path, headers={"X-Request-Id": sent})

    assert reply.headers["x-request-id"].startswith("made-")


async def test_no_refusal_holds_a_secret(stocked: World) -> None:
    with capture_logs() as logs:
        refusals = [reply for reply in await _answers(stocked) if reply.status_code != 200]

    said = "".join(reply.text + str(reply.headers) for reply in refusals) + str(logs)
    for secret in (PASSWORD, *stocked.keys.values()):
        assert secret not in said
        assert secret.rpartition("_")[2] not in said


# What goes wrong


class _Exploding(MemoryStore):
    """A store with a bug that puts what it read into its exception."""

    async def read_for_resolve(self, *_: Any) -> ResolveRead:
        raise RuntimeError(f"cannot read {PASSWORD}")


@hot
async def test_a_bug_gives_a_fixed_answer_and_its_place_in_the_log(path: str) -> None:
    world = await World(_Exploding).populate()

    with capture_logs() as logs:
        reply = await ask(world, path, headers=SAME_ID)

    assert problem(reply) == "internal"
    assert reply.json()["detail"] == (
        "something went wrong inside regcred; the log has it under this id"
    )
    assert {name: reply.headers[name] for name in COMMON} == COMMON
    [line] = logs
    where = line.pop("where")
    assert where.startswith("test_exchange.py:")
    assert where.endswith(" read_for_resolve")
    assert line == {
        "event": "internal error", "error": "RuntimeError", "request_id": "the-same-id",
        "log_level": "error",
    }  # fmt: skip
    assert PASSWORD not in reply.text + str(logs)


@hot
async def test_a_secret_moved_to_another_login_is_not_handed_out_and_is_logged(
    stocked: World, path: str
) -> None:
    await stocked.add("other", registry_url="other.example.com", password="the-others")
    one, other = stocked.store._held[stocked.home.id].values()  # type: ignore[attr-defined]  # the fake's inside
    one.secret = other.secret

    with capture_logs() as logs:
        reply = await ask(stocked, path, headers=SAME_ID)

    assert problem(reply) == "seal-broken"
    assert reply.status_code == 500
    assert reply.json()["detail"] == "A stored secret does not open."
    assert [
        (line["event"], line["error"], line["request_id"])
        for line in logs
        if line["event"] != "request"
    ] == [("failed", "SealBroken", "the-same-id")]
    assert "the-others" not in reply.text + str(logs)
    assert "credential.revealed" not in await actions(stocked)


@hot
async def test_a_key_ring_or_store_that_is_away_says_when_to_come_back(
    stocked: World, path: str
) -> None:
    stocked.sealer.available = False
    sealed = await ask(stocked, path)
    stocked.store.broken = True  # type: ignore[attr-defined]  # the fake's switch
    with capture_logs() as logs:
        broken = await ask(stocked, path)

    assert (problem(sealed), problem(broken)) == ("keyring-unavailable", "store-unavailable")
    assert sealed.status_code == broken.status_code == 503
    assert sealed.headers["retry-after"] == broken.headers["retry-after"] == "5"
    assert [line["error"] for line in logs if line["event"] != "request"] == ["StoreUnavailable"]
    assert PASSWORD not in sealed.text + broken.text


class _Unwritable(MemoryStore):
    """A store that reads, and takes no audit row of a reveal."""

    async def record_reveal(self, *_: Any) -> None:
        self.broken = True
        self._awake()


@hot
async def test_without_its_audit_row_no_login_leaves(path: str) -> None:
    world = await World(_Unwritable).populate()
    await world.add(registry_url=HOST)

    reply = await ask(world, path)

    assert problem(reply) == "store-unavailable"
    assert PASSWORD not in reply.text


async def test_both_operations_serve_one_world(stocked: World) -> None:
    assert names(await resolve(stocked)) == ["ci-pull"]
    assert (await get(stocked, HOST)).json()["Secret"] == PASSWORD


@pytest.mark.parametrize("path", [RESOLVE, GET])
@pytest.mark.parametrize("key", [None, "rgc_nonsense"])
@pytest.mark.parametrize(("content", "query"), [(b"", ""), (b"\xff", ""), (b"{}", "?x=1")])
async def test_who_asks_comes_before_what_is_wrong_with_the_question(
    stocked: World, path: str, key: str | None, content: bytes, query: str
) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    reply = await stocked.send("POST", path + query, content=content, key=None, headers=headers)

    assert reply.status_code == 401


async def test_refusals_are_logged_by_route_and_never_by_path(stocked: World) -> None:
    with capture_logs() as logs:
        await stocked.send("POST", "/v1/projects/Hunter2/resolve", {"image": IMAGE}, key=None)
        await resolve(stocked)

    assert [(line["event"], line["route"], line["status"]) for line in logs] == [
        ("request", "/v1/projects/{project}/resolve", 401)
    ]
    assert "Hunter2" not in str(logs)
