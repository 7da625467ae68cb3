"""F5: nobody reads, changes or so much as notices what belongs to another project.

The matrix is made from the OpenAPI documents of all faces: every operation, asked by everybody,
with every place that can name something filled by an own thing, a foreign one, one of a deleted
project, one that never was and several that cannot be. The foreign and the deleted must answer as
what never was, byte for byte where it is a refusal; no answer tells a word of the foreign project;
and what that project shows its own admin, its audit included, stays as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import AccessDenied, CredentialNotFound
from regcred.domain.ports import CredentialRef, Store
from regcred.usecases import lock_out
from tools.campaign.isolation.cells import CALLERS, Matrix, slots_of
from tools.campaign.isolation.operations import DOCUMENTS, Operation, every_operation
from tools.campaign.isolation.stage import Plant, Stage, set_up
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, workspace

NAME = "f05 isolation"
SEED = 5
_PLENTY = 1_000_000_000
_CONTROLLED = ("getCredential", "updateCredential", "listKeys", "resolveImage")


def run(scale: float) -> Report:
    """Play the matrix whole at scale 1, else so much of it, but every operation."""
    report = Report(NAME, SEED, demands={"cells": 5_000})
    # Nobody's keys ask hundreds of times a minute here: they are to be answered, not to wait.
    uncounted = patch.multiple(lock_out, OF_KEY=_PLENTY, OF_PEER=_PLENTY)
    with workspace(NAME.replace(" ", "-"), below=memory()) as folder, uncounted:
        asyncio.run(_run(report, folder, scale))
    return report


async def _run(report: Report, folder: Path, scale: float) -> None:
    stage = await set_up(folder)
    with stage.play() as world:
        documents = {
            face: (await world.send("GET", url, key=None)).json() for face, url in DOCUMENTS.items()
        }
    operations = every_operation(documents)
    report.counts |= {"operations": len(operations), "callers": len(CALLERS), "cells": 0}
    matrix = Matrix(stage, report)
    for operation, caller in _chosen(operations, scale):
        await matrix.play(operation, caller, slots_of(operation, whole=scale >= 1))
    for what, plant, patched in _PLANTS:
        report.controls.append(await _control(stage, operations, what, plant, patched))


def _chosen(operations: list[Operation], scale: float) -> Iterator[tuple[Operation, str | None]]:
    """Yield pairs: all of them, or so many from the seed with each operation among them."""
    random = Random(SEED)
    for operation in operations:
        callers = list(CALLERS)
        if scale < 1:
            callers = random.sample(callers, max(1, round(len(callers) * scale)))
        for caller in callers:
            yield operation, caller


async def _control(
    stage: Stage, operations: list[Operation], what: str, plant: Plant, patched: _Patch
) -> Control:
    """Play a part of the matrix against a broken build."""
    seen = Report(what, SEED)
    with patched():
        for operation in operations:
            if operation.face == "native" and operation.id in _CONTROLLED:
                matrix = Matrix(stage, seen, plant)
                await matrix.play(operation, "admin", slots_of(operation, whole=True))
    return Control(what, caught=bool(seen.violations), found=f"{len(seen.violations)} found")


# Broken builds

_Patch = Callable[[], AbstractContextManager[None]]


@contextmanager
def _requiring(require: Callable[[Caller, Permission, UUID], None]) -> Iterator[None]:
    good = Caller.require
    setattr(Caller, "require", require)  # noqa: B010  an assignment would have to be typed
    try:
        yield
    finally:
        setattr(Caller, "require", good)  # noqa: B010  likewise


def _any_project(caller: Caller, permission: Permission, project_id: UUID) -> None:
    del project_id
    if not caller.may(permission):
        raise AccessDenied(permission)


def _denied_not_missing(caller: Caller, permission: Permission, project_id: UUID) -> None:
    foreign = project_id != caller.project_id and not caller.operator
    if foreign or not caller.may(permission):
        raise AccessDenied(permission)


class _Unscoped:
    """A store that finds a login wherever it is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def find_credential(self, project_id: UUID, ref: CredentialRef) -> RegistryCredential:
        projects = await self._store.list_projects(0, 10)
        for place in [project_id, *(project.id for project in projects)]:
            try:
                return await self._store.find_credential(place, ref)
            except CredentialNotFound:
                continue
        raise CredentialNotFound


class _Meddling(_Unscoped):
    """A store that tells every project's audit of a login that was not found."""

    async def find_credential(self, project_id: UUID, ref: CredentialRef) -> RegistryCredential:
        try:
            return await self._store.find_credential(project_id, ref)
        except CredentialNotFound:
            for project in await self._store.list_projects(0, 10):
                at = project.created_at
                await self._store.record(AuditEvent(Action.USE_PUT, project.id, "nobody", at))
            raise


def _as_it_is(store: Store) -> Store:
    return store


def _meddling(store: Store) -> Store:
    broken: Any = _Meddling(store)
    return broken  # type: ignore[no-any-return]  # it stands for all of the store


def _unscoped(store: Store) -> Store:
    broken: Any = _Unscoped(store)
    return broken  # type: ignore[no-any-return]  # it stands for all of the store


_PLANTS: tuple[tuple[str, Plant, _Patch], ...] = (
    ("a use case that drops the project check", _as_it_is, lambda: _requiring(_any_project)),
    ("a foreign project that is denied, not missing", _as_it_is,
     lambda: _requiring(_denied_not_missing)),
    ("a store that finds a login in any project", _unscoped, nullcontext),
    ("a store that writes into another's audit", _meddling, nullcontext),
)  # fmt: skip
