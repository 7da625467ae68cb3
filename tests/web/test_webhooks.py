"""Webhooks over the wire: the secret in one answer, versions, and what a test says."""

from __future__ import annotations

from typing import Any

import pytest

from regcred.domain.errors import QuotaExceeded
from regcred.domain.event import EventKind
from regcred.domain.webhook import MAX_WEBHOOKS, DeliveryStatus
from tests.web.world import World, problem

HOOKS = "/v1/projects/-/webhooks"
URL = "https://hooks.example.com/in?token=of-the-receiver"
GIVEN = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"


async def make(world: World, **more: Any) -> Any:
    reply = await world.send("POST", HOOKS, {"url": URL, **more})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_a_secret_is_shown_once(world: World) -> None:
    reply = await world.send("POST", HOOKS, {"url": URL, "kinds": ["verdict.changed"]})
    made = reply.json()
    shown = await world.send("GET", f"{HOOKS}/{made['id']}")
    listed = await world.send("GET", HOOKS)

    secret, note = made.pop("secret"), made.pop("note")
    assert secret.startswith("whsec_")
    assert note is None
    assert made == shown.json()
    assert made["url"] == URL
    assert made["kinds"] == ["verdict.changed"]
    assert (made["last_status"], made["last_at"]) == (None, None)
    assert listed.json() == {"items": [made], "next_cursor": None}
    assert secret not in shown.text + listed.text
    assert reply.headers["etag"] == shown.headers["etag"] == '"1"'


async def test_a_given_secret_is_not_said_back(world: World) -> None:
    reply = await world.send("POST", HOOKS, {"url": URL, "secret": GIVEN})
    rotated = await world.send(
        "POST", f"{HOOKS}/{reply.json()['id']}:rotate-secret", {"secret": GIVEN}
    )

    for answer in (reply, rotated):
        assert answer.json()["secret"] is None
        assert answer.json()["note"]
        assert GIVEN not in answer.text
    assert await sealed_with(world) == GIVEN


async def sealed_with(world: World) -> str:
    """Return what the only webhook's test message is signed with."""
    (one,) = (await world.send("GET", HOOKS)).json()["items"]
    await world.send("POST", f"{HOOKS}/{one['id']}:test")
    return world.sender.sent[-1][1].reveal()


@pytest.mark.parametrize("body", [None, {}, {"secret": None}])
async def test_a_rotated_secret_is_shown_once_and_counts_at_once(world: World, body: Any) -> None:
    made = await make(world)
    rotated = await world.send("POST", f"{HOOKS}/{made['id']}:rotate-secret", body)

    new = rotated.json()["secret"]
    assert rotated.status_code == 200
    assert rotated.headers["etag"] == '"2"'
    assert new not in {None, made["secret"]}
    assert await sealed_with(world) == new


async def test_a_replayed_creation_shows_no_secret(world: World) -> None:
    once = {"Idempotency-Key": "once"}
    first = await world.send("POST", HOOKS, {"url": URL}, headers=once)
    again = await world.send("POST", HOOKS, {"url": URL}, headers=once)
    other = await world.send("POST", HOOKS, {"url": f"{URL}2"}, headers=once)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["secret"] is None
    assert "shown then" in again.json()["note"]
    assert first.json()["secret"] not in again.text
    assert problem(other) == "idempotency-conflict"
    assert len((await world.send("GET", HOOKS)).json()["items"]) == 1


async def test_changed_in_part_at_a_version(world: World) -> None:
    made = await make(world, kinds=["expiry.near"])
    path = f"{HOOKS}/{made['id']}"
    moved = await world.send(
        "PATCH", path, {"url": "https://b.example"}, headers={"If-Match": '"1"'}
    )
    stale = await world.send("PATCH", path, {"disabled": True}, headers={"If-Match": '"1"'})
    star = await world.send("PATCH", path, {"disabled": True}, headers={"If-Match": "*"})

    assert (moved.json()["url"], moved.json()["kinds"]) == ("https://b.example", ["expiry.near"])
    assert moved.headers["etag"] == '"2"'
    assert problem(stale) == "version-mismatch"
    assert star.json()["disabled"] is True
    assert star.json()["version"] == 3


