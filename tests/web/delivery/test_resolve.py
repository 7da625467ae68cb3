"""`POST …/resolve`: the documented shape and no other, and each wrong field refused."""

from __future__ import annotations

from typing import Any

import pytest

from regcred.domain.access import Role
from regcred.domain.registry import ImagePattern
from tests.fakes.registries import REJECTED
from tests.web.delivery.asking import (
    IMAGE,
    PASSWORD,
    RESOLVE,
    SAME_ID,
    actions,
    add_dead,
    names,
    resolve,
    told,
)
from tests.web.hostile import CANARY, HOSTILE_JSON
from tests.web.operations import MAY, REVEAL
from tests.web.world import World, problem

DIGEST = "sha256:" + "0" * 63 + "1"


# What is answered


async def test_an_answer_has_exactly_the_documented_shape(world: World) -> None:
    added = await world.add(expires_at="2031-01-31T12:00:00.5+01:00")

    reply = await resolve(world, f"{IMAGE}:v1@{DIGEST}")

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {
        "reference": {
            "registry": "registry.example.com",
            "repository": "team/app",
            "tag": "v1",
            "digest": DIGEST,
        },
        "logins": [
            {
                "credential": {"id": added["id"], "name": "ci-pull"},
                "registry": "registry.example.com",
                "username": "robot",
                "password": PASSWORD,
                "expires_at": "2031-01-31T11:00:00.500000Z",
            }
        ],
        "withheld": [],
    }


async def test_what_an_image_does_not_say_is_null(world: World) -> None:
    await world.add(registry_url=None)

    said = (await resolve(world, "alpine")).json()

    assert said["reference"] == {
        "registry": "docker.io",
        "repository": "library/alpine",
        "tag": None,
        "digest": None,
    }
    assert said["logins"] == said["withheld"] == []


async def test_a_login_without_an_end_says_null(world: World) -> None:
    await world.add()

    assert (await resolve(world)).json()["logins"][0]["expires_at"] is None


async def test_several_logins_come_best_first(world: World) -> None:
    await world.add("whole", registry_url="registry.example.com")
    await world.add("wide", registry_url="registry.example.com/team")
    await world.add("exact", registry_url="registry.example.com/team/app")
    await world.add("elsewhere", registry_url="registry.example.com/teams")

    assert names(await resolve(world)) == ["exact", "wide", "whole"]


async def test_any_text_of_a_password_arrives_whole(world: World) -> None:
    password = 'q"\\/\t\u00e9\u2028\U0001f600<&>'
    await world.add(password=password, username="r\u00f6bot")

    login = (await resolve(world)).json()["logins"][0]

    assert (login["username"], login["password"]) == ("r\u00f6bot", password)


async def test_the_audit_says_who_asked_for_what_with_which_client(world: World) -> None:
    added = await world.add()

    await resolve(world, f"{IMAGE}:v1", client="kubelet", headers=SAME_ID)

    row = (await world.send("GET", "/v1/projects/-/audit?limit=1")).json()["items"][0]
    assert row["action"] == "credential.revealed"
    assert (row["target"], row["request_id"], row["peer"]) == (
        added["id"], "the-same-id", "192.0.2.7",
    )  # fmt: skip
    assert (row["details"]["image"], row["details"]["client"]) == (IMAGE, "kubelet")
    assert PASSWORD not in str(row)


async def test_nothing_handed_out_is_nothing_revealed(world: World) -> None:
    await world.add()
    await resolve(world, "other.example.com/team/app")

    assert "credential.revealed" not in await actions(world)


# Withheld logins


async def test_a_dead_login_is_named_and_kept_back(world: World) -> None:
    dead = await add_dead(world)
    await world.add("live", registry_url="registry.example.com")

    reply = await resolve(world)

    assert names(reply) == ["live"]
    assert reply.json()["withheld"] == [
        {"credential": {"id": dead["id"], "name": "dead"}, "verdict": "rejected"}
    ]
    assert REJECTED not in reply.text


async def test_force_hands_a_dead_login_out(world: World) -> None:
    await add_dead(world)

    forced = await resolve(world, force=True)

    assert forced.json()["logins"][0]["password"] == REJECTED
    assert forced.json()["withheld"] == []
    assert names(await resolve(world, force=False)) == []


# What is refused


