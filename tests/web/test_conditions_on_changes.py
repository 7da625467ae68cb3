"""ETag and If-Match, Idempotency-Key, on real operations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.fakes.registries import REJECTED
from tests.web.world import Reply, World, credential, problem

HERE = "/v1/projects/-/credentials"
KEYS = "/v1/projects/-/keys"


async def _key_path(world: World) -> str:
    made = await world.send("POST", KEYS, {"name": "k", "role": "viewer"})
    return f"{KEYS}/{made.json()['id']}"


async def _credential_path(world: World) -> str:
    await world.add()
    return f"{HERE}/ci-pull"


async def _project_path(world: World) -> str:
    return f"/v1/projects/{(await world.make_project('p')).number}"


CHANGES: list[tuple[str, Callable[[World], Awaitable[str]], str, Any]] = [
    ("replace credential", _credential_path, "PUT", credential()),
    ("patch credential", _credential_path, "PATCH", {"description": "x"}),
    ("delete credential", _credential_path, "DELETE", None),
    ("patch key", _key_path, "PATCH", {"name": "x"}),
    ("delete key", _key_path, "DELETE", None),
    ("patch project", _project_path, "PATCH", {"name": "x"}),
    ("delete project", _project_path, "DELETE", None),
]
_each_change = pytest.mark.parametrize(
    ("make", "method", "body"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)


@_each_change
async def test_a_change_happens_to_the_version_that_was_read(
    world: World, make: Callable[[World], Awaitable[str]], method: str, body: Any
) -> None:
    path = await make(world)

    async def send(tag: str) -> Reply:
        return await world.send(method, path, body, key="operator", headers={"If-Match": tag})

    for tag in ('"2"', 'W/"1"', '"2", "3"', '"x"'):
        assert problem(await send(tag)) == "version-mismatch", tag
    for tag in ("1", '"1', "", "1, 2"):
        reply = await send(tag)
        assert problem(reply) == "invalid-input", tag
        assert reply.json()["errors"][0]["field"] == "If-Match"
    read = await world.send("GET", path, key="operator")
    assert read.headers["etag"] == '"1"'
    assert (await send(read.headers["etag"])).status_code in {200, 204}


@_each_change
@pytest.mark.parametrize("tag", ["*", '"7", "1"'])
async def test_a_star_and_a_list_match_too(
    world: World, make: Callable[[World], Awaitable[str]], method: str, body: Any, tag: str
) -> None:
    path = await make(world)

    reply = await world.send(method, path, body, key="operator", headers={"If-Match": tag})

    assert reply.status_code in {200, 204}


async def test_if_match_in_two_headers_is_one_list(world: World) -> None:
    await world.add()
    headers = [("If-Match", '"7"'), ("If-Match", '"1"')]

    assert (await world.send("DELETE", f"{HERE}/ci-pull", headers=headers)).status_code == 204


async def test_a_project_may_demand_if_match(world: World) -> None:
    await world.add()
    await world.send("PATCH", "/v1/projects/-", {"require_if_match": True})

    for method, body in (("PUT", credential()), ("PATCH", {}), ("DELETE", None)):
        assert problem(await world.send(method, f"{HERE}/ci-pull", body)) == "version-required"
    tag = {"If-Match": '"1"'}
    assert (await world.send("PATCH", f"{HERE}/ci-pull", {}, headers=tag)).status_code == 200
    star = {"If-Match": "*"}
    assert (await world.send("DELETE", f"{HERE}/ci-pull", headers=star)).status_code == 204


async def test_of_two_racing_changes_one_is_refused(world: World) -> None:
    await world.add()

    async def send(text: str) -> Reply:
        patch, tag = {"description": text}, {"If-Match": '"1"'}
        return await world.send("PATCH", f"{HERE}/ci-pull", patch, headers=tag)

    replies = await asyncio.gather(*(send(str(n)) for n in range(5)))

    assert sorted(reply.status_code for reply in replies) == [200, 412, 412, 412, 412]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (HERE, credential()),
        (KEYS, {"name": "k", "role": "viewer"}),
        ("/v1/projects", {"name": "second"}),
    ],
)
async def test_a_repeated_creation_answers_as_the_first_did(
    world: World, path: str, body: dict[str, Any]
) -> None:
    sent: dict[str, Any] = {"key": "operator", "headers": {"Idempotency-Key": "once"}}

    first = await world.send("POST", path, body, **sent)
    # The same document in another order and spelling is the same request.
    again = await world.send("POST", path, dict(reversed(body.items())), **sent)

    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert first.headers["etag"] == again.headers["etag"]
    assert first.json()["id"] == again.json()["id"]
    listing = await world.send("GET", path, key="operator")
    listed = [item["name"] for item in listing.json()["items"]]
    assert listed.count(body["name"]) == 1


async def test_a_replayed_key_is_not_shown_again(world: World) -> None:

    async def send() -> Reply:
        body, once = {"name": "k", "role": "viewer"}, {"Idempotency-Key": "once"}
        return await world.send("POST", KEYS, body, headers=once)

    first, again = (await send()).json(), (await send()).json()

    assert first["key"].startswith("rgc_")
    assert first["note"] is None
    assert again == {**first, "key": None, "note": again["note"]}
    assert "shown then" in again["note"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (HERE, credential(password="another")),
        (HERE, credential(name="another")),
        (f"{HERE}?verify=require", credential()),
        (KEYS, {"name": "k", "role": "viewer"}),
        ("/v1/projects/1/credentials", credential()),
        ("/v1/projects", {"name": "another"}),
    ],
)
async def test_an_idempotency_key_is_for_one_request(world: World, path: str, body: Any) -> None:
    sent: dict[str, Any] = {"key": "operator", "headers": {"Idempotency-Key": "once"}}
    await world.send("POST", HERE, credential(), **sent)

    assert problem(await world.send("POST", path, body, **sent)) == "idempotency-conflict"


async def test_an_idempotency_key_is_its_principals_own(world: World) -> None:
    headers = {"Idempotency-Key": "once"}
    await world.send("POST", HERE, credential(), headers=headers)

    other = await world.send("POST", HERE, credential(name="x"), key="editor", headers=headers)
    foreign = await world.send("POST", HERE, credential(), key="foreign admin", headers=headers)

    assert (other.status_code, foreign.status_code) == (201, 201)
    assert "idempotency-replayed" not in other.headers


async def test_a_refused_creation_may_be_repeated(world: World) -> None:
    headers = {"Idempotency-Key": "once"}
    path = f"{HERE}?verify=require"

    refused = await world.send("POST", path, credential(password=REJECTED), headers=headers)
    done = await world.send("POST", path, credential(), headers=headers)

    assert problem(refused) == "credential-rejected"
    assert done.status_code == 201


@pytest.mark.parametrize("value", ["", " ", "a b", "x" * 256, "\u00e9"])
async def test_a_bad_idempotency_key_is_named(world: World, value: str) -> None:
    headers = [(b"Idempotency-Key", value.encode("latin-1"))]
    reply = await world.send("POST", HERE, credential(), headers=headers)

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == "Idempotency-Key"
    assert (await world.send("GET", HERE)).json()["items"] == []


async def test_two_idempotency_keys_are_none(world: World) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    reply = await world.send("POST", HERE, credential(), headers=headers)

    assert problem(reply) == "malformed-request"
