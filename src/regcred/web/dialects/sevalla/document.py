"""The face's OpenAPI document: the vendor's operations, and the statuses that each may answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from regcred.web.dialects.sevalla.wire import Error
from regcred.web.openapi import below, describe, operations, tell_errors

ROOT = "/v3"

_DESCRIPTION = """\
Docker registry credentials as Sevalla has them, from the store of this service.

Send `Authorization: Bearer KEY` with a key of this service, whose project is the company. What
another wire stored is listed and addressed here too. Deleting a login that is in use is allowed,
and deletes its uses. Every answer says what is left of the project's budget.
"""
_HEADERS = {
    "x-ratelimit-limit": "integer",
    "x-ratelimit-remaining": "integer",
    "x-ratelimit-reset": "integer",
    "x-request-id": "string",
}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    described = describe(
        app,
        title="regcred: Sevalla's docker registries",
        version="v3",
        description=_DESCRIPTION,
        security={"bearerAuth": {"type": "http", "scheme": "bearer"}},
    )
    broken = {"createDockerRegistryV3": {422}, "updateDockerRegistryV3": {422}}
    tell_errors(described, Error, {400}, broken)
    headers = {name: {"schema": {"type": kind}} for name, kind in _HEADERS.items()}
    for _, _, operation in operations(described):
        for answer in operation["responses"].values():
            answer["headers"] = headers
    return below(described, ROOT)
