"""Errors in the vendor's envelope, by its published codes.

Where it publishes none (keys, roles, budgets, HTTP itself) the code is the HTTP status: that
cannot be mistaken for one of the vendor's, which have five digits.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson

from regcred.domain import errors
from regcred.domain.errors import RegcredError
from regcred.domain.use import Use
from regcred.web import refusals
from regcred.web.dialect import Answer
from regcred.web.json_body import JSON
from regcred.web.rendering import known, sentence, usual_headers

SUCCESS = 10000
IN_USE = 25002
_BAD = (400, 10001)
_BROKEN = (500, 10002)
_GONE = (404, 10007)
_UNAVAILABLE = (503, 503)

TABLE: dict[type[RegcredError], tuple[int, int]] = {
    RegcredError: _BROKEN,
    errors.InvalidInput: _BAD,
    errors.InvalidReference: _BAD,
    errors.MalformedRequest: _BAD,
    errors.NotAuthenticated: (401, 401),
    errors.AccessDenied: (403, 403),
    errors.NotFound: _GONE,
    errors.ProjectNotFound: _GONE,
    errors.CredentialNotFound: _GONE,
    errors.KeyNotFound: _GONE,
    errors.UseNotFound: _GONE,
    errors.WebhookNotFound: _GONE,
    errors.ClusterNotFound: _GONE,
    errors.WorkloadNotFound: _GONE,
    errors.NameTaken: _BAD,
    errors.VersionMismatch: _BAD,
    # This wire has no If-Match to send, so what the project demands is beyond its callers.
    errors.VersionRequired: (403, 403),
    errors.CredentialInUse: (409, IN_USE),
    errors.ProjectNotEmpty: _BAD,
    errors.ClusterInUse: _BAD,
    errors.TooManyWebhooks: _BAD,
    errors.IdempotencyConflict: _BAD,
    errors.CredentialRejected: _BAD,
    errors.QuotaExceeded: (429, 429),
    errors.LoginUnavailable: _UNAVAILABLE,
    errors.NoLogin: _GONE,
    errors.LoginsWithheld: _BAD,
    errors.SealBroken: _BROKEN,
    errors.KeyringUnavailable: _UNAVAILABLE,
    errors.StoreUnavailable: _UNAVAILABLE,
    errors.StartRefused: _UNAVAILABLE,
    refusals.BodyTooLarge: (413, 413),
    refusals.BodyTooSlow: _BAD,
    refusals.PathTooLong: _BAD,
    refusals.QueryTooLong: _BAD,
    refusals.UnreadablePath: _BAD,
    refusals.HeadersTooLarge: (413, 413),
    refusals.UnsupportedMediaType: (415, 415),
    refusals.MethodNotAllowed: (405, 405),
    refusals.Overloaded: _UNAVAILABLE,
    refusals.Internal: _BROKEN,
}

_FIELDS = {"provider": "type", "registry_url": "type"}
"""The domain's fields by the vendor's names."""

_IN_USE = "Credential is in use and cannot be deleted."


def envelope(message: str, code: int, data: object) -> bytes:
    """Return a body in the vendor's envelope."""
    return orjson.dumps({"message": message, "code": code, "data": data})


def render(error: RegcredError, _request_id: str) -> Answer:
    """Return `error` with the headers that belong to it."""
    status, code = TABLE[known(TABLE, error)]
    message = sentence(error, HTTPStatus(status).phrase, _FIELDS)
    data = None
    if isinstance(error, errors.CredentialInUse):
        message, data = _IN_USE, list(map(_user, error.uses))
    headers = ((b"content-type", JSON.encode()), *usual_headers(error, "Bearer"))
    return Answer(status, headers, envelope(message, code, data))


def _user(use: Use) -> dict[str, str]:
    # The vendor's users have an id beside their name; a declared use has its name alone.
    return {"type": use.kind.upper(), "id": use.name, "name": use.name}
