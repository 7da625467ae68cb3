"""Two projects with one thing of every kind, a third that is gone, and everybody who may ask.

The store is made once and copied for every act, so that each begins from the same rows.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.domain.access import Role
from regcred.domain.ports import Clock, Store
from regcred.domain.project import Project
from regcred.domain.registry import ImagePattern
from regcred.domain.verdict import VerdictKind
from regcred.web.budget import Budget
from tests.tools.issuer import AUDIENCE
from tests.web.operations import BY_ID, CLUSTER, SERVER
from tests.web.world import World

_PLENTY = 1_000_000_000
_SEEN_BY = ("home", "foreign")
Things = dict[str, str]
"""Kind -> what a request names it by."""

Plant = Callable[[Store], Store]
"""Puts a broken store before a good one."""


class SqliteStage:
    """Makes stores that begin as copies of one file. Another database has another stage."""

    def __init__(self, folder: Path) -> None:
        self._first = folder / "first"
        self._copies = (folder / f"copy-{n}" for n in itertools.count(1))
        schema.migrate(self._first)

    @contextmanager
    def first(self, clock: Clock) -> Iterator[Store]:
        """Yield the store that the copies are made of."""
        store = SqliteStore.open(self._first, clock=clock)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def copy(self, clock: Clock) -> Iterator[Store]:
        """Yield a store with the first one's rows."""
        folder = next(self._copies)
        folder.mkdir(mode=0o700)
        shutil.copy(self._first / "regcred.db", folder)
        store = SqliteStore.open(folder, clock=clock)
        try:
            yield store
        finally:
            store.close()
            shutil.rmtree(folder)


@dataclass
class Stage:
    """What was stored first, and how to play on it again."""

    stores: SqliteStage
    keys: dict[str, str] = field(default_factory=dict)
    """Caller -> key text or pod token."""

    things: dict[str, Things] = field(default_factory=dict)
    """home, foreign, gone, missing -> things."""

    words: dict[str, list[str]] = field(default_factory=dict)
    """home, foreign -> texts that nobody else may be told."""

    now: datetime | None = None
    projects: dict[str, Project] = field(default_factory=dict)

    @contextmanager
    def play(self, plant: Plant = lambda store: store) -> Iterator[World]:
        """Yield a world over a fresh copy of what was stored."""
        with _world(self.stores.copy, plant) as world:
            assert self.now is not None
            world.clock.now = self.now
            world._ids = itertools.count(100_000)  # noqa: SLF001  the copy has the first ones
            world.keys = dict(self.keys)
            yield world


@contextmanager
def _world(opening: Callable[[Clock], Any], plant: Plant = lambda store: store) -> Iterator[World]:
    opened: list[Any] = []

    def make(clock: Clock) -> Store:
        opened.append(opening(clock))
        return plant(cast("Store", opened[0].__enter__()))

    plenty = Budget(_PLENTY, _PLENTY)
    world = World(make, {"sevalla": plenty}, most_at_once=1_000, checks_a_minute=_PLENTY)
    try:
        yield world
    finally:
        opened[0].__exit__(None, None, None)


async def set_up(folder: Path) -> Stage:
    """Store everything once."""
    stage = Stage(SqliteStage(folder))
    with _world(stage.stores.first) as world:
        for name in ("home", "foreign", "gone"):
            stage.projects[name] = await world.make_project(f"the-{name}-project")
        world.home, world.foreign = stage.projects["home"], stage.projects["foreign"]
        world.keys["operator"] = await world.make_key(world.home, Role.ADMIN, operator=True)
        await world.set_up_cluster(CLUSTER)
        await world.set_up_cluster("spare-cluster", "another audience")
        for number, name in enumerate(("home", "foreign", "gone")):
            world.keys[name] = await world.make_key(stage.projects[name], Role.ADMIN)
            stage.things[name] = await _things(world, name, stage.projects[name], 1 + 6 * number)
        await _empty(world, stage.things["gone"])
        stage.things["missing"] = MISSING
        await _callers(world)
        for name in _SEEN_BY:
            stage.words[name] = await _words(world, name, stage.things[name])
        stage.keys, stage.now = dict(world.keys), world.clock.now
    return stage


MISSING: Things = {
    "project id": "019a9c1e-ffff-7fff-bfff-ffffffffffff",
    "project number": "998",
    "project name": "the-missing-project",
    "credential id": "019a9c1e-ffff-7fff-bfff-ffffffffffff",
    "credential name": "login-of-missing",
    "credential number": "997",
    "key": "000000000000",
    "key name": "key-of-missing",
    "webhook": "019a9c1e-ffff-7fff-bfff-ffffffffffff",
    "workload": "019a9c1e-ffff-7fff-bfff-ffffffffffff",
    "cluster": "missing-cluster",
    "use kind": "kind-of-missing",
    "use name": "use-of-missing",
    "registry": "missing.registry.example.com",
    "username": "robot-of-missing",
    "label": "label-of-missing=1",
    "principal": "key:000000000000",
    "image": "missing.registry.example.com/missing/app",
    "idempotency key": "idempotency-of-missing",
    "service account": "account-of-missing",
    "hook url": "https://hooks.example.com/of-missing",
}
"""Things of the same form that never were."""


