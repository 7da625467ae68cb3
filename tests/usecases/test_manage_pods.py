"""Clusters are the operator's, workloads their project's; neither is lost to a race."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.errors import (
    AccessDenied,
    ClusterInUse,
    ClusterNotFound,
    IdempotencyConflict,
    InvalidInput,
    NameTaken,
    StoreUnavailable,
    VersionMismatch,
    WorkloadNotFound,
)
from regcred.domain.ports import SWAP_ATTEMPTS, AuditFilter, IdempotentRequest
from regcred.domain.workload import Cluster, Workload
from regcred.usecases.manage_clusters import ClusterDraft
from regcred.usecases.manage_workloads import WorkloadDraft
from tests.tools.issuer import AUDIENCE, ISSUER, Issuer
from tests.usecases.world import REGISTRY, START, World

JWKS = json.dumps(Issuer(START).jwks())
DRAFT = ClusterDraft(ISSUER, AUDIENCE, JWKS)
WEB = WorkloadDraft("prod-1", "shop", "web", (REGISTRY,))
ONCE = IdempotentRequest("key:K", "once", b"digest")


async def cluster(world: World, name: str = "prod-1", draft: ClusterDraft = DRAFT) -> Cluster:
    return (await world.clusters.put(world.operator, name, None, draft)).cluster


async def workload(world: World, draft: WorkloadDraft = WEB, **more: Any) -> Workload:
    return (await world.workloads.allow(world.operator, None, draft, **more)).workload


async def actions(world: World) -> list[Action]:
    rows = await world.store.list_audit(NO_PROJECT, AuditFilter(), 0, 100)
    return [row.event.action for row in reversed(rows)]


async def test_a_cluster_is_set_up_and_then_replaced_whole(world: World) -> None:
    made = await world.clusters.put(world.operator, "prod-1", None, DRAFT)
    fetched = ClusterDraft(ISSUER, AUDIENCE, None, "https://keys.example/jwks")
    world.clock.forward(hours=1)
    put = await world.clusters.put(world.operator, "prod-1", made.cluster.version, fetched)

    assert (made.created, put.created) == (True, False)
    assert put.cluster == replace(
        made.cluster,
        jwks=None,
        jwks_uri="https://keys.example/jwks",
        updated_at=world.clock.now,
        version=2,
    )
    assert await world.clusters.get(world.operator, "prod-1") == put.cluster
    assert list(await world.clusters.list(world.operator, "", 10)) == [put.cluster]
    assert await actions(world) == [Action.CLUSTER_CREATED, Action.CLUSTER_UPDATED]


async def test_clusters_are_the_operators(world: World) -> None:
    await cluster(world)
    for role in Role:
        caller = await world.caller(role)
        for act in (
            world.clusters.put(caller, "prod-1", None, DRAFT),
            world.clusters.get(caller, "prod-1"),
            world.clusters.list(caller, "", 10),
            world.clusters.delete(caller, "prod-1", None),
        ):
            with pytest.raises(AccessDenied):
                await act


@pytest.mark.parametrize(
    ("name", "draft", "field"),
    [
        ("Prod", DRAFT, "name"),
        ("prod-1", ClusterDraft("http://x", AUDIENCE, JWKS), "issuer"),
        ("prod-1", ClusterDraft(ISSUER, "", JWKS), "audience"),
        ("prod-1", ClusterDraft(ISSUER, AUDIENCE, "{}"), "jwks"),
        ("prod-1", ClusterDraft(ISSUER, AUDIENCE, None, "http://x"), "jwks_uri"),
        ("prod-1", ClusterDraft(ISSUER, AUDIENCE, None, None, "x"), "ca_bundle"),
        ("prod-1", ClusterDraft(ISSUER, AUDIENCE, JWKS, "https://x"), "jwks"),
        ("prod-1", ClusterDraft(ISSUER, AUDIENCE, JWKS, None, "x"), "jwks"),
    ],
    ids=range(8),
)
async def test_a_cluster_that_cannot_work_is_not_set_up(
    world: World, name: str, draft: ClusterDraft, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await world.clusters.put(world.operator, name, None, draft)
    assert caught.value.violations[0].field == field
    assert await actions(world) == []


async def test_what_moved_on_is_not_replaced(world: World) -> None:
    with pytest.raises(VersionMismatch):
        await world.clusters.put(world.operator, "prod-1", 1, DRAFT)
    made = await cluster(world)

    with pytest.raises(VersionMismatch):
        await world.clusters.put(world.operator, "prod-1", made.version + 1, DRAFT)
    with pytest.raises(VersionMismatch):
        await world.clusters.delete(world.operator, "prod-1", made.version + 1)


async def test_two_who_set_up_one_cluster_at_once_both_count(world: World) -> None:
    async def other() -> None:
        await cluster(world, draft=replace(DRAFT, audience="theirs"))

    world.store.before["create_cluster"] = [other]

    put = await world.clusters.put(world.operator, "prod-1", None, DRAFT)

    assert (put.created, put.cluster.version) == (False, 2)
    assert put.cluster.audience == AUDIENCE


async def test_a_cluster_deleted_meanwhile_is_set_up_anew(world: World) -> None:
    await cluster(world)

    async def other() -> None:
        await world.clusters.delete(world.operator, "prod-1", None)

    world.store.before["update_cluster"] = [other]

    assert (await world.clusters.put(world.operator, "prod-1", None, DRAFT)).created


async def test_who_never_gets_a_turn_is_told(world: World) -> None:
    await cluster(world)

    async def other() -> None:
        found = await world.store.find_cluster("prod-1")
        world.store.edit_cluster(
            found._replace(
                cluster=replace(found.cluster, version=found.cluster.version + 1),
            )
        )

    world.store.before["update_cluster"] = [other] * SWAP_ATTEMPTS

    with pytest.raises(StoreUnavailable):
        await cluster(world)


async def test_a_cluster_goes_when_nobody_pulls_by_it(world: World) -> None:
    await cluster(world)
    made = await workload(world)

    with pytest.raises(ClusterInUse):
        await world.clusters.delete(world.operator, "prod-1", None)
    await world.workloads.withdraw(world.operator, None, str(made.id))
    await world.clusters.delete(world.operator, "prod-1", None)

    with pytest.raises(ClusterNotFound):
        await world.clusters.get(world.operator, "prod-1")
    assert (await actions(world))[-1] == Action.CLUSTER_DELETED


async def test_a_service_account_is_allowed_and_withdrawn(world: World) -> None:
    await cluster(world)

    made = await workload(world)

    assert await world.workloads.get(world.operator, None, str(made.id)) == made
    assert list(await world.workloads.list(world.operator, None, "", 10)) == [made]
    told = (await world.events(Action.WORKLOAD_ALLOWED))[-1]
    assert told.target == str(made.id)
    assert told.details == {
        "service_account": "prod-1/shop/web",
        "image_patterns": (REGISTRY,),
    }
    await world.workloads.withdraw(world.operator, None, str(made.id))
    assert list(await world.workloads.list(world.operator, None, "", 10)) == []
    assert (await world.events(Action.WORKLOAD_DELETED))[-1].target == str(made.id)


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (replace(WEB, cluster="other"), "cluster"),
        (replace(WEB, namespace="shop*"), "namespace"),
        (replace(WEB, service_account=""), "service_account"),
        (replace(WEB, image_patterns=()), "image_patterns"),
    ],
    ids=range(4),
)
async def test_what_names_no_service_account_is_not_allowed(
    world: World, draft: WorkloadDraft, field: str
) -> None:
    await cluster(world)

    with pytest.raises(InvalidInput) as caught:
        await workload(world, draft)
    assert caught.value.violations[0].field == field


async def test_a_cluster_that_goes_meanwhile_is_named(world: World) -> None:
    await cluster(world)

    async def other() -> None:
        await world.clusters.delete(world.operator, "prod-1", None)

    world.store.before["create_workload"] = [other]

    with pytest.raises(InvalidInput, match="cluster"):
        await workload(world)


async def test_one_service_account_stands_once(world: World) -> None:
    await cluster(world)
    await workload(world, replace(WEB, service_account="other"))
    first = await workload(world)

    with pytest.raises(NameTaken, match=f"shop/web has a workload already \\({first.id}\\)"):
        await workload(world, replace(WEB, image_patterns=("*",)))


async def test_one_that_is_withdrawn_while_it_is_looked_for_is_not_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cluster(world)
    await workload(world)

    async def none(*_: object) -> list[Workload]:
        return []

    monkeypatch.setattr(world.store, "list_workloads", none)
    with pytest.raises(NameTaken, match="another workload has this name"):
        await workload(world)


async def test_a_request_sent_again_does_nothing(world: World) -> None:
    await cluster(world)
    made = await workload(world, idempotent=ONCE)

    again = await world.workloads.allow(world.operator, None, WEB, ONCE)

    assert (again.workload, again.replayed) == (made, True)
    with pytest.raises(IdempotencyConflict):
        await world.workloads.allow(world.operator, None, WEB, replace(ONCE, digest=b"other"))


@pytest.mark.parametrize("text", ["", "x", "urn:uuid:" + str(UUID(int=7)), str(UUID(int=7))])
async def test_what_is_no_workload_is_not_found(world: World, text: str) -> None:
    with pytest.raises(WorkloadNotFound):
        await world.workloads.get(world.operator, None, text)
