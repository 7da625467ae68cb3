"""The rules by which a Kubernetes API server takes a write, as far as a sync can feel them.

From Kubernetes' own documents: server-side apply (who owns which field, conflicts, what is dropped
when it is no longer applied), a Secret's validation, a Lease's times, RBAC. Lists that Kubernetes
calls atomic are one field.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]
Path = tuple[str, ...]
Manager = tuple[str, str]
"""A name and an operation: Apply or Update. The two of one name are two managers."""

Owned = dict[Manager, set[Path]]

_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_MAPS = (("metadata", "labels"), ("metadata", "annotations"), ("data",), ("spec",))
_ATOMS = (("type",), ("immutable",), ("imagePullSecrets",), ("secrets",))


class Refusal(Exception):
    """A request that is answered with a Status."""

    def __init__(self, code: int, reason: str, message: str, *causes: Json) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": {"causes": list(causes)},
            "code": code,
        }


def _at(thing: Json, path: Path) -> Any:
    for part in path:
        thing = thing.get(part) or {}
    return thing


def fields(thing: Json) -> dict[Path, Any]:
    """Return every field that can have an owner."""
    found = {(*path, key): value for path in _MAPS for key, value in _at(thing, path).items()}
    return found | {path: thing[path[0]] for path in _ATOMS if thing.get(path[0]) is not None}


def with_fields(thing: Json, wanted: Mapping[Path, Any]) -> Json:
    """Return a thing with these fields and no other that could have an owner."""
    made = copy.deepcopy(thing)
    for path in fields(made):
        del _at(made, path[:-1])[path[-1]]
    for path, value in wanted.items():
        place = made
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = copy.deepcopy(value)
    return made


def applied(live: Json, owned: Owned, wanted: Json, manager: str, force: bool) -> Json:
    """Return what server-side apply makes of a live thing, and change who owns what."""
    me = (manager, "Apply")
    mine, there = fields(wanted), fields(live)
    conflicts = {
        (other, path)
        for other, paths in owned.items()
        for path in paths & set(mine)
        if other != me and there.get(path) != mine[path]
    }
    if conflicts and not force:
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {n!r}", "field": f".{p}"}
            for (n, _), p in sorted((one, ".".join(path)) for one, path in conflicts)
        ]
        raise Refusal(409, "Conflict", f"Apply failed with {len(causes)} conflicts", *causes)
    for other, path in conflicts:
        owned[other].discard(path)
    others = set[Path]().union(*(paths for one, paths in owned.items() if one != me))
    dropped = owned.get(me, set()) - set(mine) - others
    owned[me] = set(mine)
    return with_fields(live, {p: v for p, v in (there | mine).items() if p not in dropped})


def updated(live: Json, owned: Owned, wanted: Json, manager: str) -> Json:
    """Return what any other write makes of it: who changes a field owns it from then on."""
    mine, there = fields(wanted), fields(live)
    changed = {path for path in {*mine, *there} if mine.get(path) != there.get(path)}
    for paths in owned.values():
        paths.difference_update(changed)
    owned.setdefault((manager, "Update"), set()).update(changed & set(mine))
    return with_fields(live, mine)


def managed_fields(owned: Owned) -> list[Json]:
    """Return who owns what, as an object's metadata show it."""
    entries = []
    for (name, operation), paths in owned.items():
        tree: Json = {}
        for path in paths:
            place = tree
            for part in path:
                place = place.setdefault(f"f:{part}", {})
        entries.append(
            {
                "manager": name,
                "operation": operation,
                "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": tree,
            }
        )
    return entries


def merged(live: Json, patch: Json) -> Json:
    """Return RFC 7386's merge."""
    made = dict(live)
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict):
            inner = made.get(name)
            made[name] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            made[name] = value
    return made


def check(resource: str, before: Json | None, after: Json) -> None:
    """Raise Refusal for what the API server calls invalid."""
    if resource == "secrets":
        after.setdefault("type", "Opaque")
        _check_secret(before, after)
    for name in ("acquireTime", "renewTime"):
        text = _at(after, ("spec",)).get(name)
        if text is not None and not _MICRO_TIME.fullmatch(text):
            raise Refusal(400, "BadRequest", f'parsing time {text!r} as ".000000"')


def _check_secret(before: Json | None, after: Json) -> None:
    def refuse(field: str, rule: str) -> None:
        cause = {"reason": "FieldValueInvalid", "message": rule, "field": field}
        raise Refusal(422, "Invalid", f"Secret is invalid: {field}: {rule}", cause)

    if before and before["type"] != after["type"]:
        refuse("type", "field is immutable")
    if before and before.get("immutable"):
        if not after.get("immutable"):
            refuse("immutable", "field is immutable when `immutable` is set")
        if before.get("data") != after.get("data"):
            refuse("data", "field is immutable when `immutable` is set")
    if after["type"] == "kubernetes.io/dockerconfigjson":
        text = _at(after, ("data",)).get(".dockerconfigjson")
        if text is None:
            refuse("data[.dockerconfigjson]", "Required value")
        try:
            read = json.loads(base64.b64decode(text, validate=True))
        except ValueError:
            read = None
        if not isinstance(read, dict):
            refuse("data[.dockerconfigjson]", "Invalid value: <secret contents redacted>")


# Labels

_IN = re.compile(r"(\S+) (in|notin) \((.*)\)")


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes a thing in. Raise Refusal."""
    return all(_requires(part, labels) for part in re.split(r",(?![^(]*\))", selector) if part)


def _requires(part: str, labels: Mapping[str, str]) -> bool:
    if found := _IN.fullmatch(part):
        there = labels.get(found[1]) in found[3].split(",")
        return there == (found[2] == "in")
    if re.search(r"[() ]", part):
        raise Refusal(400, "BadRequest", f"unable to parse requirement: {part!r}")
    name, equals, value = part.partition("=")
    if not equals:
        return (name.removeprefix("!") in labels) != name.startswith("!")
    if name.endswith("!"):
        return labels.get(name[:-1]) != value
    return labels.get(name.rstrip("=")) == value.lstrip("=")


# Rights


class Act(NamedTuple):
    """What is asked for. `namespace` and `name` are empty where the request names none."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Rights:
    """What RBAC manifests let one service account do."""

    def __init__(self, manifests: Iterable[Json], namespace: str, account: str) -> None:
        listed = list(manifests)
        me = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        roles = {
            (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one
            for one in listed
            if one["kind"] in {"Role", "ClusterRole"}
        }
        self._rules: list[tuple[str, Json]] = []
        for binding in listed:
            if binding["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
                continue
            if me not in binding["subjects"]:
                continue
            where = binding["metadata"].get("namespace", "")
            ref = binding["roleRef"]
            home = where if ref["kind"] == "Role" else ""
            rules = roles[ref["kind"], home, ref["name"]]["rules"]
            self._rules += [(where, rule) for rule in rules]

    def allow(self, act: Act) -> bool:
        """Whether a rule takes it in."""
        return any(
            where in {"", act.namespace}
            and act.group in rule["apiGroups"]
            and act.resource in rule["resources"]
            and act.verb in rule["verbs"]
            and (not rule.get("resourceNames") or act.name in rule["resourceNames"])
            for where, rule in self._rules
        )

    def granted(self) -> set[tuple[str, str, str]]:
        """Return each (verb, group, resource) that is granted anywhere."""
        return {
            (verb, group, resource)
            for _, rule in self._rules
            for verb in rule["verbs"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
        }
