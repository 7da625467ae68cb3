"""What every store promises about clusters, workloads, and what a pod's token finds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.errors import (
    ClusterInUse,
    ClusterNotFound,
    InvalidInput,
    NameTaken,
    ProjectNotFound,
    VersionMismatch,
    WorkloadNotFound,
)
from regcred.domain.ports import (
    AlreadyDone,
    IdempotentRequest,
    ProjectRef,
    StoredCluster,
    StoredWorkload,
)
from regcred.domain.workload import Cluster, TokenIssuer, Workload
from tests.adapters.storage.samples import (
    DIGEST,
    HOST,
    STAMP,
    START,
    World,
    a_cluster,
    a_workload,
    event,
    new_id,
)

ISSUER = "https://issuer.example"
ANOTHER_STAMP = b"t" * 32


def deleted(cluster: Cluster) -> Any:
    return event(Action.CLUSTER_DELETED, NO_PROJECT, cluster.id)


async def change(world: World, cluster: Cluster, expected: int | None, **changes: Any) -> Cluster:
    new = replace(cluster, **changes)
    done = event(Action.CLUSTER_UPDATED, NO_PROJECT, new.id, secret_version=cluster.version + 1)
    return await world.store.update_cluster(StoredCluster(new, ANOTHER_STAMP), expected, done)


async def found(
    world: World,
    namespace: str = "shop",
    account: str = "web",
    audience: str = "prod-1",
    project: ProjectRef | None = None,
) -> set[str]:
    claimed = TokenIssuer(ISSUER, audience, namespace, account)
    read = await world.store.read_for_pod(claimed, project)
    workloads = [stored.workload for stored in read.workloads]
    return {f"{w.namespace}/{w.service_account}" for w in workloads}


# Clusters


async def test_a_cluster_is_read_as_it_was_stored(world: World) -> None:
    given = a_cluster(jwks=None, jwks_uri="https://issuer.example/keys", ca_bundle="PEM")

    made = await world.store.create_cluster(
        StoredCluster(given, STAMP), event(Action.CLUSTER_CREATED, NO_PROJECT, given.id)
    )

    assert made == given
    assert await world.store.find_cluster("prod-1") == StoredCluster(given, STAMP)
    assert await world.actions(NO_PROJECT) == [Action.CLUSTER_CREATED]


async def test_clusters_are_listed_by_name(world: World) -> None:
    for name in ("b", "a", "c"):
        await world.add_cluster(name)

    async def names(after: str, limit: int) -> list[str]:
        return [cluster.name for cluster in await world.store.list_clusters(after, limit)]

    assert await names("", 2) == ["a", "b"]
    assert await names("b", 2) == ["c"]


async def test_a_name_is_one_clusters(world: World) -> None:
    await world.add_cluster("prod-1")

    with pytest.raises(NameTaken):
        await world.add_cluster("prod-1", audience="another")
    assert len(await world.actions(NO_PROJECT)) == 1


async def test_issuer_and_audience_are_one_clusters(world: World) -> None:
    await world.add_cluster("one", audience="shared")
    other = await world.add_cluster("two", audience="shared", issuer="https://b.example")

    with pytest.raises(InvalidInput, match="audience"):
        await world.add_cluster("three", audience="shared")
    with pytest.raises(InvalidInput, match="audience"):
        await change(world, other, None, issuer=ISSUER)
    assert (await world.store.find_cluster("two")).cluster == other


async def test_a_change_keeps_name_id_and_creation_and_counts_up(world: World) -> None:
    cluster = await world.add_cluster()
    later = START + timedelta(hours=1)

    changed = await change(world, cluster, 1, audience="x", jwks='{"keys":[]}', updated_at=later)

    expected = replace(cluster, audience="x", jwks='{"keys":[]}', updated_at=later, version=2)
    assert changed == expected
    assert await world.store.find_cluster("prod-1") == StoredCluster(expected, ANOTHER_STAMP)


async def test_a_change_of_another_version_is_refused(world: World) -> None:
    cluster = await world.add_cluster()
    await change(world, cluster, 1)

    with pytest.raises(VersionMismatch):
        await change(world, cluster, 1)
    with pytest.raises(ClusterNotFound):
        await change(world, replace(cluster, id=new_id()), None)
    with pytest.raises(VersionMismatch):
        await world.store.delete_cluster("prod-1", 1, deleted(cluster))


async def test_a_deleted_cluster_is_gone(world: World) -> None:
    cluster = await world.add_cluster()

    await world.store.delete_cluster("prod-1", 1, deleted(cluster))

    with pytest.raises(ClusterNotFound):
        await world.store.find_cluster("prod-1")
    with pytest.raises(ClusterNotFound):
        await world.store.delete_cluster("prod-1", None, deleted(cluster))


async def test_a_cluster_with_workloads_stays(world: World) -> None:
    cluster = await world.add_cluster()
    workload = await world.add_workload(cluster)

    with pytest.raises(ClusterInUse):
        await world.store.delete_cluster("prod-1", None, deleted(cluster))
    await world.store.delete_workload(
        world.id, workload.id, event(Action.WORKLOAD_DELETED, world.id, workload.id)
    )
    await world.store.delete_cluster("prod-1", None, deleted(cluster))


async def test_of_a_deletion_and_a_new_workload_one_comes_first(world: World) -> None:
    cluster = await world.add_cluster()

    done = await asyncio.gather(
        world.store.delete_cluster("prod-1", None, deleted(cluster)),
        world.add_workload(cluster),
        return_exceptions=True,
    )

    assert sum(isinstance(one, ClusterInUse | ClusterNotFound) for one in done) == 1


# Workloads


async def test_a_workload_is_read_as_it_was_stored(world: World) -> None:
    cluster = await world.add_cluster()
    given = a_workload(world.id, cluster, images=("r.example/shop", "*.example:5000"))

    done = event(Action.WORKLOAD_ALLOWED, world.id, given.id)
    made = await world.store.create_workload(StoredWorkload(given, STAMP), done)

    assert made == given
    assert await world.store.find_workload(world.id, given.id) == given
    assert (await world.actions())[-1] == Action.WORKLOAD_ALLOWED


async def test_workloads_are_listed_by_id_within_their_project(world: World) -> None:
    cluster = await world.add_cluster()
    other = await world.add_project("other")
    own = [await world.add_workload(cluster, service_account=f"a{n}") for n in range(3)]
    theirs = await world.add_workload(cluster, other.id)

    async def listed(after: str) -> list[Workload]:
        return list(await world.store.list_workloads(world.id, after, 2))

    assert await listed("") == own[:2]
    assert await listed(str(own[1].id)) == own[2:]
    with pytest.raises(WorkloadNotFound):
        await world.store.find_workload(world.id, theirs.id)


async def test_a_service_account_stands_in_a_project_once(world: World) -> None:
    cluster = await world.add_cluster()
    other = await world.add_project("other")
    await world.add_workload(cluster)

    with pytest.raises(NameTaken):
        await world.add_workload(cluster, images=("elsewhere.example",))
    await world.add_workload(cluster, other.id)
    await world.add_workload(cluster, namespace="*")


async def test_a_workload_needs_its_project_and_its_cluster(world: World) -> None:
    cluster = await world.add_cluster()

    with pytest.raises(ProjectNotFound):
        await world.add_workload(cluster, new_id())
    with pytest.raises(ClusterNotFound):
        await world.add_workload(a_cluster("never stored"))


async def test_a_workload_sent_again_is_made_once(world: World) -> None:
    cluster = await world.add_cluster()
    workload = a_workload(world.id, cluster)
    request = IdempotentRequest("key:tester", "k", DIGEST)
    done = event(Action.WORKLOAD_ALLOWED, world.id, workload.id)
    await world.store.create_workload(StoredWorkload(workload, STAMP), done, request)

    with pytest.raises(AlreadyDone) as caught:
        await world.store.create_workload(StoredWorkload(workload, STAMP), done, request)
    assert caught.value.resource_id == str(workload.id)


async def test_a_withdrawn_workload_is_gone_and_never_another_projects(world: World) -> None:
    cluster = await world.add_cluster()
    other = await world.add_project("other")
    workload = await world.add_workload(cluster)
    gone = event(Action.WORKLOAD_DELETED, world.id, workload.id)

    with pytest.raises(WorkloadNotFound):
        await world.store.delete_workload(other.id, workload.id, gone)
    await world.store.delete_workload(world.id, workload.id, gone)

    with pytest.raises(WorkloadNotFound):
        await world.store.delete_workload(world.id, workload.id, gone)
    assert await found(world) == set()
    assert await world.actions(other.id) == [Action.PROJECT_CREATED]


async def test_a_projects_workloads_go_with_it(world: World) -> None:
    cluster = await world.add_cluster()
    other = await world.add_project("other")
    await world.add_workload(cluster, other.id)

    await world.store.delete_project(
        other.id, None, event(Action.PROJECT_DELETED, other.id, other.id)
    )

    assert await found(world) == set()
    await world.store.delete_cluster("prod-1", None, deleted(cluster))


# What a token finds


async def test_a_token_finds_its_cluster_with_the_stamps(world: World) -> None:
    cluster = await world.add_cluster()
    workload = await world.add_workload(cluster)
    claimed = TokenIssuer(ISSUER, "prod-1", "shop", "web")

    read = await world.store.read_for_pod(claimed, None)

    assert read.cluster == StoredCluster(cluster, STAMP)
    assert list(read.workloads) == [StoredWorkload(workload, STAMP)]


@pytest.mark.parametrize(
    ("issuer", "audience"),
    [(ISSUER + "/", "prod-1"), (ISSUER, "prod-2"), (ISSUER.upper(), "prod-1"), ("\0", "\ud800")],
)
async def test_a_token_of_nobody_finds_nothing(world: World, issuer: str, audience: str) -> None:
    await world.add_workload(await world.add_cluster())

    read = await world.store.read_for_pod(TokenIssuer(issuer, audience, "shop", "web"), None)

    assert (read.cluster, list(read.workloads)) == (None, [])


async def test_a_star_stands_for_a_whole_name_and_only_where_it_was_written(world: World) -> None:
    cluster = await world.add_cluster()
    for namespace, account in (("shop", "web"), ("shop", "*"), ("*", "web"), ("*", "*")):
        await world.add_workload(cluster, namespace=namespace, service_account=account)

    assert await found(world) == {"shop/web", "shop/*", "*/web", "*/*"}
    assert await found(world, account="db") == {"shop/*", "*/*"}
    assert await found(world, namespace="shop2") == {"*/web", "*/*"}
    assert await found(world, "shop2", "webs") == {"*/*"}


async def test_another_clusters_workloads_are_not_found(world: World) -> None:
    await world.add_workload(await world.add_cluster("prod-1"))
    await world.add_cluster("prod-2")

    assert await found(world, audience="prod-2") == set()


async def test_a_project_is_asked_by_id_or_number(world: World) -> None:
    cluster = await world.add_cluster()
    other = await world.add_project("other")
    await world.add_workload(cluster)
    await world.add_workload(cluster, other.id, namespace="*")

    assert await found(world) == {"shop/web", "*/web"}
    for ref in (world.id, world.project.number):
        assert await found(world, project=ref) == {"shop/web"}
    for ref in (other.id, other.number):
        assert await found(world, project=ref) == {"*/web"}
    for nobody in (new_id(), 999, 0, 2**70):
        assert await found(world, project=nobody) == set()


# Pulling without a key


async def test_who_asks_without_a_key_finds_the_projects_logins(world: World) -> None:
    await world.add("login", "r.example/team")

    for ref in (world.id, world.project.number):
        read = await world.store.read_for_resolve(None, ref, HOST, "team/app")

        assert (read.key, read.project_id) == (None, str(world.id))
        assert [candidate.name for candidate in read.candidates] == ["login"]
    by_host = await world.store.read_for_resolve(None, world.id, HOST, None)
    assert [candidate.name for candidate in by_host.candidates] == ["login"]


async def test_without_a_key_no_project_is_found_that_is_not_there(world: World) -> None:
    for ref in (new_id(), 999, None):
        read = await world.store.read_for_resolve(None, ref, HOST, "team/app")

        assert (read.key, read.project_id, list(read.candidates)) == (None, None, [])


async def test_a_project_without_logins_is_found_without_a_key(world: World) -> None:
    read = await world.store.read_for_resolve(None, world.id, HOST, "team/app")

    assert (read.project_id, list(read.candidates)) == (str(world.id), [])
