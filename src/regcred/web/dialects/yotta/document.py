"""The face's OpenAPI document: the vendor's operations, and the statuses that each may answer."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from regcred.web.dialects.yotta.errors import TABLE
from regcred.web.dialects.yotta.wire import Result
from regcred.web.openapi import Operation, describe, tell_errors

_DESCRIPTION = """\
Registry credentials as Yotta Labs has them, from the store of this service.

Send `X-Api-Key: KEY` with a key of this service; `Authorization: Bearer KEY` is taken too. Ids are
numbers within the key's project. What another wire stored is listed and addressed here too. A login
that is in use is not deleted: the answer names its users.
"""


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    described = describe(
        app,
        title="regcred: Yotta Labs' registry credentials",
        version="v2",
        description=_DESCRIPTION,
        security={"ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}},
    )
    about = {status: HTTPStatus(status).phrase for status, _ in TABLE.values()}
    tell_errors(described, Result, _statuses, about)
    return described


def _statuses(method: str, operation: Operation) -> Iterator[int]:
    yield from (400, 401, 403, 429, 500, 503)
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        yield 404
    if method == "delete":
        yield 409
    if "requestBody" in operation:
        yield from (413, 415)