async def test_deleted_at_a_version(world: World) -> None:
    path = f"{HOOKS}/{(await make(world))['id']}"
    stale = await world.send("DELETE", path, headers={"If-Match": '"7"'})
    gone = await world.send("DELETE", path, headers={"If-Match": '"1"'})

    assert problem(stale) == "version-mismatch"
    assert gone.status_code == 204
    assert problem(await world.send("GET", path)) == "webhook-not-found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": "http://hooks.example.com"}, "url"),
        ({"url": "https://user:pass@hooks.example.com"}, "url"),
        ({"url": "https://127.1/"}, "url"),
        ({"url": URL, "kinds": "verdict.changed"}, "kinds"),
        ({"url": URL, "kinds": ["webhook.test"]}, "kinds.0"),
        ({"url": URL, "kinds": [["x"]]}, "kinds.0"),
        ({"url": URL, "kinds": [7]}, "kinds.0"),
        ({"url": URL, "disabled": "no"}, "disabled"),
        ({"url": URL, "secret": "hunter2-hunter2-hunter2-hunter2"}, "secret"),
        ({"url": URL, "secret": ""}, "secret"),
        ({"url": URL, "secret": 7}, "secret"),
        ({"url": URL, "last_status": "delivered"}, "body"),
    ],
)
async def test_what_breaks_a_rule_is_named_and_not_repeated(
    world: World, body: dict[str, Any], field: str
) -> None:
    reply = await world.send("POST", HOOKS, body)

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == field
    for said in ("hunter2", "pass", "127.1"):
        assert said not in reply.text.replace("password", "")
    assert (await world.send("GET", HOOKS)).json()["items"] == []


async def test_http_is_for_hosts_that_the_operator_allows_it_for(world: World) -> None:
    assert (await make(world, url="http://plain.example.com:8080/x"))["url"].startswith("http:")


async def test_there_is_an_end_to_their_number(world: World) -> None:
    for _ in range(MAX_WEBHOOKS):
        await make(world)

    reply = await world.send("POST", HOOKS, {"url": URL})
    assert (reply.status_code, problem(reply)) == (409, "too-many-webhooks")
    page = (await world.send("GET", f"{HOOKS}?limit=15")).json()
    rest = (await world.send("GET", f"{HOOKS}?limit=15&cursor={page['next_cursor']}")).json()
    assert len({one["id"] for one in page["items"] + rest["items"]}) == MAX_WEBHOOKS


@pytest.mark.parametrize("status", DeliveryStatus)
async def test_a_test_says_what_came_and_every_outcome_is_a_200(
    world: World, status: DeliveryStatus
) -> None:
    made = await make(world)
    world.sender.says = status
    reply = await world.send("POST", f"{HOOKS}/{made['id']}:test")

    assert (reply.status_code, reply.json()) == (200, {"status": str(status)})


async def test_a_test_beyond_the_quota_is_told_when_to_come_again(world: World) -> None:
    made = await make(world)
    world.sender.says = QuotaExceeded("messages to webhooks", 7)
    reply = await world.send("POST", f"{HOOKS}/{made['id']}:test")

    assert problem(reply) == "quota-exceeded"
    assert reply.headers["retry-after"] == "7"


async def test_a_test_beyond_the_projects_checks_is_a_429() -> None:
    world = await World(checks_a_minute=2).populate()
    path = f"{HOOKS}/{(await make(world))['id']}:test"
    replies = [await world.send("POST", path) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert problem(replies[-1]) == "quota-exceeded"
    assert replies[-1].headers["retry-after"] == "30"
    assert len(world.sender.sent) == 2


async def test_a_narrowed_admin_has_no_webhooks(world: World) -> None:
    """Events tell of every login of the project."""
    made = await make(world)
    narrowed = await world.send(
        "POST", "/v1/projects/-/keys",
        {"name": "n", "role": "admin", "image_patterns": ["registry.example.com/team"]},
    )  # fmt: skip
    key = narrowed.json()["key"]

    for reply in (
        await world.send("GET", HOOKS, key=key),
        await world.send("GET", f"{HOOKS}/{made['id']}", key=key),
        await world.send("POST", HOOKS, {"url": URL}, key=key),
    ):
        assert problem(reply) == "access-denied"


async def test_the_audit_tells_of_the_host_and_never_of_the_address(world: World) -> None:
    """A path or query may hold a token of the receiver."""
    made = await make(world)
    path = f"{HOOKS}/{made['id']}"
    await world.send("PATCH", path, {"url": f"{URL}&more=1"})
    await world.send("POST", f"{path}:rotate-secret")
    await world.send("POST", f"{path}:test")
    await world.send("DELETE", path)
    audit = await world.send("GET", "/v1/projects/-/audit")

    mine = [row for row in audit.json()["items"] if row["target"] == made["id"]]
    assert [row["action"] for row in mine] == [
        "webhook.deleted",
        "webhook.tested",
        "webhook.updated",
        "webhook.updated",
        "webhook.created",
    ]
    assert {row["details"]["host"] for row in mine} == {"hooks.example.com"}
    assert "of-the-receiver" not in audit.text


async def test_the_document_tells_of_every_kind_and_status(world: World) -> None:
    document = (await world.send("GET", "/v1/openapi.json", key=None)).json()
    schemas = document["components"]["schemas"]

    assert set(schemas["DeliveryStatus"]["enum"]) == set(DeliveryStatus)
    kinds = schemas["NewWebhook"]["properties"]["kinds"]["items"]["enum"]
    assert set(kinds) == set(EventKind)
