"""Every constraint of every field refuses at its boundary: in shape, in words, with no trace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.dialects import bad_input
from tests.web.dialects.bad_input import CANARY, Case
from tests.web.dialects.contracts import VENDORS, Operation, contract, operations, resolved
from tests.web.dialects.driver import Said, Speaker, everything
from tests.web.hostile import HOSTILE_TEXTS
from tests.web.world import Reply

WRITES = [
    pytest.param(vendor, one, id=one.id)
    for vendor in VENDORS
    for one in operations(contract(vendor))
    if one.body is not None
]
CREATES = [param for param in WRITES if param.values[1].method == "POST"]  # type: ignore[union-attr]  # params hold operations
_NOT_SHOWN = {"count", "results", "data", "total", "offset", "limit", "message", "code"}


async def _prepared(speaker: Speaker, one: Operation) -> tuple[str, dict[str, Any]]:
    """Return where an operation's requests go, and a body that it takes."""
    driver = speaker.driver
    if one.method == "POST":
        said = driver.create("docker-hub")
    else:
        said = driver.change(await speaker.add("docker-hub"), "a-new-password")
    return said.path, dict(said.body or {})


def _shown_only(vendor: str) -> set[str]:
    """Return every field that the vendor's answers show."""
    schemas = resolved(contract(vendor)["components"]["schemas"], contract(vendor))
    shown = {name for schema in schemas.values() for name in schema["properties"]}
    return shown - _NOT_SHOWN | {"project", "version", "secret_version", "verified_at", "number"}


def _check_refusal(speaker: Speaker, reply: Reply, case: Case) -> None:
    driver = speaker.driver
    body_status = 422 if driver.name == "sevalla" else 400
    unreadable = not isinstance(case.body, dict)
    assert reply.status_code == (400 if unreadable else body_status), (case.label, reply.text)
    driver.check_error(reply)
    assert CANARY[:12] not in reply.text + str(reply.headers), case.label
    assert case.field in driver.blamed(reply), (case.label, reply.text)


@pytest.mark.parametrize(("name", "one"), WRITES)
async def test_what_breaks_a_rule_of_the_contract_is_refused(
    speaker: Speaker, one: Operation
) -> None:
    path, good = await _prepared(speaker, one)
    before = await everything(speaker.world)
    cases = list(bad_input.refused(one, good, _shown_only(speaker.driver.name)))

    for case in cases:
        _check_refusal(speaker, await speaker.say(Said(one.method, path, case.body)), case)

    assert len(cases) > 25
    assert await everything(speaker.world) == before


@pytest.mark.parametrize(("name", "one"), WRITES)
async def test_what_goes_as_far_as_the_contract_is_taken(speaker: Speaker, one: Operation) -> None:
    path, good = await _prepared(speaker, one)
    for number, case in enumerate(bad_input.taken(one, good)):
        body = dict(case.body)
        if one.method == "POST" and case.field != "name":
            body["name"] = f"name-{number}"

        reply = await speaker.say(Said(one.method, path, body))

        assert reply.status_code in {200, 201}, (case.label, reply.text)
        shown = str(reply.json())
        if case.field == "name":
            assert case.body["name"] in shown


@pytest.mark.parametrize(("name", "one"), CREATES)
async def test_texts_that_deceive_are_stored_nowhere(speaker: Speaker, one: Operation) -> None:
    """Every free text, also where the vendor has no rule: the service's own rules still hold."""
    path, good = await _prepared(speaker, one)
    deceiving = {label: text for label, text in HOSTILE_TEXTS.items() if label not in _HARMLESS}
    for field in (one.body or {})["properties"]:
        if field == speaker.driver.secret:
            continue  # a password may hold anything but NUL
        for label, text in deceiving.items():
            reply = await speaker.say(Said("POST", path, {**good, field: text}))
            assert reply.status_code in {400, 422}, (field, label)
            speaker.driver.check_error(reply)
            assert field in speaker.driver.blamed(reply), (field, label)

    assert await speaker.list() == []


# To a registry's free text or a user name these are texts like others.
_HARMLESS = {"surrounding space", "slash", "dot dot", "backslash"}


@pytest.mark.parametrize(("name", "one"), WRITES)
async def test_a_password_that_no_store_holds_is_refused(speaker: Speaker, one: Operation) -> None:
    path, good = await _prepared(speaker, one)

    said = Said(one.method, path, {**good, speaker.driver.secret: "nul\0" * 4})
    reply = await speaker.say(said)

    assert reply.status_code in {400, 422}
    speaker.driver.check_error(reply)


NUMBERS = [
    pytest.param("gcore", "limit", 1, 1000, id="gcore limit"),
    pytest.param("gcore", "offset", 0, None, id="gcore offset"),
    pytest.param("sevalla", "limit", 1, 100, id="sevalla limit"),
    pytest.param("sevalla", "offset", 0, 10_000, id="sevalla offset"),
]


