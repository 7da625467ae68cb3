"""The vendors' own documents (tests/contracts), read as tests need them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).parents[2] / "contracts"
VENDORS = tuple(sorted(path.stem for path in CONTRACTS.glob("*.json")))
"""Every vendor whose document there is."""


@dataclass(frozen=True)
class Operation:
    """One operation; paths are whole, references in schemas are filled in."""

    id: str
    method: str
    path: str
    parameters: dict[tuple[str, str], dict[str, Any]]
    """(in, name) -> the parameter's schema."""

    body: dict[str, Any] | None
    responses: dict[str, Any]
    """Status -> schema of the body, None without one."""


@cache
def contract(vendor: str) -> Any:
    """Return a vendor's document."""
    return json.loads((CONTRACTS / f"{vendor}.json").read_text())


def operations(document: Any) -> Iterator[Operation]:
    """Yield a document's operations."""
    [server] = document.get("servers", [{"url": ""}])
    # A server is a URL, or a path on the one that serves the document.
    _, _, whole = server["url"].rpartition("://")
    root = whole[whole.index("/") :] if "/" in whole else ""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            yield Operation(
                told["operationId"],
                method.upper(),
                root + path,
                {
                    (parameter["in"], parameter["name"]): resolved(parameter["schema"], document)
                    for parameter in told.get("parameters", ())
                },
                _schema(told.get("requestBody"), document),
                {status: _schema(answer, document) for status, answer in told["responses"].items()},
            )


def operation(vendor: str, method: str, path: str) -> Operation:
    """Return one operation of a vendor's document."""
    return next(
        one for one in operations(contract(vendor)) if (one.method, one.path) == (method, path)
    )


def resolved(schema: Any, document: Any) -> Any:
    """Return a schema with its references filled in."""
    if isinstance(schema, list):
        return [resolved(part, document) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return resolved(document["components"]["schemas"][name], document)
    return {key: resolved(value, document) for key, value in schema.items()}


def _schema(told: Any, document: Any) -> Any:
    for content in (told or {}).get("content", {}).values():
        return resolved(content["schema"], document)
    return None
