"""Who may do what: the table of roles, for every operation and every kind of key."""

from __future__ import annotations

import pytest

from tests.web.operations import (
    BY_ID,
    MAY,
    OPERATIONS,
    Operation,
    perform,
    targets,
)
from tests.web.world import Reply, World, problem

KEYS = ("viewer", "puller", "editor", "admin", "operator")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
async def test_roles_are_exactly_the_table(world: World, operation: Operation) -> None:
    for number, key in enumerate(KEYS):
        names = await targets(world, str(number))
        if operation.id == "deleteProject":
            names["project"] = str((await world.make_project(key)).number)
        if operation.id == "deleteCredential":
            await perform(world, BY_ID["deleteUse"], **names)
        body = operation.body
        if isinstance(body, dict) and "name" in body:
            body = {**body, "name": f"{body['name']}-{number}"}
        if operation.id == "allowWorkload":
            body = {**operation.body, "service_account": f"web-{number}"}

        reply = await perform(world, operation, who=key, body=body, **names)

        if key in MAY[operation.needs]:
            assert reply.status_code == operation.status, (key, reply.text)
        else:
            assert problem(reply) == "access-denied", (key, reply.text)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
async def test_without_a_key_nothing_happens(world: World, operation: Operation) -> None:
    names = await targets(world, "x")
    for sent in (None, "", "not a key", "rgc_" + "a" * 80, await _forgotten(world)):
        reply = await perform(world, operation, who=sent, **names)

        assert problem(reply) == "not-authenticated", sent
        assert reply.headers["www-authenticate"] == "Bearer"


async def test_every_operation_of_the_document_is_in_the_table(world: World) -> None:
    paths = (await world.send("GET", "/v1/openapi.json", key=None)).json()["paths"]
    documented = {
        (details["operationId"], method.upper(), path)
        for path, methods in paths.items()
        for method, details in methods.items()
    }

    assert documented == {(op.id, op.method, op.path) for op in OPERATIONS}


async def test_a_narrowed_puller_sees_its_own_matches_alone(world: World) -> None:
    narrow = await world.send(
        "POST", "/v1/projects/-/keys",
        {"name": "n", "role": "puller", "image_patterns": ["registry.example.com/team"]},
    )  # fmt: skip
    key = narrow.json()["key"]
    await world.add("mine")
    await world.add("other", registry_url="https://other.example.com")

    listed = await world.send("GET", "/v1/projects/-/credentials", key=key)
    hidden = await world.send("GET", "/v1/projects/-/credentials/other", key=key)

    assert [item["name"] for item in listed.json()["items"]] == ["mine"]
    assert problem(hidden) == "credential-not-found"


async def test_revoked_disabled_and_expired_keys_stop_at_once(world: World) -> None:
    made = (await world.send("POST", "/v1/projects/-/keys", {"name": "k", "role": "viewer"})).json()
    path = f"/v1/projects/-/keys/{made['id']}"

    async def ask() -> Reply:
        return await world.send("GET", "/v1/whoami", key=made["key"])

    assert (await ask()).status_code == 200
    await world.send("PATCH", path, {"disabled": True})
    assert "disabled" in (await ask()).json()["detail"]
    await world.send("PATCH", path, {"disabled": False, "expires_at": "2030-01-02T00:00:00Z"})
    assert (await ask()).status_code == 200
    world.clock.now = world.clock.now.replace(day=3)
    assert "expired" in (await ask()).json()["detail"]
    await world.send("DELETE", path)
    assert "revoked" in (await ask()).json()["detail"]


@pytest.mark.parametrize(
    "header",
    [
        "Basic dTpw",
        "Bearer",
        "Bearer  {key}",
        "{key}",
        "Token {key}",
        "Bearer {key} x",
        "Bearer\t{key}",
    ],
)
async def test_other_ways_to_present_a_key_are_refused(world: World, header: str) -> None:
    sent = header.format(key=world.keys["admin"])
    reply = await world.send("GET", "/v1/whoami", key=None, headers={"Authorization": sent})

    assert problem(reply) == "not-authenticated"


async def test_the_scheme_is_compared_without_case(world: World) -> None:
    headers = {"Authorization": f"bEARER {world.keys['admin']}"}

    assert (await world.send("GET", "/v1/whoami", key=None, headers=headers)).status_code == 200


async def _forgotten(world: World) -> str:
    """Return a well-formed key that does not exist."""
    made = (await world.send("POST", "/v1/projects/-/keys", {"name": "k", "role": "admin"})).json()
    await world.send("DELETE", f"/v1/projects/-/keys/{made['id']}")
    return str(made["key"])