@pytest.mark.parametrize(("name", "parameter", "least", "most"), NUMBERS)
async def test_pages_are_bounded_as_documented(
    speaker: Speaker, parameter: str, least: int, most: int | None
) -> None:
    await speaker.add("docker-hub")
    path = speaker.driver.collection
    beyond = [str(most + 1)] if most else []
    odd = ("-1", "1.0", "1e1", "01", "+1", "%201", "", "x", "0x1", "%D9%A3", "9" * 50 + "x")

    for text in (str(least - 1), *beyond, *odd):
        reply = await speaker.refused(Said("GET", f"{path}?{parameter}={text}"), 400)
        assert parameter in speaker.driver.blamed(reply), text
    await speaker.refused(Said("GET", f"{path}?{parameter}={least}&{parameter}={least}"), 400)
    for number in (least, most if most is not None else 10**50):
        reply = await speaker.say(Said("GET", f"{path}?{parameter}={number}"))
        assert reply.status_code == 200, number
    reply = await speaker.say(Said("GET", f"{path}?surprise=1&order_by=name"))
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "ref",
    ["x", "1.0", "01", "+1", "%201", "1%20", "0x1", "%D9%A3", str(2**63), "-" + str(2**63 + 1)],
)
@pytest.mark.parametrize("name", ["yotta"])
async def test_a_number_that_is_none_is_a_bad_request(speaker: Speaker, ref: str) -> None:
    await speaker.add("docker-hub")
    for method in ("GET", "DELETE"):
        reply = await speaker.refused(speaker.at(ref, method), 400)
        assert speaker.driver.blamed(reply) == {"id"}
    for missing in ("0", "-1", "2", str(2**63 - 1), str(-(2**63))):
        await speaker.refused(speaker.at(missing), 404)


@pytest.mark.parametrize(
    "ref",
    [
        "x", "1", "019a9c1e000070008000000000000001", "{019a9c1e-0000-7000-8000-000000000001}",
        "019a9c1e-0000-9000-8000-000000000001", "019a9c1e-0000-7000-c000-000000000001",
        "019a9c1e-0000-7000-8000-00000000000g", "019a9c1e-0000-7000-8000-000000000001%0A",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["sevalla"])
async def test_an_id_that_is_none_is_a_bad_request(speaker: Speaker, ref: str) -> None:
    path = ref.replace("{", "%7B").replace("}", "%7D")
    for method in ("GET", "DELETE"):
        await speaker.refused(speaker.at(path, method), 400)
    for missing in (
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "019A9C1E-FFFF-7FFF-BFFF-FFFFFFFFFFFF",
    ):
        await speaker.refused(speaker.at(missing), 404)


@pytest.mark.parametrize("project", ["x", "1.0", "01", "+1", "%201", "0x1", "%D9%A3", "-"])
@pytest.mark.parametrize("name", ["gcore"])
async def test_a_project_that_is_none(speaker: Speaker, project: str) -> None:
    """400 where the vendor documents one; its documents have none for deleting a login."""
    path = f"/cloud/v3/inference/{project}/registry_credentials"
    reply = await speaker.refused(Said("GET", path), 400)
    assert speaker.driver.blamed(reply) == {"project_id"}
    for method in ("GET", "DELETE"):
        await speaker.refused(Said(method, f"{path}/docker-hub"), 404)


@pytest.mark.parametrize("project", ["0", "-1", "2", "999", str(2**63), str(2**80)])
@pytest.mark.parametrize("name", ["gcore"])
async def test_a_project_that_is_not_the_keys(speaker: Speaker, project: str) -> None:
    await speaker.world.add("theirs", key="foreign admin")
    path = f"/cloud/v3/inference/{project}/registry_credentials"
    for said in (
        Said("GET", path),
        Said("POST", path, speaker.driver.create("docker-hub").body),
        Said("GET", f"{path}/theirs"),
        Said("DELETE", f"{path}/theirs"),
    ):
        reply = await speaker.refused(said, 404)
        assert reply.json()["message"] == "no such project"


@pytest.mark.parametrize("ref", ["x", "a", "Docker-Hub", "docker_hub", "docker-hub%0A", "%20", "é"])
@pytest.mark.parametrize("name", ["gcore"])
async def test_a_name_that_nothing_has_is_not_found(speaker: Speaker, ref: str) -> None:
    await speaker.add("docker-hub")
    path = ref.replace("é", "%C3%A9")

    for method in ("GET", "DELETE"):
        await speaker.refused(speaker.at(path, method), 404)


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("yotta", "/openapi/v1/credentials/create", {"name": "n", "username": "u", "token": "t"}),
    ],
)
async def test_the_older_version_refuses_alike(
    speaker: Speaker, path: str, body: dict[str, Any]
) -> None:
    bad = [
        {**body, "name": "1"}, {**body, "name": "a" * 21}, {**body, "name": "abc\n"},
        {**body, "username": ""}, {**body, "username": "u" * 256}, {**body, "token": ""},
        {**body, "token": CANARY * 30}, {**body, "token": None}, {**body, "password": CANARY},
        {**body, "type": "GCR"}, {"name": "n", "username": "u"},
    ]  # fmt: skip
    for one in bad:
        reply = await speaker.refused(Said("POST", path, one), 400)
        assert CANARY not in reply.text
    assert await speaker.list() == []