_NO_IMAGE: tuple[Any, ...] = (None, 1, True, [], {}, [IMAGE], {"x": IMAGE})
_NO_FORCE: tuple[Any, ...] = (None, 0, 1, "true", "", [], {})
_NO_CLIENT: tuple[Any, ...] = (
    None, 0, True, [], {}, "x" * 65, "a\nb", "a\x00", "\x7f", "\u202e", "\t",
)  # fmt: skip
_NO_FIELD: tuple[str, ...] = ("Image", CANARY, "", "images", "x")
_WRONG: tuple[tuple[str, str, list[dict[str, Any]]], ...] = (
    (
        "image",
        "must be given, as text",
        [{}, {"client": "x"}, *({"image": wrong} for wrong in _NO_IMAGE)],
    ),
    ("force", "must be true or false", [{"image": IMAGE, "force": no} for no in _NO_FORCE]),
    (
        "client",
        "must be at most 64 printable characters",
        [{"image": IMAGE, "client": no} for no in _NO_CLIENT],
    ),
    (
        "body",
        "must have no other fields than client, force, image",
        [{"image": IMAGE, no: IMAGE} for no in _NO_FIELD],
    ),
)


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [(body, field, rule) for field, rule, bodies in _WRONG for body in bodies],
)
async def test_each_rule_is_named_with_its_field(
    world: World, body: dict[str, Any], field: str, rule: str
) -> None:
    await world.add()

    reply = await world.send("POST", RESOLVE, body, key="puller")

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"] == [{"field": field, "rule": rule}]
    assert CANARY not in reply.text
    assert "credential.revealed" not in await actions(world)


@pytest.mark.parametrize("client", ["", "x" * 64, "kubelet/1.31 (linux)", "\u00e9"])
async def test_a_client_may_be_any_printable_text_of_64(world: World, client: str) -> None:
    await world.add()

    assert names(await resolve(world, client=client)) == ["ci-pull"]


@pytest.mark.parametrize(
    "image",
    [
        "", " ", "a b", "a/B", "registry.example.com/", "https://registry.example.com/team/app",
        "registry.example.com/team//app", "registry.example.com/team/app:", "a@sha256:1",
        "\u0430lpine", "alpine\n", "alpine\x00", "r:99999/a", "-/a", "a" * 5000, "../a", "a/..",
    ],
)  # fmt: skip
async def test_what_is_no_reference_is_refused_unquoted(world: World, image: str) -> None:
    reply = await resolve(world, image)

    assert reply.status_code == 422
    assert problem(reply) in {"invalid-reference", "invalid-input"}
    assert len(reply.json()["errors"]) == 1
    if len(image) > 3:
        assert image not in reply.json()["detail"]


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
async def test_a_body_that_readers_disagree_about_is_refused(world: World, body: bytes) -> None:
    await world.add()

    reply = await world.send(
        "POST",
        RESOLVE,
        content=body,
        key="puller",
        headers={"Content-Type": "application/json"},
    )

    assert problem(reply) == "malformed-request"
    assert CANARY not in reply.text


@pytest.mark.parametrize(
    "sent",
    [
        [],
        ["text/plain"],
        ["application/problem+json"],
        ["application/merge-patch+json"],
        ["application/json; charset=latin-1"],
        ["application/json", "application/json"],
        [""],
    ],
)
async def test_only_json_that_says_so_is_read(world: World, sent: list[str]) -> None:
    reply = await world.send(
        "POST",
        RESOLVE,
        content=b'{"image": "alpine"}',
        headers=[("Content-Type", value) for value in sent],
    )

    assert problem(reply) == "unsupported-media-type"


@pytest.mark.parametrize("sent", ["application/json", 'Application/JSON; charset="UTF-8"'])
async def test_json_may_say_that_it_is_utf_8(world: World, sent: str) -> None:
    await world.add()

    reply = await world.send(
        "POST", RESOLVE, content=f'{{"image":"{IMAGE}"}}', headers={"Content-Type": sent}
    )

    assert names(reply) == ["ci-pull"]


# Who may


@pytest.mark.parametrize("key", ["viewer", "puller", "editor", "admin", "operator"])
async def test_only_roles_that_reveal_get_logins(world: World, key: str) -> None:
    await world.add()

    reply = await resolve(world, key=key)

    if key in MAY[REVEAL]:
        assert names(reply) == ["ci-pull"]
    else:
        assert problem(reply) == "access-denied"
        assert PASSWORD not in reply.text


@pytest.mark.parametrize("force", [True, False])
async def test_a_narrowed_key_gets_what_its_patterns_cover_and_hears_of_nothing_else(
    world: World, force: bool
) -> None:
    await world.add()
    narrow = await world.make_key(
        world.home,
        Role.PULLER,
        image_patterns=(ImagePattern.parse("registry.example.com/team/app"),),
    )
    other = await world.make_key(
        world.home, Role.PULLER, image_patterns=(ImagePattern.parse("registry.example.com/else"),)
    )

    assert names(await resolve(world, key=narrow, force=force)) == ["ci-pull"]
    kept = await resolve(world, key=other, force=force, headers=SAME_ID)
    nothing = await resolve(world, key="foreign puller", force=force, headers=SAME_ID)
    assert told(kept) == told(nothing)
