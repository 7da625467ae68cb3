"""Keys, projects, and the trace that everything leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.world import World, credential, problem

KEYS = "/v1/projects/-/keys"


async def test_who_am_i_says_what_the_key_may_do(world: World) -> None:
    said = (await world.send("GET", "/v1/whoami", key="puller")).json()

    assert said["principal"] == f"key:{said['key']['id']}"
    assert said["permissions"] == ["read", "reveal"]
    assert (said["role"], said["operator"]) == ("puller", False)
    assert said["project"]["number"] == 1
    assert world.keys["puller"] not in str(said)


async def test_a_keys_text_is_shown_once(world: World) -> None:
    body = {
        "name": "cluster",
        "role": "puller",
        "image_patterns": ["https://registry.example.com/team/*"],
        "expires_at": "2031-01-01T00:00:00Z",
    }
    made = (await world.send("POST", KEYS, body)).json()
    shown = (await world.send("GET", f"{KEYS}/{made['id']}")).json()
    listed = await world.send("GET", KEYS)

    text, note = made.pop("key"), made.pop("note")
    assert note is None
    assert made == shown
    assert shown["image_patterns"] == ["registry.example.com/team"]
    assert text not in listed.text
    assert (await world.send("GET", "/v1/whoami", key=text)).status_code == 200


async def test_a_key_is_changed_in_part(world: World) -> None:
    made = (await world.send("POST", KEYS, {"name": "k", "role": "viewer"})).json()
    path = f"{KEYS}/{made['id']}"
    patch = {
        "name": "renamed",
        "disabled": True,
        "expires_at": "2031-01-01T00:00:00Z",
        "image_patterns": ["r.example.com"],
    }

    changed = (await world.send("PATCH", path, patch)).json()
    back = (await world.send("PATCH", path, {"expires_at": None, "image_patterns": []})).json()

    assert {name: changed[name] for name in patch} == patch
    assert changed["version"] == 2
    assert back["expires_at"] is None
    assert back["image_patterns"] == []
    assert back["name"] == "renamed"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "k"}, "role"),
        ({"name": "k", "role": "owner"}, "role"),
        ({"name": "k", "role": None}, "role"),
        ({"name": "k", "role": "viewer", "operator": "true"}, "operator"),
        ({"name": "a/b", "role": "viewer"}, "name"),
        ({"name": "k", "role": "viewer", "expires_at": "2029-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "k", "role": "viewer", "expires_at": 1}, "expires_at"),
        ({"name": "k", "role": "viewer", "image_patterns": "x"}, "image_patterns"),
        ({"name": "k", "role": "viewer", "image_patterns": [1]}, "image_patterns.0"),
        ({"name": "k", "role": "viewer", "image_patterns": ["a", "x y"]}, "image_patterns.1"),
        ({"name": "k", "role": "viewer", "image_patterns": ["a.b"] * 65}, "image_patterns"),
    ],
)
async def test_a_bad_key_is_told_by_field(world: World, body: Any, field: str) -> None:
    reply = await world.send("POST", KEYS, body)

    assert problem(reply) == "invalid-input"
    assert [each["field"] for each in reply.json()["errors"]] == [field]


async def test_only_an_operator_makes_an_operators_key(world: World) -> None:
    body = {"name": "k", "role": "admin", "operator": True}

    assert problem(await world.send("POST", KEYS, body)) == "access-denied"
    assert (await world.send("POST", KEYS, body, key="operator")).json()["operator"] is True


async def test_lists_of_keys_and_projects_are_paged(world: World) -> None:
    for path, key in ((KEYS, "admin"), ("/v1/projects", "operator")):
        whole = (await world.send("GET", path, key=key)).json()["items"]
        seen: list[Any] = []
        query = "?limit=1"
        while query:
            page = (await world.send("GET", path + query, key=key)).json()
            seen += page["items"]
            cursor = page["next_cursor"]
            query = f"?limit=1&cursor={cursor}" if cursor else ""
        assert seen == whole
        assert len(whole) >= 2


async def test_an_operator_makes_renames_and_deletes_projects(world: World) -> None:
    made = await world.send("POST", "/v1/projects", {"name": "shop"}, key="operator")
    path = f"/v1/projects/{made.json()['id']}"

    assert made.status_code == 201
    assert made.headers["etag"] == '"1"'
    again = await world.send("POST", "/v1/projects", {"name": "shop"}, key="operator")
    assert problem(again) == "name-taken"
    renamed = await world.send("PATCH", path, {"name": "store"}, key="operator")
    assert (renamed.json()["name"], renamed.json()["version"]) == ("store", 2)
    await world.send("POST", f"{path}/credentials", credential(), key="operator")
    assert problem(await world.send("DELETE", path, key="operator")) == "project-not-empty"
    await world.send("DELETE", f"{path}/credentials/ci-pull", key="operator")
    assert (await world.send("DELETE", path, key="operator")).status_code == 204
    assert problem(await world.send("GET", path, key="operator")) == "project-not-found"


async def test_an_operators_home_stays(world: World) -> None:
    reply = await world.send("DELETE", "/v1/projects/-", key="operator")

    assert problem(reply) == "invalid-input"


@pytest.mark.parametrize("field", ["name", "require_if_match"])
async def test_a_project_has_nothing_that_null_removes(world: World, field: str) -> None:
    reply = await world.send("PATCH", "/v1/projects/-", {field: None})

    assert reply.json()["errors"][0]["field"] == field


async def test_every_write_leaves_a_trace_with_its_request(world: World) -> None:
    headers = {"X-Request-Id": "my-request"}
    await world.send("POST", "/v1/projects/-/credentials", credential(), headers=headers)

    row = (await world.send("GET", "/v1/projects/-/audit?limit=1")).json()["items"][0]

    assert row["action"] == "credential.created"
    assert row["request_id"] == row["last_request_id"] == "my-request"
    assert row["peer"] == "192.0.2.7"
    assert row["secret_version"] == 1
    assert row["principal"].startswith("key:")
    assert row["details"] == {"name": "ci-pull"}


async def test_changed_fields_are_named_in_the_audit(world: World) -> None:
    await world.add()
    await world.send("PATCH", "/v1/projects/-/credentials/ci-pull", {"username": "x", "labels": {}})

    row = (await world.send("GET", "/v1/projects/-/audit?limit=1")).json()["items"][0]

    assert row["details"]["changed"] == ["labels", "username"]


async def test_the_audit_is_narrowed_and_paged(world: World) -> None:
    made = [await world.add(f"c{n}") for n in range(3)]
    path = "/v1/projects/-/audit"
    key = (await world.send("GET", "/v1/whoami")).json()["principal"]
    middle = made[1]["created_at"]

    async def numbers(query: str) -> list[str]:
        reply = await world.send("GET", f"{path}?action=credential.created&{query}")
        return [row["target"] for row in reply.json()["items"]]

    ids = [each["id"] for each in reversed(made)]
    assert await numbers("") == ids
    assert await numbers(f"target={ids[0]}") == ids[:1]
    assert await numbers(f"principal={key}") == ids
    assert await numbers("principal=key:nobody") == []
    assert await numbers(f"since={middle}") == ids[:2]
    assert await numbers(f"until={middle}") in (ids[1:], ids[2:])
    first = (await world.send("GET", f"{path}?action=credential.created&limit=2")).json()
    rest = await numbers(f"limit=2&cursor={first['next_cursor']}")
    assert [row["target"] for row in first["items"]] + rest == ids


@pytest.mark.parametrize(
    "query", ["action=nothing", "since=x", "principal=", "actions=key.created"]
)
async def test_a_bad_audit_filter_is_refused(world: World, query: str) -> None:
    assert problem(await world.send("GET", f"/v1/projects/-/audit?{query}")) == "invalid-input"
