"""Acts on one service that a model is told of as well: what the two come to must be the same."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tools.campaign.model import (
    Model,
    Told,
    list_told,
    logins_told,
    pairs_told,
    shown_told,
)
from tools.campaign.places import Place, Plant
from tools.campaign.whole import PROJECTS, Answer, Whole

WHICH = st.integers(0, 5)
PROJECT = st.sampled_from(PROJECTS)
NAMES = st.sampled_from(["a", "b", "c"])
REGISTRIES = st.sampled_from(["r.example", "r.example/x", "r.example/x/y", "q.example/x"])
SECRETS = st.sampled_from(["one", "two", "three", "p\u00e4ss w\u00f6rd \U0001f511"])
EXPECTED = st.sampled_from([None, None, None, 1, 2, 3])
ONCE = st.sampled_from([None, None, "k1", "k2"])
IMAGES = st.sampled_from(["x", "x/y", "x/y/z", "xy"])
ROLES = st.sampled_from(["puller", "puller", "viewer", "admin"])
USES = st.sampled_from(["web", "job"])


class Acts(RuleBasedStateMachine):
    """One service and one model, told the same."""

    place: ClassVar[Place]
    keys: ClassVar[dict[str, str]]
    folder: ClassVar[Path]
    plant: ClassVar[Plant]
    counts: ClassVar[dict[str, float]]
    numbers: ClassVar[Any] = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        place = self.place.copied(self.folder / f"run-{next(self.numbers)}")
        self.whole = Whole(place, self.keys, type(self).plant)
        self.runner.run(self.whole.open())
        self.model = Model(PROJECTS)
        self.logins: list[tuple[str, str]] = []
        self.made_keys: list[tuple[str, str]] = []
        self.said = [self.audit(project) for project in PROJECTS]
        self.counts["runs"] += 1

    def teardown(self) -> None:
        try:
            self.everything_is_told()
        finally:
            self.runner.run(self.whole.close())
            self.runner.close()
            self.whole.place.remove()

    def send(self, method: str, path: str, body: object = None, **more: Any) -> Answer:
        """Take a step: act, and count it."""
        self.counts["steps"] += 1
        return self.runner.run(self.whole.send(method, path, body, **more))

    def read_out(self, path: str, project: str) -> Answer:
        """Look at what there is, which is no step."""
        return self.runner.run(self.whole.send("GET", path, key=project))

    def agree(
        self, expected: Told, answer: Answer, read: Callable[[Any], Any] | None = None
    ) -> None:
        """Demand one outcome."""
        status, told = expected
        # A key that opens nothing is told so ten times, and then to wait.
        found = 401 if answer.status_code == 429 else answer.status_code
        assert found == status, (expected, answer.status_code, answer.text)
        if told is not None and read is not None:
            assert read(answer.json()) == told, (expected, answer.text)

    @initialize()
    def begin(self) -> None:
        """Give everybody something to act on."""
        for project in PROJECTS:
            self.make_key(project, "puller")
            self.create(project, "a", "r.example", "one", None)
            self.create(project, "b", "r.example/x", "two", None)

    @rule(project=PROJECT, name=NAMES, registry=REGISTRIES, secret=SECRETS, once=ONCE)
    def create(self, project: str, name: str, registry: str, secret: str, once: str | None) -> None:
        asked = {
            "name": name,
            "registry_url": registry,
            "username": f"u-{name}",
            "password": secret,
        }
        status, there = self.model.may_create(project, asked, once)
        headers = {} if once is None else {"Idempotency-Key": once}
        answer = self.send("POST", "projects/-/credentials", asked, key=project, headers=headers)
        self.agree((status, there), answer, lambda told: told["id"])
        if status == 201 and there is None:
            made = answer.json()["id"]
            self.model.created(project, made, asked, once)
            self.logins.append((project, made))

    @precondition(lambda self: self.logins)
    @rule(which=WHICH, name=st.none() | NAMES, secret=st.none() | SECRETS, expected=EXPECTED,
          text=st.sampled_from(["", "text"]))  # fmt: skip
    def patch(
        self, which: int, name: str | None, secret: str | None, expected: int | None, text: str
    ) -> None:
        changes = {"name": name, "password": secret, "description": text}
        changes = {key: value for key, value in changes.items() if value is not None}
        self._change("PATCH", which, changes, expected)

    @precondition(lambda self: self.logins)
    @rule(which=WHICH, name=NAMES, registry=REGISTRIES, secret=SECRETS, expected=EXPECTED)
    def replace(
        self, which: int, name: str, registry: str, secret: str, expected: int | None
    ) -> None:
        whole = {"name": name, "registry_url": registry, "username": "new", "password": secret}
        self._change("PUT", which, whole, expected)

    def _change(
        self, method: str, which: int, changes: dict[str, Any], expected: int | None
    ) -> None:
        project, id_ = self._pick(which)
        headers = {} if expected is None else {"If-Match": f'"{expected}"'}
        path = f"projects/-/credentials/{id_}"
        answer = self.send(method, path, changes, key=project, headers=headers)
        told = self.model.change(project, id_, changes, expected, whole=method == "PUT")
        self.agree(told, answer, shown_told)

    @precondition(lambda self: self.logins)
    @rule(which=WHICH, force=st.booleans())
    def delete(self, which: int, force: bool) -> None:
        project, id_ = self._pick(which)
        path = f"projects/-/credentials/{id_}" + "?force=true" * force
        answer = self.send("DELETE", path, key=project)
        told = self.model.delete(project, id_, force=force)
        self.agree(told, answer, lambda problem: len(problem["uses"]))

    @precondition(lambda self: self.logins)
    @rule(which=WHICH, others=st.booleans())
    def read(self, which: int, others: bool) -> None:
        project, id_ = self._pick(which)
        asking = next(p for p in PROJECTS if p != project) if others else project
        answer = self.send("GET", f"projects/-/credentials/{id_}", key=asking)
        self.agree(self.model.show(asking, id_), answer, shown_told)

    @precondition(lambda self: self.logins)
    @rule(which=WHICH, name=USES)
    def use(self, which: int, name: str) -> None:
        project, id_ = self._pick(which)
        path = f"projects/-/credentials/{id_}/uses/pod/{name}"
        answer = self.send("PUT", path, {}, key=project)
        self.agree(self.model.use(project, id_, name), answer)

    @precondition(lambda self: self.logins)
    @rule(which=WHICH, name=USES)
    def release(self, which: int, name: str) -> None:
        project, id_ = self._pick(which)
        answer = self.send("DELETE", f"projects/-/credentials/{id_}/uses/pod/{name}", key=project)
        self.agree(self.model.release(project, id_, name), answer)

    @precondition(lambda self: self.logins)
    @rule(which=WHICH)
    def hand_out(self, which: int) -> None:
        project, id_ = self._pick(which)
        answer = self.send("GET", f"projects/-/dockerconfigjson?credential={id_}", key=project)
        self.agree(self.model.hand_out(project, id_), answer, pairs_told)

    @rule(project=PROJECT, role=ROLES)
    def make_key(self, project: str, role: str) -> None:
        answer = self.send("POST", "projects/-/keys", {"name": "k", "role": role}, key=project)
        self.agree((201, None), answer)
        made = answer.json()
        self.model.key_made(project, made["id"], role)
        self.made_keys.append((made["id"], made["key"]))

    @precondition(lambda self: self.made_keys)
    @rule(which=WHICH, disabled=st.booleans())
    def disable_key(self, which: int, disabled: bool) -> None:
        id_, _ = self.made_keys[which % len(self.made_keys)]
        project, body = self.model.keys[id_].project, {"disabled": disabled}
        answer = self.send("PATCH", f"projects/-/keys/{id_}", body, key=project)
        told = self.model.disable(id_, disabled=disabled)
        self.agree(told, answer, lambda key: (key["disabled"], key["version"]))

    @precondition(lambda self: self.made_keys)
    @rule(which=WHICH)
    def revoke_key(self, which: int) -> None:
        id_, _ = self.made_keys[which % len(self.made_keys)]
        answer = self.send("DELETE", f"projects/-/keys/{id_}", key=self.model.keys[id_].project)
        self.agree(self.model.revoke(id_), answer)

    @precondition(lambda self: self.made_keys)
    @rule(which=WHICH, path=IMAGES)
    def resolve(self, which: int, path: str) -> None:
        id_, text = self.made_keys[which % len(self.made_keys)]
        answer = self.send("POST", "projects/-/resolve", {"image": f"r.example/{path}"}, key=text)
        self.agree(self.model.resolve(id_, "r.example", path), answer, logins_told)

    @precondition(lambda self: self.made_keys)
    @rule(which=WHICH)
    def look(self, which: int) -> None:
        id_, text = self.made_keys[which % len(self.made_keys)]
        answer = self.send("GET", "projects/-/credentials", key=text)
        self.agree(self.model.look(id_), answer, list_told)

    @rule(kill=st.booleans(), really=st.integers(0, 5))
    def restart(self, kill: bool, really: int) -> None:
        if really == 0:
            self.counts["steps"] += 1
            self.counts["crashes" if kill else "restarts"] += 1
            self.runner.run(self.whole.crash() if kill else self.whole.restart())

    @rule(project=st.none() | PROJECT, really=st.integers(0, 5))
    def rotate(self, project: str | None, really: int) -> None:
        """Wrap all by another key, or seal all that a project has anew."""
        if really:
            return
        self.counts["steps"] += 1
        self.counts["rotations"] += 1
        if project is None:
            self.runner.run(self.whole.rotate())
            return
        told = self.read_out("projects/-", project).json()
        self.runner.run(self.whole.reseal(UUID(told["id"])))
        self.model.resealed(project)

    def everything_is_told(self) -> None:
        """Compare all that can be read: every login, its uses, and the audit, row by row."""
        for project, before in zip(PROJECTS, self.said, strict=True):
            answer = self.read_out("projects/-/credentials", project)
            self.agree((200, self.model.list(project)), answer, list_told)
            for id_, login in self.model.projects[project].logins.items():
                uses = self.read_out(f"projects/-/credentials/{id_}/uses", project).json()
                assert {one["name"] for one in uses["items"]} == login.uses
            assert self.audit(project) == before + self.model.projects[project].audit

    def audit(self, project: str) -> list[str]:
        """Return what the audit tells of a project, oldest first."""
        rows, path = [], "projects/-/audit?limit=200"
        cursor = ""
        while True:
            page = self.read_out(f"{path}{cursor}", project).json()
            rows += [row["action"] for row in page["items"]]
            if page["next_cursor"] is None:
                return rows[::-1]
            cursor = f"&cursor={page['next_cursor']}"

    def _pick(self, which: int) -> tuple[str, str]:
        return self.logins[which % len(self.logins)]
