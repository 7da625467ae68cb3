"""What clients did to the service, and what must be there because of it.

A client does one act after the other. Whatever was acknowledged must be there, wholly and with its
audit row; of each client one act more, the one under way when the service died, may be there or
not, but not in part. That is everything the checks go by, whatever broke the service.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from tools.campaign.client import Asking

Thing = tuple[str, ...]
"""("login", name), ("use", login's name, use's name) or ("key", name)."""

Request = tuple[str, str, object, str, dict[Thing, str | None]]
"""Method, path, body, the audit row's action, and the changes."""

PROJECT = "/v1/projects/-"
PRESENT = "there"
"""What stands for a thing that has no more to it than to be there."""

_WEIGHTS = {
    "create": 34, "replace": 20, "delete": 10, "use": 12, "unuse": 6, "mint": 5, "revoke": 4,
    "resolve": 9,
}  # fmt: skip


class Unexpected(Exception):
    """The service answered a request of a client as it may not."""


class Act(NamedTuple):
    """One request that changes or reveals something."""

    request_id: str
    action: str
    """The audit row's."""

    changes: Mapping[Thing, str | None]
    """What is there afterwards; None: no longer."""


@dataclass
class Actor:
    """One client: what it did, what was acknowledged, and what it does next."""

    name: str
    client: Asking
    seed: str
    acknowledged: list[Act] = field(default_factory=list)
    doubt: Act | None = None
    """Sent and not answered."""

    present: dict[Thing, str] = field(default_factory=dict)
    """What must be there by what was acknowledged."""

    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Keys by name: id and text."""

    most: int = 1_000_000
    """Logins that it keeps at once; with so many it deletes one first."""

    refused: dict[int, int] = field(default_factory=dict)
    """Answers of 503 and 409 by status, which acknowledge nothing."""

    _count: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def act(self, kind: str = "", *, refusals: frozenset[int] = frozenset()) -> Act | None:
        """Do one thing, of that kind if one is named, and return it once it is acknowledged.

        None: it was refused in a permitted way. Raise Broken, with the act in doubt, and Unexpected
        for any other answer.
        """
        self._count += 1
        request_id = f"{self.name}.{self._count}"
        kind = kind or self._kind()
        method, path, body, action, changes = getattr(self, f"_{kind}")()
        self.doubt = Act(request_id, action, changes)
        answer = await self.client.ask(method, path, body, request_id=request_id)
        act, self.doubt = self.doubt, None
        if answer.status in refusals:
            self.refused[answer.status] = self.refused.get(answer.status, 0) + 1
            return None
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise Unexpected(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        if kind == "mint":
            made = answer.json
            self.tokens[made["name"]] = (made["id"], made["key"])
        self.take(act)
        return act

    def take(self, act: Act) -> None:
        """Count an act as one whose effects must be there."""
        self.acknowledged.append(act)
        apply(self.present, act)

    def settle(self, happened: Iterable[str]) -> None:
        """Take the act in doubt for what the audit says: its request id is in `happened`, or not.

        A key whose creation was in doubt is there, and nobody knows its text.
        """
        if self.doubt is not None and self.doubt.request_id in set(happened):
            self.take(self.doubt)
        self.doubt = None

    def _kind(self) -> str:
        may = dict(_WEIGHTS)
        if len(self._logins()) >= self.most:
            may.pop("create")
            may["delete"] *= 4
        if not self._logins():
            may = {"create": 1}
        if not self._known_keys():
            may.pop("revoke", None)
        if not self._uses():
            may.pop("unuse", None)
        return self._random.choices(list(may), list(may.values()))[0]

    def _logins(self) -> list[str]:
        return [thing[1] for thing in self.present if thing[0] == "login"]

    def _uses(self) -> list[Thing]:
        return [thing for thing in self.present if thing[0] == "use"]

    def _known_keys(self) -> list[str]:
        return [name for name in self.tokens if ("key", name) in self.present]

    def _create(self) -> Request:
        name, password = f"{self.name}-{self._count}", self._password()
        body = {
            "name": name,
            "registry_url": f"https://{host_of(name)}",
            "username": "robot",
            "password": password,
        }
        changes: dict[Thing, str | None] = {("login", name): password}
        return "POST", f"{PROJECT}/credentials", body, "credential.created", changes

    def _replace(self) -> Request:
        name, password = self._random.choice(self._logins()), self._password()
        path = f"{PROJECT}/credentials/{name}"
        changes: dict[Thing, str | None] = {("login", name): password}
        return "PATCH", path, {"password": password}, "credential.updated", changes

    def _delete(self) -> Request:
        name = self._random.choice(self._logins())
        gone = [thing for thing in self._uses() if thing[1] == name]
        changes: dict[Thing, str | None] = dict.fromkeys([("login", name), *gone])
        path = f"{PROJECT}/credentials/{name}?force=true"
        return "DELETE", path, None, "credential.deleted", changes

    def _use(self) -> Request:
        name, use = self._random.choice(self._logins()), f"web-{self._count}"
        path = f"{PROJECT}/credentials/{name}/uses/deployment/{use}"
        return "PUT", path, {}, "use.put", {("use", name, use): PRESENT}

    def _unuse(self) -> Request:
        thing = self._random.choice(self._uses())
        path = f"{PROJECT}/credentials/{thing[1]}/uses/deployment/{thing[2]}"
        return "DELETE", path, None, "use.deleted", {thing: None}

    def _mint(self) -> Request:
        name = f"{self.name}-key-{self._count}"
        body = {"name": name, "role": "puller"}
        return "POST", f"{PROJECT}/keys", body, "key.created", {("key", name): PRESENT}

    def _revoke(self) -> Request:
        name = self._random.choice(self._known_keys())
        path = f"{PROJECT}/keys/{self.tokens[name][0]}"
        return "DELETE", path, None, "key.deleted", {("key", name): None}

    def _resolve(self) -> Request:
        name = self._random.choice(self._logins())
        body = {"image": f"{host_of(name)}/app:1", "client": f"campaign-{self._count}"}
        return "POST", f"{PROJECT}/resolve", body, "credential.revealed", {}

    def _password(self) -> str:
        return f"pw-{self.name}-{self._count}-{self._random.getrandbits(64):016x}"


def apply(present: dict[Thing, str], act: Act) -> None:
    """Change `present` as the act does."""
    for thing, value in act.changes.items():
        if value is None:
            present.pop(thing, None)
        else:
            present[thing] = value


def host_of(login: str) -> str:
    """Return the registry's host that a login of that name is for."""
    return f"{login.lower().replace('.', '-')}.example"


def judge(
    acknowledged: Mapping[Thing, str],
    touched: Iterable[Thing],
    doubt: Act | None,
    found: Mapping[Thing, str],
    audited: Iterable[str],
) -> list[str]:
    """Return what is wrong with what was `found` of the `touched` things.

    The act in doubt happened if its request id was `audited`, and then wholly.
    """
    expected = dict(acknowledged)
    things = set(touched)
    if doubt is not None:
        things |= doubt.changes.keys()
        if doubt.request_id in set(audited):
            apply(expected, doubt)
    wrong = []
    for thing in sorted(things):
        wanted, there = expected.get(thing), found.get(thing)
        if wanted == there:
            continue
        what = "lost" if there is None else "back" if wanted is None else "another value"
        wrong.append(f"{' '.join(thing)}: {what} (in doubt: {doubt and doubt.request_id})")
    return wrong
