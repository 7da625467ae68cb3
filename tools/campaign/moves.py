"""Sealed secrets moved from every place to every other: none may open where it does not belong."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from regcred.bootstrap.state import State, open_state
from regcred.domain.errors import SealBroken
from regcred.domain.ports import SealContext
from regcred.domain.secret import Secret
from regcred.settings import Settings
from regcred.usecases.seal_secret import PASSWORD_FIELD
from tools.campaign import full_store
from tools.campaign.full_store import FullStore

_UPDATE = {
    "login": "UPDATE credential_secrets SET sealed = ? WHERE project_id = ? AND credential_id = ?",
    "kept": "UPDATE credential_logins SET sealed = ? WHERE project_id = ? AND credential_id = ?",
    "webhook": "UPDATE webhooks SET sealed = ? WHERE project_id = ? AND id = ?",
}
_FIND = {
    "login": "SELECT sealed FROM credential_secrets WHERE project_id = ? AND credential_id = ?",
    "kept": "SELECT sealed FROM credential_logins WHERE project_id = ? AND credential_id = ?",
    "webhook": "SELECT sealed FROM webhooks WHERE project_id = ? AND id = ?",
}


class _Place(NamedTuple):
    """Where a sealed secret belongs, and what opens it as the program does."""

    name: str
    kind: str
    where: tuple[str, str]
    open: Callable[[], Awaitable[str]]


def move_all(
    made: FullStore,
    image: Path,
    most: int,
    chance: random.Random,
    *,
    reseal: bool = False,
) -> tuple[int, list[str]]:
    """Move between up to `most` pairs; return how many, and what opened.

    `reseal` seals every login anew first, as a seal does that the caller has broken.
    """
    shutil.copytree(made.data, image)
    try:
        return asyncio.run(_move_all(image, most, chance, reseal=reseal))
    finally:
        shutil.rmtree(image)


async def _move_all(
    image: Path, most: int, chance: random.Random, *, reseal: bool
) -> tuple[int, list[str]]:
    file = image / "store" / "regcred.db"
    async with open_state(Settings(data=image), exclusive=True) as state:
        places = await _places(state)
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            if reseal:
                places = [place for place in places if place.kind == "login"]
                await _reseal(state, places, database)
            pairs = list(itertools.permutations(places, 2))
            chance.shuffle(pairs)
            opened = []
            for source, target in pairs[:most]:
                sealed, own = (
                    database.execute(_FIND[one.kind], one.where).fetchone()[0]
                    for one in (source, target)
                )
                database.execute(_UPDATE[target.kind], (sealed, *target.where))
                try:
                    opened.append(f"{source.name} at {target.name}: {await target.open()}")
                except SealBroken:
                    pass
                finally:
                    database.execute(_UPDATE[target.kind], (own, *target.where))
    return len(pairs[:most]), opened


async def _places(state: State) -> list[_Place]:
    places = []
    for project in await state.store.list_projects(0, 10):
        at = str(project.id)
        for n in range(full_store.LOGINS):
            if (candidate := await full_store.candidate(state, project.id, n)) is not None:
                opens = _opens(full_store.login, state, project.id, n)
                name = f"login {project.number} {n}"
                places.append(_Place(name, "login", (at, candidate.id), opens))
        if (kept := await full_store.candidate(state, project.id, full_store.KEPT)) is not None:
            opens = _opens(full_store.kept, state, project.id)
            places.append(_Place(f"kept {project.number}", "kept", (at, kept.id), opens))
        for webhook in await state.store.list_webhooks(project.id, "", 10):
            opens = _opens(full_store.webhook, state, project.id, webhook.id)
            name = f"webhook {project.number}"
            places.append(_Place(name, "webhook", (at, str(webhook.id)), opens))
    return places


def _opens(read: Callable[..., Awaitable[str]], *given: object) -> Callable[[], Awaitable[str]]:
    return lambda: read(*given)


async def _reseal(state: State, places: list[_Place], database: sqlite3.Connection) -> None:
    for place in places:
        project_id, credential_id = place.where
        seed = await state.store.project_seed(UUID(project_id))
        found = await state.store.find_credential(UUID(project_id), UUID(credential_id))
        context = SealContext(
            project_id, credential_id, PASSWORD_FIELD, found.secret_version, found.delivery
        )
        sealed = await state.sealer.seal(seed, context, Secret("sealed anew"))
        database.execute(_UPDATE["login"], (sealed, *place.where))
