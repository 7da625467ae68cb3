"""The cells of one operation and one caller, and what may be seen in none of them."""

from __future__ import annotations

from typing import Any

from tests.web.operations import MAY
from tests.web.world import World
from tools.campaign.isolation.operations import Operation, Slot
from tools.campaign.isolation.requests import Requests, Sent, leaks, send, told
from tools.campaign.isolation.stage import Plant, Stage, Things
from tools.campaign.report import Report

CALLERS = (
    "viewer", "puller", "editor", "admin", "operator", "narrowed", "pod", "revoked", "of the gone",
    "stranger", None,
)  # fmt: skip
"""None shows no key; the stranger is the other project's admin, who looks at ours."""

MALFORMED = ("-1", "no such thing'\"; --", "9" * 40)
_WHO_HAVE_ROLES = frozenset({"viewer", "puller", "editor", "admin", "operator"})
_READ_OUT = (
    "", "/keys", "/credentials", "/credentials/login-of-{0}/uses", "/webhooks", "/workloads",
    "/credentials/login-of-{0}/fetches", "/credentials/login-of-{0}/verdicts", "/audit", "/events",
)  # fmt: skip
_NOT_SCOPED = frozenset({"listProjects", "createProject", "whoAmI"})
"""Operations in which an operator is told of every project."""


class Matrix:
    """Plays cells and keeps what it saw."""

    def __init__(self, stage: Stage, report: Report, plant: Plant = lambda store: store) -> None:
        self._stage = stage
        self._report = report
        self._plant = plant
        self._requests = Requests()
        self.shown: dict[str, list[str]] = {}
        """What each project shows its own admin before anything was done."""

    async def play(self, operation: Operation, caller: str | None, slots: list[Slot]) -> None:
        """Play every cell of an operation and a caller on rows of their own."""
        with self._stage.play(self._plant) as world:
            await _Act(self, world, operation, caller).play(slots)

    def violation(self, what: str) -> None:
        """Keep one."""
        self._report.violations.append(what)

    def count(self, what: str) -> None:
        """Count one."""
        self._report.add(what)


