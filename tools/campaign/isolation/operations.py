"""Every operation of every face, read from the documents that the service shows of itself.

The tables say what a parameter or a field names. One that is in no table stops the matrix: a new
route, a new parameter and a new field have to join.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.web import operations as native
from tests.web.dialects import contracts

DOCUMENTS = {
    "native": "/v1/openapi.json",
    "gcore": "/cloud/v3/openapi.json",
    "yotta": "/v2/openapi.json",
    "sevalla": "/v3/openapi.json",
}
READS = frozenset({"GET", "HEAD"})
FRESH = "{fresh}"
"""Stands in a body where each request needs a text of its own."""

# Parameter of a path, a query or a header -> the kinds of thing it can name.
NAMING: Mapping[str, tuple[str, ...]] = {
    "project": ("project id", "project number"),
    "project_id": ("project number",),
    "credential": ("credential id", "credential name"),
    "credential_name": ("credential name",),
    "key": ("key",),
    "webhook": ("webhook",),
    "workload": ("workload",),
    "cluster": ("cluster",),
    "kind": ("use kind",),
    "cursor": ("cursor",),
    "name": ("credential name",),
    "registry": ("registry",),
    "username": ("username",),
    "label": ("label",),
    "principal": ("principal",),
    "target": ("credential id", "key", "webhook", "workload"),
    "image": ("image",),
    "Idempotency-Key": ("idempotency key",),
}
# The same words with another meaning in one place.
_NAMING_HERE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("yotta", "id"): ("credential number",),
    ("sevalla", "id"): ("credential id",),
    ("putUse", "name"): ("use name",),
    ("deleteUse", "name"): ("use name",),
    ("listEvents", "kind"): (),
    ("getKubernetesSecret", "name"): (),
}
_NAMING_NOTHING = frozenset(
    {
        "limit", "offset", "verify", "force", "provider", "verdict", "expiring_before",
        "unused_since", "since", "until", "action", "namespace", "If-Match", "If-None-Match",
        "Regcred-Node", "Regcred-Namespace",
    }
)  # fmt: skip

# Field of a body -> the kinds of thing it can name.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "name": ("credential name",),
    "username": ("username",),
    "Username": ("username",),
    "registry_url": ("registry",),
    "ServerURL": ("registry",),
    "image": ("image",),
    "image_patterns": ("image",),
    "service_account": ("service account",),
    "url": ("hook url",),
}
_FIELDS_HERE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("createProject", "name"): ("project name",),
    ("updateProject", "name"): ("project name",),
    ("createKey", "name"): ("key name",),
    ("updateKey", "name"): ("key name",),
}
# Clusters are the operator's: every admin who lets a pod pull is told whether there is one.
_FIELDS_NAMING_NOTHING = frozenset(
    {
        "Secret", "apiVersion", "audience", "ca_bundle", "client", "cluster", "description",
        "disabled", "expires_at", "force", "issuer", "jwks", "jwks_uri", "kind", "kinds", "labels",
        "lease_seconds", "namespace", "operator", "password", "provider", "recheck_every",
        "registry", "require_if_match", "role", "secret", "serviceAccountAnnotations",
        "serviceAccountToken", "settings", "token", "type",
    }
)  # fmt: skip
SMUGGLED: Mapping[str, str] = {
    "project": "project id",
    "project_id": "project number",
    "tenant_id": "project id",
    "id": "credential id",
    "number": "credential number",
    "credential_id": "credential id",
}
"""Fields that no body has, and what they would name if one were believed (A03)."""

_LOGIN = {"name": FRESH, "username": "robot-of-a-cell", "password": "a-password-of-a-cell"}
_CHANGE = {"username": "robot-of-a-cell", "password": "a-password-of-a-cell"}
_FACE_BODIES: Mapping[tuple[str, str], dict[str, Any]] = {
    ("gcore", "InferenceRegistryCredentialsHandler.post"): {**_LOGIN, "registry_url": "docker.io"},
    ("gcore", "InferenceRegistryCredentialHandler.put"): {**_CHANGE, "registry_url": "docker.io"},
    ("yotta", "createCredential"): {**_LOGIN, "username": "robot", "type": "DOCKER_HUB"},
    ("yotta", "updateCredential"): {**_CHANGE, "username": "robot"},
    ("yotta", "createCredentialV1"): {"name": FRESH, "username": "robot", "token": "a-password"},
    ("sevalla", "createDockerRegistryV3"): {
        "name": FRESH, "username": "robot", "secret": "a-password", "registry": "dockerHub",
    },
    ("sevalla", "updateDockerRegistryV3"): {"username": "robot", "secret": "a-password"},
}  # fmt: skip
# Where the native table's own body would collide with itself, or change what later cells need.
_NATIVE_BODIES: Mapping[str, dict[str, Any]] = {
    "createProject": {"name": FRESH},
    "updateProject": {"recheck_every": 86_400},
    "createCredential": {"name": FRESH},
    "replaceCredential": {"name": FRESH},
    "createKey": {"name": FRESH, "role": "viewer"},
    "createWebhook": {"url": f"https://hooks.example.com/{FRESH}"},
    "allowWorkload": {"service_account": FRESH},
    "putCluster": {"audience": FRESH},
}
# What the things of the matrix are refused for, by whom they are not refused for their roles.
_REFUSED: Mapping[tuple[str, str], int] = {
    ("native", "deleteProject"): 422,  # nobody deletes the home of the own key
    ("native", "deleteCredential"): 409,  # it is in use
    ("yotta", "deleteCredential"): 409,
    ("yotta", "deleteCredentialV1"): 409,
}
_HAND_OUTS = "credential={credential}"


class Unlisted(Exception):
    """A route, a parameter or a field that the tables do not know."""


@dataclass(frozen=True)
class Slot:
    """A place in a request that can name a thing."""

    where: str
    """path, query, header, body, text (the whole body), extra (a field that no body has)."""

    name: str
    kind: str


@dataclass(frozen=True)
class Operation:
    """One operation with what it needs to succeed, and every place where it can name something."""

    face: str
    id: str
    method: str
    path: str
    needs: str
    parameters: tuple[str, ...]
    """Of the path."""

    slots: tuple[Slot, ...]
    query: str = ""
    body: Any = None
    fields: tuple[str, ...] = ()
    """Of the body, if it is an object."""

    good: frozenset[int] = field(default_factory=frozenset)
    """What it answers whoever may do it; empty: anything below 400."""

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.method in READS

    def __str__(self) -> str:
        return f"{self.face} {self.id}"


def every_operation(documents: Mapping[str, Any]) -> list[Operation]:
    """Return the operations of all faces, whose documents are given. Raise Unlisted."""
    return [
        _operation(face, one) for face in DOCUMENTS for one in contracts.operations(documents[face])
    ]


def _operation(face: str, one: contracts.Operation) -> Operation:
    parameters = tuple(name for where, name in one.parameters if where == "path")
    needs, query, body, good = _native(one) if face == "native" else _vendors(face, one)
    if (face, one.id) in _REFUSED:
        good = frozenset({_REFUSED[face, one.id]})
    return Operation(
        face, one.id, one.method, one.path, needs, parameters,
        tuple(_slots(face, one, body)), query, body, tuple(_properties(one.body or {})), good,
    )  # fmt: skip


def _native(one: contracts.Operation) -> tuple[str, str, Any, frozenset[int]]:
    row = native.BY_ID.get(one.id)
    if row is None or (row.method, row.path) != (one.method, one.path):
        raise Unlisted(f"native {one.id}: no row in tests/web/operations.py")
    body = row.body
    if one.id in _NATIVE_BODIES:
        body = {**body, **_NATIVE_BODIES[one.id]}
        body.pop("require_if_match", None)
    good = frozenset({200, row.status}) if row.method == "PUT" else frozenset({row.status})
    return row.needs, _HAND_OUTS if row.query else "", body, good


def _vendors(face: str, one: contracts.Operation) -> tuple[str, str, Any, frozenset[int]]:
    body = _FACE_BODIES.get((face, one.id))
    if one.body is not None and body is None:
        raise Unlisted(f"{face} {one.id}: no body in the table")
    return native.READ if one.method in READS else native.WRITE, "", body, frozenset()


def _slots(face: str, one: contracts.Operation, body: Any) -> Iterator[Slot]:
    for where, name in one.parameters:
        for kind in _named(face, one.id, name):
            yield Slot(where, name, kind)
    if isinstance(body, str):
        yield Slot("text", "", "registry")
    elif body is not None:
        for name in _properties(one.body):
            for kind in _fields(one.id, name):
                yield Slot("body", name, kind)
        for name, kind in SMUGGLED.items():
            yield Slot("extra", name, kind)


def _named(face: str, operation: str, name: str) -> tuple[str, ...]:
    for key in ((operation, name), (face, name)):
        if key in _NAMING_HERE:
            return _NAMING_HERE[key]
    if name in NAMING:
        return NAMING[name]
    if name in _NAMING_NOTHING:
        return ()
    raise Unlisted(f"{face} {operation}: parameter {name}")


def _fields(operation: str, name: str) -> tuple[str, ...]:
    if (operation, name) in _FIELDS_HERE:
        return _FIELDS_HERE[operation, name]
    if name in FIELDS:
        return FIELDS[name]
    if name in _FIELDS_NAMING_NOTHING:
        return ()
    raise Unlisted(f"{operation}: field {name}")


def _properties(schema: Any) -> Iterator[str]:
    yield from schema.get("properties", ())
    for part in schema.get("anyOf", ()):
        yield from _properties(part)
