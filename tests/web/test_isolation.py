"""What belongs to another project looks, byte for byte, like what does not exist."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from regcred.domain.verdict import VerdictKind
from tests.web.operations import BY_ID, CLUSTER, IMAGE, OPERATIONS, Operation, perform, targets
from tests.web.world import Reply, World, problem

ROLES = ("viewer", "puller", "editor", "admin")
MISSING_ID = "019a9c1e-ffff-7fff-bfff-ffffffffffff"
_LISTS = tuple(op for op in OPERATIONS if op.id.startswith("list") and "{project}" in op.path)


def _told(reply: Reply) -> tuple[int, bytes, list[tuple[str, str]]]:
    return reply.status_code, reply.content, sorted(reply.headers.items())


def _pairs(
    operation: Operation, own: dict[str, str], foreign: dict[str, str]
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Yield (names of something foreign, names of the same kind of thing that is missing)."""
    if "{project}" in operation.path:
        yield {**own, "project": foreign["project_id"]}, {**own, "project": MISSING_ID}
        yield {**own, "project": foreign["project_number"]}, {**own, "project": "999"}
        yield (
            {**foreign, "project": foreign["project_id"]},
            {**foreign, "project": MISSING_ID},
        )
    if "{credential}" in operation.path + operation.query:
        yield {**own, "credential": foreign["credential_id"]}, {**own, "credential": MISSING_ID}
        yield {**own, "credential": foreign["credential"]}, {**own, "credential": "target-none"}
    if "{key}" in operation.path:
        yield {**own, "key": foreign["key"]}, {**own, "key": "000000000000"}
    if "{webhook}" in operation.path:
        yield {**own, "webhook": foreign["webhook"]}, {**own, "webhook": MISSING_ID}
    if "{workload}" in operation.path:
        yield {**own, "workload": foreign["workload"]}, {**own, "workload": MISSING_ID}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
async def test_foreign_and_missing_are_one_answer(world: World, operation: Operation) -> None:
    own = await targets(world, "own")
    theirs = await targets(world, "foreign", key="foreign admin")
    shown = await world.send(
        "GET", f"/v1/projects/-/credentials/{theirs['credential']}", key="foreign admin"
    )
    theirs |= {
        "credential_id": shown.json()["id"],
        "project_id": str(world.foreign.id),
        "project_number": str(world.foreign.number),
    }
    before = await _everything(world)

    for role, (foreign, missing) in itertools.product(ROLES, _pairs(operation, own, theirs)):
        one = await perform(world, operation, who=role, **foreign)
        other = await perform(world, operation, who=role, **missing)

        assert _told(one) == _told(other), (role, foreign)
        assert problem(one).endswith("-not-found") or problem(one) == "access-denied"
        assert "foreign" not in one.text

    assert await _everything(world) == before


async def _everything(world: World) -> list[Any]:
    """Return all that the foreign project shows its own admin, reads in the audit aside."""
    paths = (
        "",
        "/keys",
        "/credentials",
        "/credentials/target-foreign/uses",
        "/credentials/target-foreign/fetches",
        "/webhooks",
        "/workloads",
        "/audit",
        "/events",
    )
    return [
        (await world.send("GET", f"/v1/projects/-{path}", key="foreign admin")).json()
        for path in paths
    ]


@pytest.mark.parametrize("operation", _LISTS, ids=lambda op: op.id)
async def test_a_list_shows_nothing_foreign(world: World, operation: Operation) -> None:
    own = await targets(world, "own")
    await targets(world, "foreign", key="foreign admin")

    reply = await perform(world, operation, **own)

    assert reply.status_code == 200
    assert "foreign" not in reply.text
    assert str(world.foreign.id) not in reply.text


@pytest.mark.parametrize("operation", _LISTS, ids=lambda op: op.id)
async def test_a_cursor_is_bound_to_its_project_and_its_list(
    world: World, operation: Operation
) -> None:
    await _many(world, "admin")
    await _many(world, "foreign admin")
    if operation.id == "listUses":
        return
    path = operation.at(credential="many-1") + "?limit=1"
    cursor = (await world.send("GET", path)).json()["next_cursor"]
    own = await world.send("GET", f"{path}&cursor={cursor}")

    elsewhere = [(path, "foreign admin")] + [
        (other.at(credential="many-1") + "?limit=1", "admin")
        for other in _LISTS
        if other.id not in {operation.id, "listUses"}
    ]
    for where, key in elsewhere:
        reply = await world.send("GET", f"{where}&cursor={cursor}", key=key)
        assert problem(reply) == "invalid-input", (where, key)
        assert reply.json()["errors"][0]["field"] == "cursor"
        assert cursor not in reply.text
    assert own.status_code == 200
    assert own.json()["items"]


async def _many(world: World, key: str) -> None:
    # Verdicts that change, so that there is news of them.
    world.registries.say(VerdictKind.REJECTED, VerdictKind.OK, VerdictKind.REJECTED)
    await world.set_up_cluster(CLUSTER)
    allow = BY_ID["allowWorkload"]
    for number in range(3):
        await world.add(f"many-{number}", key=key)
        await perform(world, BY_ID["verifyCredential"], who=key, credential="many-1")
        await perform(world, BY_ID["createWebhook"], who=key)
        fetched = {"image": IMAGE, "client": f"client-{number}"}
        await perform(world, BY_ID["resolveImage"], who=key, body=fetched)
        body = {**allow.body, "service_account": f"many-{number}"}
        await perform(world, allow, who=key, body=body)


async def test_an_operator_reaches_every_project_by_id_and_number(world: World) -> None:
    await world.add("theirs", key="foreign admin")

    for project in (str(world.foreign.id), str(world.foreign.number)):
        path = f"/v1/projects/{project}/credentials/theirs"
        assert (await world.send("GET", path, key="operator")).status_code == 200
        assert problem(await world.send("GET", path)) == "project-not-found"


@pytest.mark.parametrize(
    "project",
    [
        "0",
        "01",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "\u0661",
        str(2**53),
        "9" * 40,
        "home",
        "--",
        "{019a9c1e-0000-7000-8000-000000000001}",
        "019a9c1e000070008000000000000001",
    ],
)
async def test_what_names_no_project_is_not_found(world: World, project: str) -> None:
    path = f"/v1/projects/{project}" if project.isascii() else "/v1/projects/%D9%A1"
    path = path.replace("{", "%7B").replace("}", "%7D")

    assert problem(await world.send("GET", path, key="operator")) == "project-not-found"
