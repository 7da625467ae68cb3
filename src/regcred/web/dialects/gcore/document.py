"""The face's OpenAPI document: the vendor's operations, and the statuses that each may answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from regcred.web.dialects.gcore.wire import Error
from regcred.web.openapi import describe, tell_errors

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
    # No 400 for deleting, as in the vendor's document: what is wrong with a path is not found. What
    # HTTP itself refuses before the path is looked at (two keys, a query of 9 KiB) stays a 400.
    some = {"InferenceRegistryCredentialsHandler.post": {400, 409}}
    for handler in ("sHandler.get", "Handler.get", "Handler.put"):
        some[f"InferenceRegistryCredential{handler}"] = {400}
    tell_errors(described, Error, (), some)
    return described
