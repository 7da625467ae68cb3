"""Another's project and a missing one are one answer: for every use case, role and spelling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from regcred.domain.access import Caller, Role
from regcred.domain.errors import ProjectNotFound, RegcredError
from regcred.domain.handout import Filled, Gathered
from regcred.domain.ports import AuditFilter, CredentialFilter, IdempotentRequest, ProjectRef
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from regcred.usecases.hand_out_logins import Asking
from regcred.usecases.manage_clusters import ClusterDraft
from regcred.usecases.manage_keys import KeyDraft
from regcred.usecases.manage_webhooks import WebhookDraft
from regcred.usecases.manage_workloads import WorkloadDraft
from tests.tools.issuer import AUDIENCE, ISSUER
from tests.usecases.world import HOOK, REGISTRY, World, draft

Act = Callable[[World, Caller, ProjectRef | None], Awaitable[object]]

KEY = "K" * 12
WEBHOOK = str(UUID(int=(7 << 76) | (2 << 62) | 2))
"""What a new world makes first."""

WORKLOAD = str(UUID(int=(7 << 76) | (2 << 62) | 4))
"""What it makes third, after the webhook and a cluster."""

ALLOWED = WorkloadDraft("prod-1", "shop", "new", (REGISTRY,))
NAME = Change(frozenset({"name"}), name="x")
REQUEST = IdempotentRequest("key:K", "once", b"digest")


def handed(
    world: World, caller: Caller, project: ProjectRef | None, *names: str
) -> Awaitable[object]:
    """Hand out the logins of those names, in a form without content."""

    def form(gathered: Gathered) -> Filled:
        return Filled(b"", gathered.entries)

    return world.hand_out(caller, project, Asking(names), form, "x", lambda *_: False)


ACTS: dict[str, Act] = {
    "get project": lambda w, c, p: w.projects.get(c, p),
    "update project": lambda w, c, p: w.projects.update(c, p, None, name="x"),
    "create key": lambda w, c, p: w.keys.create(c, p, KeyDraft("k", Role.VIEWER)),
    "get key": lambda w, c, p: w.keys.get(c, p, KEY),
    "list keys": lambda w, c, p: w.keys.list(c, p, "", 10),
    "update key": lambda w, c, p: w.keys.update(c, p, KEY, None, {"name": "x"}),
    "delete key": lambda w, c, p: w.keys.delete(c, p, KEY, None),
    "create": lambda w, c, p: w.credentials.create(c, p, draft("x")),
    "create proven": lambda w, c, p: w.credentials.create(c, p, draft("x"), proven=True),
    "create once": lambda w, c, p: w.credentials.create_once(c, p, draft("x"), idempotent=REQUEST),
    "get": lambda w, c, p: w.credentials.get(c, p, "hub"),
    "list": lambda w, c, p: w.credentials.list(c, p, CredentialFilter(), 0, 10),
    "replace": lambda w, c, p: w.credentials.replace(c, p, "hub", None, draft()),
    "patch": lambda w, c, p: w.credentials.patch(c, p, "hub", None, NAME),
    "delete": lambda w, c, p: w.credentials.delete(c, p, "hub", None),
    "verify": lambda w, c, p: w.verification.stored(c, p, "hub", None),
    "verify typed in": lambda w, c, p: w.verification.typed_in(c, p, draft(), None),
    "probe": lambda w, c, p: w.probe(c, p, REGISTRY, {}),
    "verdicts": lambda w, c, p: w.verification.history(c, p, "hub", 0, 10),
    "page": lambda w, c, p: w.credentials.page(c, p, 0, 10),
    "put use": lambda w, c, p: w.uses.put(c, p, "hub", "pod", "web"),
    "delete use": lambda w, c, p: w.uses.delete(c, p, "hub", "pod", "web"),
    "list uses": lambda w, c, p: w.uses.list(c, p, "hub"),
    "audit": lambda w, c, p: w.audit(c, p, AuditFilter(), 0, 10),
    "events": lambda w, c, p: w.hear(c, p, None, None, 0, 10),
    "fetches": lambda w, c, p: w.fetches(c, p, "hub", None, None, 10),
    "hand out": handed,
    "explain": lambda w, c, p: w.explain(c, p, f"{REGISTRY}/app"),
    "allow workload": lambda w, c, p: w.workloads.allow(c, p, ALLOWED),
    "get workload": lambda w, c, p: w.workloads.get(c, p, WORKLOAD),
    "list workloads": lambda w, c, p: w.workloads.list(c, p, "", 10),
    "withdraw workload": lambda w, c, p: w.workloads.withdraw(c, p, WORKLOAD),
    "create webhook": lambda w, c, p: w.webhooks.create(c, p, WebhookDraft(HOOK)),
    "get webhook": lambda w, c, p: w.webhooks.get(c, p, WEBHOOK),
    "list webhooks": lambda w, c, p: w.webhooks.list(c, p, "", 10),
    "update webhook": lambda w, c, p: w.webhooks.update(c, p, WEBHOOK, None, {"url": HOOK}),
    "rotate webhook": lambda w, c, p: w.webhooks.rotate_secret(c, p, WEBHOOK),
    "test webhook": lambda w, c, p: w.webhooks.test(c, p, WEBHOOK),
    "delete webhook": lambda w, c, p: w.webhooks.delete(c, p, WEBHOOK, None),
    "docker list": lambda w, c, p: w.docker.list(c, p),
    "docker store": lambda w, c, p: w.docker.store(c, p, REGISTRY, "u", Secret("x")),
    "docker erase": lambda w, c, p: w.docker.erase(c, p, REGISTRY),
}

MISSING: list[ProjectRef] = [UUID(int=12345), 99, 0, -1]


async def refusal(act: Awaitable[object]) -> tuple[type[RegcredError], str]:
    with pytest.raises(RegcredError) as refused:
        await act
    return type(refused.value), str(refused.value)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", ACTS)
async def test_a_foreign_project_is_a_missing_project(world: World, name: str, role: Role) -> None:
    second = await world.project()
    await world.login()
    await world.credentials.create(world.operator, second.id, draft())
    who = await world.caller(role)
    audited = await world.store.list_audit(second.id, AuditFilter(), 0, 100)

    answers = {
        await refusal(ACTS[name](world, who, ref)) for ref in [second.id, second.number, *MISSING]
    }

    assert answers == {(ProjectNotFound, "no such project")}
    assert await world.store.list_audit(second.id, AuditFilter(), 0, 100) == audited
    assert world.registries.asked == []
    assert world.registries.probed == []
    assert world.sender.sent == []


@pytest.mark.parametrize("role", Role)
async def test_deleting_a_foreign_project_is_deleting_a_missing_one(
    world: World, role: Role
) -> None:
    second = await world.project()
    who = await world.caller(role)

    answers = {
        await refusal(world.projects.delete(who, ref, None)) for ref in [second.number, *MISSING]
    }

    assert len(answers) == 1


@pytest.mark.parametrize("name", [name for name in ACTS if " key" not in name])
async def test_home_is_reached_by_id_by_number_and_by_saying_nothing(name: str) -> None:
    for by in (lambda home: home.id, lambda home: home.number, lambda _: None):
        world = await World().open()
        assert str((await world.webhook()).id) == WEBHOOK
        keys = ClusterDraft(ISSUER, AUDIENCE, None)
        await world.clusters.put(world.operator, "prod-1", None, keys)
        web = WorkloadDraft("prod-1", "shop", "web", (REGISTRY,))
        made = await world.workloads.allow(world.operator, None, web)
        assert str(made.workload.id) == WORKLOAD
        await world.docker.store(world.operator, None, REGISTRY, "ada", Secret("x"))
        await world.login()
        await world.uses.put(world.operator, None, "hub", "pod", "web")
        if name == "delete":
            await world.uses.delete(world.operator, None, "hub", "pod", "web")

        await ACTS[name](world, world.operator, by(world.home))


async def test_a_foreign_credential_is_a_missing_one(world: World) -> None:
    second = await world.project()
    foreign = await world.credentials.create(world.operator, second.id, draft("theirs"))
    admin = await world.caller(Role.ADMIN)

    def acts(ref: UUID | str) -> list[Awaitable[object]]:
        return [
            world.credentials.get(admin, None, ref),
            world.credentials.replace(admin, None, ref, None, draft("x")),
            world.credentials.patch(admin, None, ref, None, NAME),
            world.credentials.delete(admin, None, ref, None),
            world.verification.stored(admin, None, ref, None),
            world.verification.history(admin, None, ref, 0, 10),
            world.fetches(admin, None, ref, None, None, 10),
            world.uses.put(admin, None, ref, "pod", "web"),
            world.uses.delete(admin, None, ref, "pod", "web"),
            world.uses.list(admin, None, ref),
            handed(world, admin, None, str(ref)),
        ]

    missing = [await refusal(act) for act in acts(UUID(int=999))]
    for ref in (foreign.id, str(foreign.id), "theirs"):
        assert [await refusal(act) for act in acts(ref)] == missing

    assert await world.credentials.get(world.operator, second.id, "theirs") == foreign
