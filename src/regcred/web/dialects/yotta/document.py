"""The face's OpenAPI document: the vendor's operations, and the statuses that each may answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from regcred.web.dialects.yotta.wire import Result
from regcred.web.openapi import describe, tell_errors

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
    in_use = {"deleteCredential": {409}, "deleteCredentialV1": {409}}
    tell_errors(described, Result, {400}, in_use)
    return described
