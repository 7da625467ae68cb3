"""The vendors' faces: beside the native API on one store, and their pages in a large project."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from regcred.adapters.storage.sqlite.writer import MAX_BATCH
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.waves import Wave
from regcred.domain.access import Caller, Role
from regcred.domain.audit import Action
from regcred.domain.credential import Draft
from regcred.domain.secret import Secret
from regcred.settings import Settings
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.change_credential import audited, drafted
from regcred.usecases.lock_out import LockOut
from regcred.usecases.manage_keys import KeyDraft, ManageKeys
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.seal_secret import seal_for
from tests.tools.api import Api
from tests.tools.service import Service
from tools.benchmarks.common import (
    SERVER_CORES,
    Bench,
    Goal,
    LoadFailed,
    in_rounds,
    request,
    write_requests,
)

_BUDGET = "sevalla=100000000/100000000"
"""Else the measurement would end in 429 after a few seconds."""

_SECRET = "secret-of-a-usual-length"  # noqa: S105 - opens nothing
_REGISTRY = "registry.example.com/team"
_LISTED = 100
_LARGE = 100_000
_PAGE = 25
_DEEP = 10_000
_PER_SECOND = 5_000
"""More creates than a second can take: a round's requests must not run out."""

_TURNS = 4
"""A round is so many turns, each so much shorter: what is compared lies closer together."""

_BESIDE_NATIVE = Goal(0.8, at_least=True)
_FLAT = Goal(3.0)


class Project(NamedTuple):
    """Where requests go: a project, and a key that is at home there."""

    number: int
    key: str
    size: int
    """How many logins it held at first."""


class Face(NamedTuple):
    """How one wire language lists and creates."""

    name: str
    path: str
    header: tuple[str, str]
    members: str
    """Where the logins stand in a list."""

    login: Callable[[str], dict[str, str]]
    """A login of one registry, so that the store does the same work for every face."""

    listing: str = "?limit=100"
    status: str = "201"
    total: str = ""
    """Where a page says how many there are on all pages."""

    def request(self, project: Project, query: str = "", login: str | None = None) -> bytes:
        """Return a list's bytes, or a create's if a login's name is given."""
        path = self.path.format(project=project.number) + query
        if login is None:
            return request(path, project.key, None, method="GET", header=self.header)
        return request(path, project.key, self.login(login), header=self.header)

    def look(self, api: Api, project: Project, query: str, shown: int) -> None:
        """Pass if the answer has what the figure claims. Raise LoadFailed."""
        name, before = self.header
        path = self.path.format(project=project.number) + query
        answer = api.send("GET", f"/{path}", headers={name: before + project.key})
        if answer.status_code != HTTPStatus.OK:
            raise LoadFailed(f"{path}: {answer.status_code}")
        found: dict[str, Any] = answer.json()
        members, total = len(found[self.members]), found.get(self.total, project.size)
        if (members, total) != (shown, project.size):
            raise LoadFailed(f"{path}: {members} of {total}, not {shown} of {project.size}")


def _anywhere(name: str) -> dict[str, str]:
    return {"name": name, "registry_url": _REGISTRY, "username": "user", "password": _SECRET}


_BEARER = ("Authorization", "Bearer ")
_NATIVE = Face(
    "native",
    "/v1/projects/-/credentials",
    _BEARER,
    "items",
    _anywhere,
)
_GCORE = Face(
    "Gcore",
    "/cloud/v3/inference/{project}/registry_credentials",
    ("Authorization", "APIKey "),
    "results",
    _anywhere,
    status="200",
    total="count",
)
_YOTTA = Face(
    "Yotta",
    "/v2/container-registry-auths",
    ("X-Api-Key", ""),
    "data",
    lambda name: {"name": name, "username": "user", "password": _SECRET, "type": "DOCKER_HUB"},
    listing="",
    status="200",
)
_SEVALLA = Face(
    "Sevalla",
    "/v3/docker-registries",
    _BEARER,
    "data",
    lambda name: {"name": name, "username": "user", "secret": _SECRET, "registry": "dockerHub"},
    total="total",
)
_VENDORS = (_GCORE, _YOTTA, _SEVALLA)
_PAGED = (_GCORE, _SEVALLA)


def measure(bench: Bench) -> None:
    """Measure a list of 100 and a create through each face, beside the native API's."""
    service = bench.service("faces", REGCRED_BUDGETS=_BUDGET)
    listed, created = asyncio.run(seeded(service, {"listed": _LISTED, "created": 0}))
    numbers, turns = count(1), bench.rounds * _TURNS
    faces = (_NATIVE, *_VENDORS)
    with service.serving(cores=SERVER_CORES), service.api() as api:
        for face in faces:
            face.look(api, listed, face.listing, _LISTED)
        lists = [_steady(bench, service.port, face, listed, face.listing) for face in faces]
        creates = [_creates(bench, service.port, face, created, numbers) for face in faces]
        for step in (*lists, *creates):
            step()
        rates = [*in_rounds(turns, *lists), *in_rounds(turns, *creates)]
        for face in faces:
            face.look(api, listed, face.listing, _LISTED)
    for what, its in ((f"list of {_LISTED}", rates[: len(faces)]), ("create", rates[len(faces) :])):
        for face, rate in zip(faces, its, strict=True):
            bench.add(f"{what}, {face.name}", "/s", rate)
        for face, rate in zip(_VENDORS, its[1:], strict=True):
            bench.compare(f"{what}: {face.name} / native", rate, its[0], _BESIDE_NATIVE)