class _Act:
    def __init__(
        self, matrix: Matrix, world: World, operation: Operation, caller: str | None
    ) -> None:
        self._matrix = matrix
        self._world = world
        self._operation = operation
        self._caller = caller
        self._things = matrix._stage.things  # noqa: SLF001  one class in two halves
        mirrored = caller == "stranger"
        self._own, self._theirs = ("foreign", "home") if mirrored else ("home", "foreign")
        self._words = matrix._stage.words[self._theirs]  # noqa: SLF001  likewise
        self._requests = matrix._requests  # noqa: SLF001  likewise

    async def play(self, slots: list[Slot]) -> None:
        # Every act begins from the same rows: they are read once.
        if self._theirs not in self._matrix.shown:
            self._matrix.shown[self._theirs] = await self._read_out()
        for slot in slots:
            await self._play_slot(slot)
        if len(self._operation.parameters) > 1:
            await self._play_whole_path()
        await self._own_cell()
        if await self._read_out() != self._matrix.shown[self._theirs]:
            self._blame("something of the other project changed", None, "", None)

    async def _play_slot(self, slot: Slot) -> None:
        own = self._things[self._own]
        missing = await self._value(slot, "missing")
        expected = await self._ask(own, slot, missing)
        for whose in (self._theirs, "gone"):
            value = await self._value(slot, whose)
            if self._may_reach(slot, value):
                continue
            found = await self._ask(own, slot, value)
            self._matrix.count("cells")
            if found != expected:
                self._blame(f"{whose} differs from missing", slot, value, (found, expected))
        for value in MALFORMED:
            found = await self._ask(own, slot, value)
            self._matrix.count("cells")
            if found[0] >= 500:
                self._blame("malformed breaks it", slot, value, found[:2])
        if self._operation.reads:
            await self._ask(own, slot, await self._value(slot, self._own))
            self._matrix.count("cells")

    async def _play_whole_path(self) -> None:
        """Name everything as the other project does; only the project is then missing."""
        theirs = self._things[self._theirs]
        if self._caller == "operator" or "project" not in self._operation.parameters:
            return
        slot = Slot("path", "project", "project id")
        told_of = []
        for whose in ("missing", self._theirs, "gone"):
            found = await self._ask(theirs, slot, self._things[whose]["project id"])
            told_of.append(found)
        self._matrix.count("cells")
        self._matrix.count("cells")
        if told_of[1:] != told_of[:1] * 2:
            self._blame("a foreign path differs from a missing one", slot, "", told_of)

    async def _own_cell(self) -> None:
        """Do the thing itself: whoever may is not refused, and whoever may not is."""
        operation, caller = self._operation, self._caller
        sent = self._requests.make(operation, self._things[self._own])
        reply = await send(self._world, operation.face, caller, sent)
        self._check_words(reply, sent, None, "")
        self._matrix.count("cells")
        if caller not in _WHO_HAVE_ROLES:
            if reply.status_code >= 500 or (reply.status_code < 400 and caller in _NOBODY):
                self._blame("own", None, "", reply.status_code)
            return
        allowed = caller in MAY[operation.needs]
        good = operation.good or frozenset(range(200, 300))
        if (reply.status_code in good) != allowed or (not allowed and reply.status_code != 403):
            self._blame("own", None, "", (reply.status_code, reply.text))

    async def _ask(self, own: Things, slot: Slot, value: str) -> tuple[Any, ...]:
        sent = self._requests.make(self._operation, own, slot, value)
        reply = await send(self._world, self._operation.face, self._caller, sent)
        self._matrix.count("requests")
        if not self._may_reach(slot, value):
            self._check_words(reply, sent, slot, value)
        return told(reply, sent)

    def _check_words(self, reply: Any, sent: Sent, slot: Slot | None, value: str) -> None:
        if self._caller == "operator" and self._operation.id in _NOT_SCOPED:
            return
        if found := leaks(reply, self._words, sent):
            self._blame(f"tells {found}", slot, value, reply.text)

    def _may_reach(self, slot: Slot, value: str) -> bool:
        """Whether the caller is an operator, for whom other projects are no secret."""
        theirs = self._things[self._theirs]
        operators = {theirs[kind] for kind in ("project id", "project number", "project name")}
        return self._caller == "operator" and value in operators | {theirs["cluster"]}

    async def _value(self, slot: Slot, whose: str) -> str:
        if slot.kind == "cursor":
            return await self._cursor(whose)
        return self._things[whose][slot.kind]

    async def _cursor(self, whose: str) -> str:
        """Return a cursor of the other project's own list, or one of its logins."""
        if whose in {"missing", "gone"}:
            return "A" * (88 if whose == "missing" else 89)
        for path in (self._operation.path, "/v1/projects/{project}/credentials"):
            named = self._things[whose]
            where = path.replace("{project}", "-").replace("{credential}", named["credential id"])
            reply = await self._world.send("GET", f"{where}?limit=1", key=whose)
            cursor: str | None = reply.json().get("next_cursor")
            if cursor:
                return cursor
        raise AssertionError(self._operation)

    async def _read_out(self) -> list[str]:
        """Return all that the other project shows its own admin."""
        found = []
        for path in _READ_OUT:
            where = f"/v1/projects/-{path.format(self._theirs)}"
            where += "?limit=200" * (path not in {"", _READ_OUT[3]})
            found.append((await self._world.send("GET", where, key=self._theirs)).text)
        body = {"image": self._things[self._theirs]["image"]}
        explained = await self._world.send("POST", "/v1/projects/-/explain", body, key=self._theirs)
        return [*found, explained.text]

    def _blame(self, what: str, slot: Slot | None, value: str, seen: Any) -> None:
        self._matrix.violation(
            f"{self._operation}, {self._caller}, {slot}, {value!r}: {what}: {seen}"
        )


_NOBODY = frozenset({None, "revoked", "of the gone"})


def slots_of(operation: Operation, *, whole: bool) -> list[Slot]:
    """Return an operation's slots, or one for each place in a request."""
    first = {slot.where: slot for slot in reversed(operation.slots)}
    return list(operation.slots if whole else first.values())
