"""A pod is who its rows say after its issuer was waited for, not before."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import pytest

from regcred.adapters.identity.pod_tokens import PodTokenVerifier
from regcred.domain.errors import AccessDenied, NotAuthenticated, SealBroken
from regcred.domain.ports import PodRead, ProjectRef, StoredWorkload
from regcred.domain.workload import Cluster, Pod, TokenIssuer
from regcred.usecases.authenticate_pod import AuthenticatePod, KnownPod
from regcred.usecases.manage_clusters import ClusterDraft
from regcred.usecases.manage_workloads import WorkloadDraft
from tests.tools.issuer import AUDIENCE, ISSUER, Issuer
from tests.usecases.world import REGISTRY, START, World, patterns

DRAFT = ClusterDraft(ISSUER, AUDIENCE, json.dumps(Issuer(START).jwks()))


class SlowTokens(PodTokenVerifier):
    """Something happens while the issuer is waited for."""

    def __init__(self, happens: Callable[[], Awaitable[object]] | None) -> None:
        super().__init__(lambda: 0.0)
        self._happens = happens

    def asks(self, token: str, cluster: Cluster) -> bool:
        return self._happens is not None

    async def verify(self, token: str, cluster: Cluster, now: datetime) -> Pod:
        if self._happens is not None:
            await self._happens()
        return await super().verify(token, cluster, now)


@pytest.fixture
async def workload(world: World) -> StoredWorkload:
    await world.clusters.put(world.operator, "prod-1", None, DRAFT)
    draft = WorkloadDraft("prod-1", "shop", "web", (REGISTRY,))
    made = (await world.workloads.allow(world.operator, None, draft)).workload
    return StoredWorkload(made, world.stamps.workload(made))


async def ask(world: World, happens: Callable[[], Awaitable[object]] | None) -> KnownPod:
    pods = AuthenticatePod(world.store, SlowTokens(happens), world.stamps, world.clock)
    return await pods(Issuer(START).token(), None, request_id="r-1", peer="192.0.2.1")


async def test_a_pod_is_read_once_where_nothing_is_waited_for(
    world: World, workload: StoredWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = world.store.read_for_pod

    async def counted(claimed: TokenIssuer, project: ProjectRef | None) -> PodRead:
        nonlocal reads
        reads += 1
        return await read(claimed, project)

    monkeypatch.setattr(world.store, "read_for_pod", counted)

    known = await ask(world, None)

    assert known.caller.project_id == workload.workload.project_id
    assert reads == 1


async def test_a_workload_withdrawn_while_the_issuer_is_waited_for_gives_nothing(
    world: World, workload: StoredWorkload
) -> None:
    async def withdraw() -> None:
        await world.workloads.withdraw(world.operator, None, str(workload.workload.id))

    with pytest.raises(AccessDenied):
        await ask(world, withdraw)


async def test_a_workload_narrowed_meanwhile_gives_what_it_names_now(
    world: World, workload: StoredWorkload
) -> None:
    async def narrow() -> None:
        await world.workloads.withdraw(world.operator, None, str(workload.workload.id))
        draft = WorkloadDraft("prod-1", "shop", "web", (f"{REGISTRY}/team",))
        await world.workloads.allow(world.operator, None, draft)

    known = await ask(world, narrow)

    assert [str(pattern) for pattern in known.caller.image_patterns] == [f"{REGISTRY}/team"]


@pytest.mark.parametrize("gone", [True, False])
async def test_a_cluster_deleted_or_replaced_meanwhile_vouches_for_nobody(
    world: World, workload: StoredWorkload, gone: bool
) -> None:
    async def change() -> None:
        if gone:
            await world.workloads.withdraw(world.operator, None, str(workload.workload.id))
            await world.clusters.delete(world.operator, "prod-1", None)
        else:
            await world.clusters.put(
                world.operator, "prod-1", None, replace(DRAFT, jwks=None, jwks_uri=f"{ISSUER}/keys")
            )

    with pytest.raises(NotAuthenticated) as caught:
        await ask(world, change)

    assert caught.value.reason == "token"


async def test_a_workload_edited_meanwhile_is_noticed(
    world: World, workload: StoredWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    widened = replace(workload.workload, image_patterns=patterns("*"))
    cluster = await world.store.find_cluster("prod-1")

    async def edited(*_: object) -> PodRead:
        return PodRead(cluster, [workload._replace(workload=widened)])

    async def edit() -> None:
        monkeypatch.setattr(world.store, "read_for_pod", edited)

    with pytest.raises(SealBroken):
        await ask(world, edit)