def measure_pages(bench: Bench) -> None:
    """Measure pages by offset in a project of 10^5 logins, and the first one of a small project."""
    service = bench.service("pages", REGCRED_BUDGETS=_BUDGET)
    large, small = asyncio.run(seeded(service, {"large": _LARGE, "small": _LISTED}))
    first, deep = f"?limit={_PAGE}&offset=0", f"?limit={_PAGE}&offset={_DEEP}"
    asked = ((large, first), (large, deep), (small, first))
    with service.serving(cores=SERVER_CORES), service.api() as api:
        for face in _PAGED:
            for project, query in asked:
                face.look(api, project, query, _PAGE)
        steps = [
            _steady(bench, service.port, face, project, query)
            for face in _PAGED
            for project, query in asked
        ]
        for step in steps:
            step()
        rates = iter(in_rounds(bench.rounds * _TURNS, *steps))
    for face in _PAGED:
        of_large, at_offset, of_small = next(rates), next(rates), next(rates)
        bench.add(f"{face.name}: first {_PAGE} of {_LARGE:,}", "/s", of_large)
        bench.add(f"{face.name}: {_PAGE} at offset {_DEEP:,}", "/s", at_offset)
        bench.add(f"{face.name}: first {_PAGE} of {_LISTED}", "/s", of_small)
        # A saturated worker's time for one answer is the inverse of its rate.
        bench.compare(f"{face.name}: time at offset / first page", of_large, at_offset, _FLAT)
        bench.compare(f"{face.name}: time of {_LARGE:,} / of {_LISTED}", of_small, of_large, _FLAT)


def _steady(
    bench: Bench, port: int, face: Face, project: Project, query: str
) -> Callable[[], float]:
    """Return a step that sends one list again and again and returns the answers a second."""
    name = f"{face.name}-{project.number}-{query.removeprefix('?') or 'all'}.json"
    requests = write_requests(bench.folder / name, [face.request(project, query)])
    seconds = bench.seconds / _TURNS
    return lambda: float(bench.load(port, requests, seconds=seconds)["per_second"])


def _creates(
    bench: Bench, port: int, face: Face, project: Project, numbers: Iterator[int]
) -> Callable[[], float]:
    """Return a step that stores new logins and returns how many a second."""
    seconds = bench.seconds / _TURNS
    amount = int(_PER_SECOND * seconds)
    path: Path = bench.folder / f"{face.name}-create.json"

    def step() -> float:
        names = (f"login-{next(numbers)}" for _ in range(amount))
        requests = write_requests(path, [face.request(project, login=name) for name in names])
        report = bench.load(port, requests, seconds=seconds, count=amount, expected=face.status)
        return float(report["per_second"])

    return step


async def seeded(
    service: Service, sizes: dict[str, int], role: Role = Role.EDITOR, *, opened: bool = False
) -> list[Project]:
    """Make projects with so many logins each before the service starts: over HTTP it takes long."""
    # Named, so that the environment of whoever measures has no say in it.
    settings = Settings(data=service.data, keyring=(str(service.data / "keys" / "keyring.json"),))
    async with open_state(settings, exclusive=True) as state:
        store, clock = state.store, state.clock
        authenticate = Authenticate(store, state.digests, clock, LockOut(store, clock), Wave)
        operator = await authenticate(service.key, request_id="seed", peer="")
        projects = ManageProjects(store, state.sealer, clock, state.new_id)
        keys = ManageKeys(store, state.digests, clock, state.random)
        made: list[Project] = []
        for name, size in sizes.items():
            number = (await projects.create(operator, name)).project.number
            key = (await keys.create(operator, number, KeyDraft(name, role))).text
            if key is None:
                raise LoadFailed(f"no key for {name}")
            made.append(Project(number, key.reveal(), size))
            await _fill(state, operator, number, size, opened=opened)
    return made


async def _fill(state: State, operator: Caller, number: int, size: int, *, opened: bool) -> None:
    """Store logins, under one sealed value unless they are `opened` by what is measured."""
    project = await state.store.find_project(number)
    draft = Draft("login", "user", Secret(_SECRET), _REGISTRY)
    login = drafted(state.new_id(), project.id, draft, state.clock())
    seed = await state.store.project_seed(project.id)
    secret = await seal_for(state.sealer, seed, login, draft.password)
    numbers = iter(range(size))

    async def one_by_one() -> None:
        for own in numbers:
            mine = replace(login, id=state.new_id(), name=f"login-{own}")
            event = audited(operator, Action.CREDENTIAL_CREATED, mine, mine.created_at)
            own_secret = secret
            if opened:
                own_secret = await seal_for(state.sealer, seed, mine, draft.password)
            await state.store.create_credential(mine, own_secret, event)

    await asyncio.gather(*(one_by_one() for _ in range(MAX_BATCH)))
