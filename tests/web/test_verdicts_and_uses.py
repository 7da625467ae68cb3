"""Checks of logins, their history, and the deployments that use them."""

from __future__ import annotations

import pytest

from tests.fakes.registries import REJECTED
from tests.web.world import World, problem

HERE = "/v1/projects/-/credentials"


async def test_every_verdict_is_a_200_with_evidence_and_a_next_step(world: World) -> None:
    await world.add(password=REJECTED)

    reply = await world.send(
        "POST", f"{HERE}/ci-pull:verify", {"image": "registry.example.com/team/a"}
    )

    assert reply.status_code == 200
    assert reply.json() == {
        "verdict": "rejected",
        "checked_at": reply.json()["checked_at"],
        "image": "registry.example.com/team/a",
        "evidence": {
            "scheme": "basic",
            "ping_status": 401,
            "granted": ["pull"],
            "anonymous": False,
        },
        "next_step": reply.json()["next_step"],
    }
    shown = (await world.send("GET", f"{HERE}/ci-pull")).json()
    assert shown["verdict"] == {
        "verdict": "rejected", "checked_at": reply.json()["checked_at"],
    }  # fmt: skip
    assert shown["version"] == 1


async def test_what_a_registry_wants_is_a_200_with_evidence_and_a_next_step(world: World) -> None:
    asked = {"registry_url": "https://r.example.com:8443"}

    reply = await world.send("POST", "/v1/projects/-/registries:probe", asked)

    assert reply.status_code == 200
    assert reply.json() == {
        "registry": "r.example.com:8443",
        "verdict": "ok",
        "asked_at": reply.json()["asked_at"],
        "evidence": {"ping_status": 401, "scheme": "basic"},
        "next_step": reply.json()["next_step"],
    }
    assert world.registries.probed == ["https://r.example.com:8443"]


async def test_two_refusals_a_minute_apart_withhold_a_login(world: World) -> None:
    await world.add(password=REJECTED)
    await world.send("POST", f"{HERE}/ci-pull:verify")
    world.clock.now = world.clock.now.replace(minute=2)
    await world.send("POST", f"{HERE}/ci-pull:verify")

    assert (await world.send("GET", f"{HERE}/ci-pull")).json()["withheld"] is True


async def test_the_history_is_newest_first_and_paged(world: World) -> None:
    await world.add()
    for _ in range(3):
        await world.send("POST", f"{HERE}/ci-pull:verify", {})

    first = (await world.send("GET", f"{HERE}/ci-pull/verdicts?limit=2")).json()
    rest = (
        await world.send("GET", f"{HERE}/ci-pull/verdicts?limit=2&cursor={first['next_cursor']}")
    ).json()

    times = [item["checked_at"] for item in first["items"] + rest["items"]]
    assert len(times) == 3
    assert times == sorted(times, reverse=True)
    assert rest["next_cursor"] is None


async def test_a_login_is_checked_without_being_stored(world: World) -> None:
    body = {
        "registry_url": "https://registry.example.com",
        "username": "u",
        "password": "Hunter2-never-stored",
        "settings": {"realm": "x"},
        "image": "registry.example.com/team/app",
    }
    reply = await world.send("POST", f"{HERE}:verify", body)

    assert reply.json()["verdict"] == "ok"
    assert (await world.send("GET", HERE)).json()["items"] == []
    assert "Hunter2" not in (await world.send("GET", "/v1/projects/-/audit")).text


LOGIN = {"registry_url": "https://registry.example.com", "username": "u", "password": "p"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{HERE}/ci-pull:verify", {}),
        (f"{HERE}:verify", LOGIN),
        (f"{HERE}?verify=require", {"name": "new", **LOGIN}),
        ("/v1/projects/-/registries:probe", {"registry_url": "r.example.com"}),
    ],
)
async def test_beyond_the_projects_checks_a_minute_it_says_when_to_come_again(
    path: str, body: object
) -> None:
    world = await World(checks_a_minute=2).populate()
    await world.add()
    for _ in range(2):
        await world.send("POST", f"{HERE}/ci-pull:verify")
    asked = list(world.registries.asked)

    reply = await world.send("POST", path, body)

    assert reply.status_code == 429
    assert problem(reply) == "quota-exceeded"
    assert reply.headers["retry-after"] == "30"
    assert (world.registries.asked, world.registries.probed) == (asked, [])