async def _things(world: World, label: str, project: Project, logins: int) -> Things:
    """Store one of everything in a project, its login last of so many."""
    registry = f"{label}.registry.example.com"
    for number in range(logins):
        # Numbers count from one in each project: those of the other's logins are nobody's here.
        await world.add(f"filler-{number}", key=label)
        path = f"/v1/projects/-/credentials/filler-{number}"
        assert (await world.send("DELETE", path, key=label)).status_code == 204
    # For the image that everybody asks for, each project has a login of its own.
    await world.add(
        f"common-of-{label}", key=label, username=f"robot-of-{label}",
        password=f"common-password-of-{label}",
    )  # fmt: skip
    once = {"Idempotency-Key": f"idempotency-of-{label}"}
    body = {
        "name": f"login-of-{label}", "registry_url": f"https://{registry}/{label}",
        "username": f"robot-of-{label}", "password": f"password-of-{label}-{label * 2}",
        "labels": {f"label-of-{label}": "1"}, "description": f"description-of-{label}",
    }  # fmt: skip
    path = "/v1/projects/-/credentials"
    login = (await world.send("POST", path, body, key=label, headers=once)).json()
    use = f"{path}/login-of-{label}/uses/kind-of-{label}/use-of-{label}"
    assert (await world.send("PUT", use, key=label)).status_code == 200
    made = {"name": f"key-of-{label}", "role": "viewer"}
    key = (await world.send("POST", "/v1/projects/-/keys", made, key=label)).json()
    hook = {"url": f"https://hooks.example.com/of-{label}"}
    webhook = (await world.send("POST", "/v1/projects/-/webhooks", hook, key=label)).json()
    allowed = {
        **BY_ID["allowWorkload"].body, "service_account": f"account-of-{label}",
        "image_patterns": [f"{registry}/{label}"],
    }  # fmt: skip
    workload = (await world.send("POST", "/v1/projects/-/workloads", allowed, key=label)).json()
    docker = {
        "ServerURL": SERVER, "Username": f"robot-of-{label}",
        "Secret": f"docker-password-of-{label}",
    }  # fmt: skip
    stored = "/v1/projects/-/docker-credential/store"
    assert (await world.send("POST", stored, docker, key=label)).status_code == 204
    image = f"{registry}/{label}/app"
    await world.send("POST", "/v1/projects/-/resolve", {"image": image}, key=label)
    world.registries.say(VerdictKind.REJECTED, VerdictKind.OK)
    for _ in range(2):
        await world.send("POST", f"{path}/login-of-{label}:verify", key=label)
    return {
        "project id": str(project.id),
        "project number": str(project.number),
        "project name": f"the-{label}-project",
        "credential id": login["id"],
        "credential name": login["name"],
        "credential number": str(logins + 2),
        "key": key["id"],
        "key text": key["key"],
        "key name": f"key-of-{label}",
        "webhook": webhook["id"],
        "webhook secret": webhook["secret"],
        "workload": workload["id"],
        "cluster": "spare-cluster",
        "use kind": f"kind-of-{label}",
        "use name": f"use-of-{label}",
        "registry": registry,
        "username": f"robot-of-{label}",
        "label": f"label-of-{label}=1",
        "principal": f"key:{key['id']}",
        "image": image,
        "idempotency key": f"idempotency-of-{label}",
        "service account": f"account-of-{label}",
        "hook url": hook["url"],
    }


async def _empty(world: World, gone: Things) -> None:
    """Delete a project with everything in it."""
    root = f"/v1/projects/{gone['project id']}"
    for noun in ("credentials", "webhooks", "workloads", "keys"):
        for one in (await world.send("GET", f"{root}/{noun}?limit=200", key="operator")).json()[
            "items"
        ]:
            path = f"{root}/{noun}/{one['id']}" + ("?force=true" * (noun == "credentials"))
            assert (await world.send("DELETE", path, key="operator")).status_code == 204
    assert (await world.send("DELETE", root, key="operator")).status_code == 204


async def _callers(world: World) -> None:
    """Make a key for everybody who asks."""
    for role in Role:
        world.keys[role] = await world.make_key(world.home, role)
    narrow = (ImagePattern.parse("registry.example.com/team"),)
    world.keys["narrowed"] = await world.make_key(world.home, Role.ADMIN, image_patterns=narrow)
    world.keys["revoked"] = await world.make_key(world.home, Role.ADMIN)
    path = f"/v1/projects/-/keys/{world.keys['revoked'].split('_')[1]}"
    assert (await world.send("DELETE", path, key="operator")).status_code == 204
    world.keys["of the gone"] = world.keys.pop("gone")
    world.keys["stranger"] = world.keys["foreign"]
    web = {**BY_ID["allowWorkload"].body, "service_account": "pod-of-the-matrix"}
    assert (
        await world.send("POST", "/v1/projects/-/workloads", web, key="home")
    ).status_code == 201
    assert world.issuer.claims()["aud"] == [AUDIENCE]
    world.keys["pod"] = world.issuer.token("shop", "pod-of-the-matrix")


async def _words(world: World, name: str, things: Mapping[str, str]) -> list[str]:
    """Return what of a project nobody else may be told."""
    common = {"use kind", "cluster", "credential number", "project number"}
    shown = await world.send("GET", "/v1/projects/-/credentials?limit=200", key=name)
    ids = [one["id"] for one in shown.json()["items"]]
    passwords = [f"{kind}password-of-{name}" for kind in ("", "common-", "docker-")]
    return [
        *(text for kind, text in things.items() if kind not in common),
        *ids, *passwords, f"description-of-{name}", f"common-of-{name}",
    ]  # fmt: skip
