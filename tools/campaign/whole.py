"""A whole service in this process: the real store, key ring, use cases and web, without a socket.

It can be closed and opened again, or be left as a killed process leaves its files.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx2

from regcred.adapters.sealing.rewrapping import Rewrapping
from regcred.adapters.sealing.ring_changes import add_key, make_primary
from regcred.bootstrap.commands.rotations import held
from regcred.bootstrap.first_run import OPERATOR, first_run
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.stores import utc_now
from regcred.bootstrap.wiring import wire
from regcred.domain.ports.leases import Lease
from regcred.domain.ports.measuring import UNMEASURED
from regcred.usecases.reseal_project import ResealProject, lease_name
from regcred.usecases.rewrap_keys import NAME as REWRAP
from regcred.usecases.rewrap_keys import RewrapKeys
from tests.fakes.registries import ScriptedRegistries
from tests.tools.inside import keeper_of
from tools.campaign.places import Kind, Place, Plant, as_it_is

PROJECTS = ("alpha", "beta")

Answer = httpx2.Response


class Whole:
    """One service. `keys` has an admin's key for each of PROJECTS, and the operator's."""

    def __init__(self, place: Place, keys: Mapping[str, str], plant: Plant = as_it_is) -> None:
        self.place = place
        self.keys = dict(keys)
        self._plant = plant
        folder = place.settings.data
        self._crashes = (folder.with_name(f"{folder.name}-{n}") for n in itertools.count(1))
        self._opened: AbstractAsyncContextManager[State] | None = None
        self._client: httpx2.AsyncClient | None = None

    async def open(self) -> Whole:
        """Start on what the place holds."""
        settings = self.place.settings
        self._opened = open_state(settings, exclusive=True)
        state = await self._opened.__aenter__()
        self.state = replace(state, store=self._plant(state.store))  # type: ignore[arg-type]  # it stands for all of it
        self._keeper = keeper_of(state)
        await self._keeper.check(accept_rollback=False)
        registries = ScriptedRegistries(self.state.clock)
        app = wire(settings, self.state, self._keeper, registries, UNMEASURED).app
        transport = httpx2.ASGITransport(app=app, client=("192.0.2.7", 5000))
        self._client = httpx2.AsyncClient(
            transport=transport, base_url="http://regcred.test", trust_env=False
        )
        return self

    async def close(self) -> None:
        """Stop as a signal stops it."""
        await self._keeper.link()
        await self._drop()

    async def _drop(self) -> None:
        assert self._opened is not None
        assert self._client is not None
        await self._client.aclose()
        await self._opened.__aexit__(None, None, None)

    async def restart(self) -> None:
        """Stop and start."""
        await self.close()
        await self.open()

    async def crash(self) -> None:
        """Go on with the files as they are now, nothing written back, as after a kill."""
        left = self.place.left_by_a_kill(next(self._crashes))
        await self._drop()
        if left is not self.place:
            self.place.remove()
        self.place = left
        await self.open()

    async def rotate(self) -> None:
        """Have a new key wrap everything, as the operator's commands do beside the service."""
        ring = self.place.settings.keyring_file
        make_primary(ring, add_key(ring, random=os.urandom, now=utc_now()))
        async with self._beside(REWRAP) as (state, lease):
            rewrap = RewrapKeys(state.store, _wrapping(state), state.clock, OPERATOR, _no_rest)
            await rewrap(lease, state.keyring.kids, lambda _: None)

    async def reseal(self, project: UUID) -> None:
        """Give a project another seed and seal all it has anew, likewise."""
        async with self._beside(lease_name(project)) as (state, lease):
            run = ResealProject(
                state.store, _wrapping(state), state.sealer, state.clock, OPERATOR, _no_rest
            )
            seed = await run.begin(lease, project)
            await run.move(lease, project, seed, lambda _: None)
            await run.destroy(lease, project, seed)

    @asynccontextmanager
    async def _beside(self, lease: str) -> AsyncIterator[tuple[State, Lease]]:
        settings = self.place.settings
        async with open_state(settings, exclusive=False) as state, held(state, lease) as taken:
            yield state, taken

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = PROJECTS[0],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request below /v1 with the key of that name, or that text."""
        assert self._client is not None
        shown = {"Authorization": f"Bearer {self.keys.get(key, key)}", **(headers or {})}
        content = None
        if body is not None:
            shown["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return await self._client.request(method, f"/v1/{path}", headers=shown, content=content)


def _wrapping(state: State) -> Rewrapping:
    return Rewrapping(state.keyring, state.random)


async def prepared(folder: Path, kind: Kind) -> tuple[Place, dict[str, str]]:
    """Make a store with the two projects once, to be copied; return it with the admins' keys."""
    place = await kind.first(folder / f"prepared-{kind.name}")
    whole = Whole(place, {})
    await whole.open()
    made = await first_run(whole.state)
    whole.keys["operator"] = made.key.reveal()
    for name in PROJECTS:
        project = await whole.send("POST", "projects", {"name": name}, key="operator")
        path = f"projects/{project.json()['id']}/keys"
        key = await whole.send("POST", path, {"name": "admin", "role": "admin"}, key="operator")
        whole.keys[name] = key.json()["key"]
    await whole.close()
    return place, whole.keys


async def _no_rest() -> None:
    return
