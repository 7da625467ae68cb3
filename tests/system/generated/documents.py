"""The vendors' contracts and the served documents, made ready for a run.

A run gets a copy. What is added to it: the statuses that a face may give beyond its vendor's
document, a body to begin with, links from what was created to what can be done with it, and the
one project that the key has. What the vendor wrote of bodies and answers stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

Document = dict[str, Any]

BEYOND = (401, 403, 405, 413, 415, 429, 500, 503)
"""Statuses that any operation may answer beyond its vendor's document, in the vendor's shape."""

EXAMPLE_NAMES = ("ci-pull", "CI pull")
"""Names in the documents' examples."""

_CONTRACTS = Path(__file__).parents[2] / "contracts"
_METHODS = {"get", "put", "post", "patch", "delete"}


@dataclass(frozen=True)
class Face:
    """One vendor's wire, and how its callers speak."""

    name: str
    served_at: str
    """Where the service shows the face's own document."""

    key_header: tuple[str, str]
    """A header's name, and what stands in it before the key."""

    example: Mapping[str, str]
    """A login that can be stored; an update takes of it what it knows."""

    made: Mapping[str, str]
    """By collection: where a link finds what the collection's login is addressed by."""

    root: str = ""
    """The path that the document's own paths are below."""

    missing_project: bool = False
    """Whether a collection may be missing, because its path names a project."""

    def headers(self, key: str) -> dict[str, str]:
        """Return what shows `key`, the vendor's way."""
        name, before = self.key_header
        return {name: before + key}

    def contract(self) -> Document:
        """Return the vendor's own document."""
        document: Document = json.loads((_CONTRACTS / f"{self.name}.json").read_text())
        return document

    def served(self, url: str) -> Document:
        """Return the document that the service at `url` shows."""
        document: Document = httpx2.get(url + self.served_at, trust_env=False).json()
        return document


GCORE = Face(
    "gcore",
    "/cloud/v3/openapi.json",
    ("Authorization", "APIKey "),
    {
        "name": "ci-pull",
        "username": "u",
        "password": "a-password",
        "registry_url": "registry.example.com",
    },
    {"/cloud/v3/inference/{project_id}/registry_credentials": "$request.body#/name"},
    missing_project=True,
)
YOTTA = Face(
    "yotta",
    "/v2/openapi.json",
    ("X-Api-Key", ""),
    {"name": "ci-pull", "username": "u", "password": "a-password", "type": "GCR"},
    {
        "/v2/container-registry-auths": "$response.body#/data/id",
        "/openapi/v1/credentials": "$response.body#/data",
    },
)
SEVALLA = Face(
    "sevalla",
    "/v3/openapi.json",
    ("Authorization", "Bearer "),
    {"name": "CI pull", "username": "u", "secret": "a-secret", "registry": "github"},
    {"/docker-registries": "$response.body#/id"},
    root="/v3",
)
FACES = (GCORE, YOTTA, SEVALLA)


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (path, method, operation)."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def success(operation: Mapping[str, Any]) -> int:
    """Return the one status with which an operation says that it did what was asked."""
    (status,) = (status for status in operation["responses"] if status.startswith("2"))
    return int(status)


def allowed(face: Face, path: str, operation: Mapping[str, Any]) -> set[int]:
    """Return what the vendor documents of an operation, and what any may answer beyond it."""
    statuses = {*map(int, operation["responses"]), *BEYOND}
    # The vendor's general guide on errors: "404 also for wrong project".
    return statuses | {404} if face.missing_project and path in face.made else statuses


def widened(face: Face) -> Document:
    """Return the vendor's contract with `allowed` statuses, those added in the vendor's shape."""
    document = face.contract()
    for path, _, operation in operations(document):
        responses = operation["responses"]
        for status in sorted(allowed(face, path, operation)):
            responses.setdefault(str(status), responses["401"])
        _give_example(document, operation, face.example)
    return document


def prepared(face: Face, document: Document) -> Document:
    """Link what is created to what can be done with it, and fix the project. Change `document`."""
    everything = list(operations(document))
    for path, method, operation in everything:
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "project_id":
                # Other projects are what the generators of bad requests make of this.
                parameter["schema"] = {"type": "integer", "enum": [1]}
        made_by = face.made.get(path.removesuffix("/create"))
        if method == "post" and made_by is not None:
            below = path.removesuffix("/create") + "/{"
            operation["responses"][str(success(operation))]["links"] = {
                linked["operationId"]: {
                    "operationId": linked["operationId"],
                    "parameters": _found(linked_path, made_by),
                }
                for linked_path, _, linked in everything
                if linked_path.startswith(below)
            }
    return document


def _found(path: str, made_by: str) -> dict[str, str]:
    """Return the expressions that fill the template `path`; its last name is the login's."""
    *outer, login = (part[1:-1] for part in path.split("/") if part.startswith("{"))
    return {**{name: f"$request.path.{name}" for name in outer}, login: made_by}


def _give_example(
    document: Document, operation: Mapping[str, Any], example: Mapping[str, str]
) -> None:
    if "requestBody" not in operation:
        return
    media = operation["requestBody"]["content"]["application/json"]
    shape = document["components"]["schemas"][media["schema"]["$ref"].rpartition("/")[2]]
    media["example"] = {name: text for name, text in example.items() if name in shape["properties"]}
