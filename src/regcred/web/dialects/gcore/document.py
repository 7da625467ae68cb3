"""The face's OpenAPI document: the vendor's operations, and the statuses that each may answer."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from regcred.web.dialects.gcore.errors import TABLE
from regcred.web.dialects.gcore.wire import Error
from regcred.web.openapi import Operation, describe, tell_errors

_DESCRIPTION = """\
Registry credentials as Gcore Everywhere Inference has them, from the store of this service.

Send `Authorization: APIKey KEY` with a key of this service. What another wire stored is listed and
addressed here too. Deleting a login that is in use is allowed, and deletes its uses.
"""


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    described = describe(
        app,
        title="regcred: Gcore's registry credentials",
        version="v3",
        description=_DESCRIPTION,
        security={"APIKey": {"type": "apiKey", "in": "header", "name": "Authorization"}},
    )
    about = {status: HTTPStatus(status).phrase for status, _ in TABLE.values()}
    tell_errors(described, Error, _statuses, about)
    return described


def _statuses(method: str, operation: Operation) -> Iterator[int]:
    yield from (401, 403, 404, 429, 500, 503)
    if method != "delete":
        yield 400
    if method in {"post", "delete"}:
        yield 409
    if "requestBody" in operation:
        yield from (413, 415)
