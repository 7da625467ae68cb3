"""Credentials: written with a password, shown without, changed as a whole or in part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import trustme

from regcred.domain.credential import RegistryCredential
from regcred.domain.registry import Scope
from regcred.domain.verdict import Standing, VerdictKind
from regcred.web.dialects.native.wire.credentials import CredentialPage, shown
from regcred.web.routing import rendered
from tests.fakes.registries import PUBLIC, REJECTED, TOO_OFTEN
from tests.web.world import World, credential, problem

PEM = trustme.CA().cert_pem.bytes().decode()
HERE = "/v1/projects/-/credentials"


async def test_a_stored_login_is_shown_without_its_password(world: World) -> None:
    body = credential(
        settings={"realm": "https://auth.example.com"},
        labels={"team": "shop"},
        description="two\nlines",
        expires_at="2031-01-01T02:00:00+02:00",
        password="Hunter2-never-shown",
    )
    made = await world.send("POST", HERE, body)
    shown = await world.send("GET", f"{HERE}/ci-pull")

    assert made.status_code == 201
    assert made.headers["etag"] == shown.headers["etag"] == '"1"'
    assert made.json() == shown.json()
    assert "Hunter2" not in made.text
    written = {name: value for name, value in body.items() if name != "password"}
    assert made.json() == {
        **written,
        "id": made.json()["id"],
        "number": 1,
        "project_id": str(world.home.id),
        "provider": "generic",
        "scopes": ["registry.example.com/team"],
        "expires_at": "2031-01-01T00:00:00Z",
        "created_at": made.json()["created_at"],
        "updated_at": made.json()["created_at"],
        "version": 1,
        "verdict": None,
        "withheld": False,
        "last_used_at": None,
        "last_used_by": None,
    }


WHEN = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.mark.parametrize("more", [
    {},
    {
        "registry_url": "r.example:5000/team",
        "scopes": (Scope("r.example", 5000, "team"), Scope("*.example")),
        "settings": {"realm": "https://auth.example"},
        "labels": {"team": "Łódź", "b": "a"},
        "description": "two\nlines",
        "expires_at": WHEN + timedelta(days=1),
        "standing": Standing(VerdictKind.REJECTED, WHEN, WHEN, WHEN),
        "last_used_at": WHEN + timedelta(microseconds=1),
        "last_used_by": "key:a",
    },
])  # fmt: skip
def test_what_is_shown_is_what_is_documented_to_the_byte(more: dict[str, Any]) -> None:
    ids = UUID(int=1), 1, UUID(int=2)
    login = RegistryCredential(*ids, "a", "generic", "user", WHEN, WHEN, **more)
    page = {"items": [shown(login)], "next_cursor": None}

    written = bytes(rendered(page).body)

    document = CredentialPage.model_validate_json(written, strict=False)
    assert document.model_dump_json().encode() == written


async def test_the_smallest_login_is_a_name_a_user_and_a_password(world: World) -> None:
    made = await world.send("POST", HERE, {"name": "n", "username": "u", "password": "p"})

    assert made.status_code == 201
    assert made.json()["registry_url"] is None
    assert made.json()["scopes"] == []


async def test_a_name_is_taken_once_in_a_project(world: World) -> None:
    await world.add("twice")

    assert problem(await world.send("POST", HERE, credential(name="twice"))) == "name-taken"
    assert (await world.add("twice", key="foreign admin"))["number"] == 1


@pytest.mark.parametrize(
    "name", ["with space", "a:b:1", ":verify ", "a;b", "100%", "üñï", "😀", "(x)!$&'*+,=@", ".x",
             "UPPER", "a?b#c", '"quoted"', "x" * 255, "名" * 255]
)  # fmt: skip
async def test_odd_names_are_addressed_percent_encoded(world: World, name: str) -> None:
    name = name.strip() if name != ":verify " else "x:verify 1"
    await world.add(name)
    path = f"{HERE}/{quote(name, safe='')}"

    assert (await world.send("GET", path)).json()["name"] == name
    assert (await world.send("POST", f"{path}:verify")).status_code == 200
    assert (await world.send("GET", f"{path}/verdicts")).status_code == 200
    assert (await world.send("DELETE", path)).status_code == 204


@pytest.mark.parametrize(
    "name",
    ["", " x", "x ", "a/b", "a\\b", ".", "..", "x:verify", ":x", "a\nb", "a\u202eb", "x" * 256],
)
async def test_names_that_no_path_could_carry_are_refused(world: World, name: str) -> None:
    reply = await world.send("POST", HERE, credential(name=name))

    assert problem(reply) == "invalid-input"
    assert [each["field"] for each in reply.json()["errors"]] == ["name"]


async def test_a_name_is_found_in_any_unicode_form(world: World) -> None:
    await world.add("caf\u00e9")

    found = await world.send("GET", f"{HERE}/{quote('cafe' + chr(0x301))}")

    assert found.json()["name"] == "caf\u00e9"


async def test_an_id_wins_over_a_name(world: World) -> None:
    first = await world.add("first")
    await world.add(first["id"])

    assert (await world.send("GET", f"{HERE}/{first['id']}")).json()["name"] == "first"


async def test_replace_keeps_the_id_and_takes_everything_else(world: World) -> None:
    old = await world.add("old", labels={"a": "b"}, description="x")
    reply = await world.send(
        "PUT", f"{HERE}/old", {"name": "new", "username": "u", "password": "p"}
    )

    new = reply.json()
    assert (new["id"], new["number"], new["created_at"]) == (
        old["id"], old["number"], old["created_at"],
    )  # fmt: skip
    assert (new["name"], new["labels"], new["description"], new["version"]) == ("new", {}, "", 2)
    assert reply.headers["etag"] == '"2"'
    assert problem(await world.send("GET", f"{HERE}/old")) == "credential-not-found"


async def test_replace_needs_a_password(world: World) -> None:
    await world.add()
    body = credential()
    del body["password"]

    reply = await world.send("PUT", f"{HERE}/ci-pull", body)

    assert reply.json()["errors"] == [{"field": "password", "rule": "must be given"}]


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
async def test_a_patch_changes_what_it_gives(world: World, media_type: str) -> None:
    old = await world.add(labels={"a": "1", "b": "2"}, description="kept")
    patch = '{"username": "other", "labels": {"a": null, "c": "3"}}'

    reply = await world.send(
        "PATCH", f"{HERE}/ci-pull", content=patch, headers={"Content-Type": media_type}
    )

    assert reply.json() == {
        **old,
        "username": "other",
        "labels": {"b": "2", "c": "3"},
        "version": 2,
        "updated_at": reply.json()["updated_at"],
    }
    assert await _password(world) == "a-token-with-pull-rights"


@pytest.mark.parametrize(
    ("patch", "shown"),
    [
        ({"registry_url": None}, {"registry_url": None, "scopes": []}),
        ({"description": None}, {"description": ""}),
        ({"expires_at": None}, {"expires_at": None}),
        ({"labels": None}, {"labels": {}}),
        ({"settings": None}, {"settings": {}}),
        ({"settings": {"realm": None}}, {"settings": {"ca_bundle": PEM}}),
        ({}, {}),
    ],
    ids=["registry", "description", "expiry", "labels", "settings", "one setting", "nothing"],
)
async def test_null_removes_what_is_optional(
    world: World, patch: dict[str, Any], shown: dict[str, Any]
) -> None:
    old = await world.add(
        description="x",
        expires_at="2031-01-01T00:00:00Z",
        labels={"a": "b"},
        settings={"realm": "x", "ca_bundle": PEM},
    )
    reply = await world.send("PATCH", f"{HERE}/ci-pull", patch)

    assert reply.status_code == 200
    assert {name: value for name, value in reply.json().items() if old[name] != value} == {
        **{name: value for name, value in shown.items() if old[name] != value},
        "version": 2,
        "updated_at": reply.json()["updated_at"],
    }


@pytest.mark.parametrize("field", ["name", "username", "password", "provider"])
async def test_null_does_not_remove_what_is_needed(world: World, field: str) -> None:
    await world.add()

    reply = await world.send("PATCH", f"{HERE}/ci-pull", {field: None})

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == field


async def test_a_patched_password_is_the_one_handed_out(world: World) -> None:
    await world.add()
    await world.send("PATCH", f"{HERE}/ci-pull", {"password": "a new one"})

    assert await _password(world) == "a new one"


async def test_verify_require_stores_only_what_is_accepted(world: World) -> None:
    rejected = await world.send("POST", f"{HERE}?verify=require", credential(password=REJECTED))
    unproven = await world.send("POST", f"{HERE}?verify=require", credential(password=PUBLIC))
    accepted = await world.send("POST", f"{HERE}?verify=require", credential())

    assert problem(rejected) == problem(unproven) == "credential-rejected"
    assert rejected.json()["verdict"]["verdict"] == "rejected"
    assert REJECTED not in rejected.text
    assert accepted.status_code == 201
    assert accepted.json()["verdict"]["verdict"] == "ok"
    for method, body in (("PUT", credential(password=REJECTED)), ("PATCH", {"password": REJECTED})):
        reply = await world.send(method, f"{HERE}/ci-pull?verify=require", body)
        assert problem(reply) == "credential-rejected"
    assert await _password(world) == "a-token-with-pull-rights"


@pytest.mark.parametrize(
    "query", ["verify=", "verify=true", "verify=Require", "verify=require&verify=require"]
)
async def test_verify_takes_one_value_alone(world: World, query: str) -> None:
    reply = await world.send("POST", f"{HERE}?{query}", credential())

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == "verify"
    assert world.registries.asked == []


async def test_too_many_checks_say_when_to_come_back(world: World) -> None:
    reply = await world.send("POST", f"{HERE}?verify=require", credential(password=TOO_OFTEN))

    assert problem(reply) == "quota-exceeded"
    assert reply.headers["retry-after"] == "7"


async def test_a_login_in_use_is_deleted_only_by_force(world: World) -> None:
    await world.add()
    await world.send("PUT", f"{HERE}/ci-pull/uses/deployment/web", {"lease_seconds": 60})

    refused = await world.send("DELETE", f"{HERE}/ci-pull")
    forced = await world.send("DELETE", f"{HERE}/ci-pull?force=true")

    assert problem(refused) == "credential-in-use"
    assert [(use["kind"], use["name"]) for use in refused.json()["uses"]] == [("deployment", "web")]
    assert forced.status_code == 204
    assert forced.content == b""
    assert problem(await world.send("GET", f"{HERE}/ci-pull")) == "credential-not-found"


@pytest.mark.parametrize("value", ["", "1", "yes", "TRUE"])
async def test_force_is_true_or_false(world: World, value: str) -> None:
    await world.add()

    reply = await world.send("DELETE", f"{HERE}/ci-pull?force={value}")

    assert reply.json()["errors"] == [{"field": "force", "rule": "must be true or false"}]
    assert (await world.send("DELETE", f"{HERE}/ci-pull?force=false")).status_code == 204


async def _password(world: World) -> str:
    reply = await world.send(
        "POST", "/v1/projects/-/resolve", {"image": "registry.example.com/team/app"}
    )
    return str(reply.json()["logins"][0]["password"])