@pytest.mark.parametrize(
    "path", [f"{HERE}:verify", f"{HERE}/ci-pull:verify", "/v1/projects/-/explain"]
)
async def test_an_unreadable_image_is_told_by_its_rule(world: World, path: str) -> None:
    await world.add()
    body = (
        {"registry_url": "r.example.com", "username": "u", "password": "p"}
        if path == f"{HERE}:verify"
        else {}
    )

    reply = await world.send("POST", path, {**body, "image": "Not An Image"})

    assert problem(reply) == "invalid-reference"
    assert reply.json()["errors"][0]["field"] == "image"
    assert "Not An" not in reply.text


@pytest.mark.parametrize("verb", ["verify2", "Verify", "delete", "verify:verify"])
async def test_other_verbs_are_no_operations(world: World, verb: str) -> None:
    await world.add()

    reply = await world.send("POST", f"{HERE}/ci-pull:{verb}")

    assert problem(reply) in {"method-not-allowed", "credential-not-found"}


async def test_a_use_is_declared_listed_and_released(world: World) -> None:
    await world.add()
    path = f"{HERE}/ci-pull/uses/deployment/shop.web"

    put = await world.send("PUT", path, {"lease_seconds": 60})
    kept = await world.send("PUT", f"{HERE}/ci-pull/uses/job/nightly")
    listed = (await world.send("GET", f"{HERE}/ci-pull/uses")).json()

    assert put.json()["expires_at"] > put.json()["created_at"]
    assert kept.json()["expires_at"] is None
    assert [item["name"] for item in listed["items"]] == ["shop.web", "nightly"]
    assert listed["next_cursor"] is None
    assert (await world.send("DELETE", path)).status_code == 204
    assert problem(await world.send("DELETE", path)) == "use-not-found"


@pytest.mark.parametrize("lease", [0, -1, 366 * 24 * 3600 + 1, 2**63 - 1, 1.5, "60", True])
async def test_a_lease_is_a_bounded_number_of_seconds(world: World, lease: object) -> None:
    await world.add()

    reply = await world.send("PUT", f"{HERE}/ci-pull/uses/a/b", {"lease_seconds": lease})

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == "lease_seconds"


async def test_explain_names_logins_ranks_and_clients(world: World) -> None:
    made = await world.add()
    await world.add("other", registry_url="registry.example.com/else")

    said = (
        await world.send(
            "POST", "/v1/projects/-/explain", {"image": "registry.example.com/team/app:1"}
        )
    ).json()

    assert said["reference"] == {
        "registry": "registry.example.com", "repository": "team/app", "tag": "1", "digest": None,
    }  # fmt: skip
    assert [(c["credential"]["name"], c["rank"]) for c in said["candidates"]] == [
        ("ci-pull", 1), ("other", None),
    ]  # fmt: skip
    assert {"docker", "podman", "crane", "containerd", "kubelet"} < set(said["clients"])
    assert said["clients"]["crane"]["tried"] == [
        {
            "credential": {"id": made["id"], "name": "ci-pull"},
            "as": "registry.example.com/team/app",
        }
    ]
    assert "password" not in str(said)


async def test_docker_login_stores_lists_and_erases(world: World) -> None:
    here = "/v1/projects/-/docker-credential"
    stored = {"ServerURL": "https://r.example.com", "Username": "u", "Secret": "Hunter2-kept"}

    assert (await world.send("POST", f"{here}/store", stored)).status_code == 204
    listed = await world.send("GET", f"{here}/list")
    assert listed.json() == {"r.example.com": "u"}
    assert "Hunter2" not in listed.text
    plain = {"Content-Type": "text/plain"}
    got = await world.send("POST", f"{here}/get", content="https://r.example.com", headers=plain)
    assert got.json()["Secret"] == "Hunter2-kept"
    erased = await world.send(
        "POST", f"{here}/erase", content="https://r.example.com\n", headers=plain
    )
    assert erased.status_code == 204
    again = await world.send("POST", f"{here}/erase", content="r.example.com", headers=plain)
    assert problem(again) == "credential-not-found"


@pytest.mark.parametrize("body", [b"", b"\xff", b"x" * 2049, "é".encode()])
async def test_a_server_key_is_short_ascii(world: World, body: bytes) -> None:
    reply = await world.send("POST", "/v1/projects/-/docker-credential/erase", content=body)

    assert problem(reply) == "malformed-request"
    assert reply.json()["errors"][0]["field"] == "ServerURL"
