"""What the service promises to do, as a few dictionaries: no I/O, no clock, nothing of the service.

Every method returns what a caller may expect: a status, and whatever of the answer is promised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Told = tuple[int, Any]
"""A status, and what the answer says."""

_MAY_READ = frozenset({"admin", "puller", "viewer"})
_MAY_PULL = frozenset({"admin", "puller"})


@dataclass
class Login:
    """A stored login. `made` counts up, so that newer is greater."""

    name: str
    registry: str
    username: str
    password: str
    made: int
    version: int = 1
    description: str = ""
    uses: set[str] = field(default_factory=set)

    def shown(self) -> tuple[str, str, str, int, str]:
        """Return what a reader is told of it."""
        return self.name, self.registry, self.username, self.version, self.description


@dataclass
class Key:
    """An API key."""

    project: str
    role: str
    disabled: bool = False
    revoked: bool = False
    version: int = 1


@dataclass
class Project:
    """What one project has, and what its audit tells."""

    logins: dict[str, Login] = field(default_factory=dict)
    """By id."""

    once: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """Idempotency-Key -> (what was asked, id of what it made)."""

    audit: list[str] = field(default_factory=list)

    def named(self, name: str) -> Login | None:
        """Return the login of that name."""
        return next((one for one in self.logins.values() if one.name == name), None)


class Model:
    """Some projects with logins and keys."""

    def __init__(self, projects: tuple[str, ...]) -> None:
        self.projects = {name: Project() for name in projects}
        self.keys: dict[str, Key] = {}
        self._made = 0

    def may_create(self, project: str, asked: dict[str, Any], once: str | None) -> Told:
        """Return (201, id of what is already there or None) or a refusal."""
        place = self.projects[project]
        if once in place.once:
            before, made = place.once[once]
            if before != asked:
                return 422, None
            return (201, made) if made in place.logins else (404, None)
        return (409, None) if place.named(asked["name"]) else (201, None)

    def created(self, project: str, id_: str, asked: dict[str, Any], once: str | None) -> None:
        """Note what a creation made."""
        self._made += 1
        place = self.projects[project]
        place.logins[id_] = Login(
            asked["name"], asked["registry_url"], asked["username"], asked["password"], self._made
        )
        if once is not None:
            place.once[once] = (asked, id_)
        place.audit.append("credential.created")

    def change(
        self, project: str, id_: str, changes: dict[str, Any], expected: int | None, *, whole: bool
    ) -> Told:
        """Change a login, or put a whole one in its place."""
        place = self.projects[project]
        login = place.logins.get(id_)
        if login is None:
            return 404, None
        if expected not in {None, login.version}:
            return 412, None
        holder = place.named(changes.get("name", login.name))
        if holder is not None and holder is not login:
            return 409, None
        login.version += 1
        login.name = changes.get("name", login.name)
        login.username = changes.get("username", login.username)
        login.password = changes.get("password", login.password)
        login.registry = changes.get("registry_url", login.registry)
        login.description = changes.get("description", "" if whole else login.description)
        place.audit.append("credential.replaced" if whole else "credential.updated")
        return 200, login.shown()

    def delete(self, project: str, id_: str, *, force: bool) -> Told:
        """Delete a login, unless someone uses it."""
        place = self.projects[project]
        login = place.logins.get(id_)
        if login is None:
            return 404, None
        if login.uses and not force:
            return 409, len(login.uses)
        del place.logins[id_]
        place.audit.append("credential.deleted")
        return 204, None

    def resealed(self, project: str) -> None:
        """Note that everything of a project was sealed anew, of which callers see nothing."""
        self.projects[project].audit += ["seed.added", "seeds.destroyed"]

    def show(self, project: str, id_: str) -> Told:
        """Read a login."""
        login = self.projects[project].logins.get(id_)
        return (404, None) if login is None else (200, login.shown())

    def use(self, project: str, id_: str, name: str) -> Told:
        """Declare a use."""
        login = self.projects[project].logins.get(id_)
        if login is None:
            return 404, None
        login.uses.add(name)
        self.projects[project].audit.append("use.put")
        return 200, None

    def release(self, project: str, id_: str, name: str) -> Told:
        """Release a use."""
        login = self.projects[project].logins.get(id_)
        if login is None or name not in login.uses:
            return 404, None
        login.uses.remove(name)
        self.projects[project].audit.append("use.deleted")
        return 204, None

    def hand_out(self, project: str, id_: str) -> Told:
        """Return (200, [(username, password)]) for a login that is asked for by itself."""
        login = self.projects[project].logins.get(id_)
        if login is None:
            return 404, None
        self.projects[project].audit.append("credential.revealed")
        return 200, [(login.username, login.password)]

    def resolve(self, key_id: str, registry: str, repository: str) -> Told:
        """Return (200, [(name, username, password)]) in the order in which they are tried."""
        key = self.keys[key_id]
        if key.revoked or key.disabled:
            return 401, None
        if key.role not in _MAY_PULL:
            return 403, None
        place = self.projects[key.project]
        fitting = [one for one in place.logins.values() if _covers(one, registry, repository)]
        fitting.sort(key=lambda one: (one.registry.count("/"), one.made), reverse=True)
        if fitting:
            place.audit.append("credential.revealed")
        return 200, [(one.name, one.username, one.password) for one in fitting]

    def look(self, key_id: str) -> Told:
        """List the logins with a key."""
        key = self.keys[key_id]
        if key.revoked or key.disabled:
            return 401, None
        assert key.role in _MAY_READ
        return 200, self.list(key.project)

    def list(self, project: str) -> list[tuple[Any, ...]]:
        """Return what a list shows of every login, in the order in which they were made."""
        logins = sorted(self.projects[project].logins.values(), key=lambda one: one.made)
        return [one.shown() for one in logins]

    def key_made(self, project: str, id_: str, role: str) -> None:
        """Note a new key."""
        self.keys[id_] = Key(project, role)
        self.projects[project].audit.append("key.created")

    def disable(self, id_: str, *, disabled: bool) -> Told:
        """Disable a key, or enable it again."""
        key = self.keys[id_]
        if key.revoked:
            return 404, None
        key.disabled, key.version = disabled, key.version + 1
        self.projects[key.project].audit.append("key.updated")
        return 200, (disabled, key.version)

    def revoke(self, id_: str) -> Told:
        """Delete a key."""
        key = self.keys[id_]
        if key.revoked:
            return 404, None
        key.revoked = True
        self.projects[key.project].audit.append("key.deleted")
        return 204, None


def _covers(login: Login, registry: str, repository: str) -> bool:
    host, _, path = login.registry.partition("/")
    components = path.split("/") if path else []
    return host == registry and repository.split("/")[: len(components)] == components


# What of an answer the model speaks of


def shown_told(told: Any) -> tuple[Any, ...]:
    """Return what is told of a login."""
    names = ("name", "registry_url", "username", "version", "description")
    return tuple(told[name] for name in names)


def list_told(told: Any) -> list[tuple[Any, ...]]:
    """Return what is told of each login of a list."""
    return [shown_told(one) for one in told["items"]]


def logins_told(told: Any) -> list[tuple[str, str, str]]:
    """Return the logins that a pull got, in order."""
    return [(one["credential"]["name"], one["username"], one["password"]) for one in told["logins"]]


def pairs_told(told: Any) -> list[tuple[str, str]]:
    """Return the logins of a docker configuration."""
    return [(one["username"], one["password"]) for one in told["auths"].values()]
