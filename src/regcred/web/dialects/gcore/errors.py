"""Errors as Gcore's general guide has them: an exception class, a message, invalid fields."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from regcred.domain import errors
from regcred.domain.errors import RegcredError
from regcred.web import refusals
from regcred.web.dialect import Answer, Headers
from regcred.web.json_body import JSON
from regcred.web.rendering import broken_rules, known, spoken, usual_headers

_BAD = (400, "ValidationError")
_GONE = (404, "NotFoundError")
_CONFLICT = (409, "ConflictError")
_INTERNAL = (500, "InternalServerError")
_UNAVAILABLE = (503, "ServiceUnavailableError")

TABLE: dict[type[RegcredError], tuple[int, str]] = {
    RegcredError: _INTERNAL,
    errors.InvalidInput: _BAD,
    errors.InvalidReference: _BAD,
    errors.MalformedRequest: _BAD,
    errors.NotAuthenticated: (401, "not_authenticated"),
    errors.AccessDenied: (403, "ForbiddenError"),
    errors.NotFound: _GONE,
    errors.ProjectNotFound: _GONE,
    errors.CredentialNotFound: _GONE,
    errors.KeyNotFound: _GONE,
    errors.UseNotFound: _GONE,
    errors.WebhookNotFound: _GONE,
    errors.ClusterNotFound: _GONE,
    errors.WorkloadNotFound: _GONE,
    errors.NameTaken: _CONFLICT,
    errors.VersionMismatch: _CONFLICT,
    # This wire has no If-Match to send, so what the project demands is beyond its callers.
    errors.VersionRequired: (403, "ForbiddenError"),
    errors.CredentialInUse: _CONFLICT,
    errors.ProjectNotEmpty: _CONFLICT,
    errors.ClusterInUse: _CONFLICT,
    errors.TooManyWebhooks: _CONFLICT,
    errors.IdempotencyConflict: _CONFLICT,
    errors.CredentialRejected: _BAD,
    errors.QuotaExceeded: (429, "TooManyRequestsError"),
    errors.LoginUnavailable: _UNAVAILABLE,
    errors.NoLogin: _GONE,
    errors.LoginsWithheld: _CONFLICT,
    errors.SealBroken: _INTERNAL,
    errors.KeyringUnavailable: _UNAVAILABLE,
    errors.StoreUnavailable: _UNAVAILABLE,
    errors.StartRefused: _UNAVAILABLE,
    refusals.BodyTooLarge: (413, "HTTPError"),
    refusals.BodyTooSlow: _BAD,
    # The vendor documents no 400 for deleting, so what is wrong with a path is not there.
    refusals.PathTooLong: _GONE,
    refusals.QueryTooLong: _BAD,
    refusals.UnreadablePath: _GONE,
    refusals.HeadersTooLarge: (413, "HTTPError"),
    refusals.UnsupportedMediaType: (415, "HTTPError"),
    refusals.MethodNotAllowed: (405, "HTTPError"),
    refusals.Overloaded: _UNAVAILABLE,
    refusals.Internal: _INTERNAL,
}

_FIELDS = {"provider": "registry_url"}
"""The domain's fields by the vendor's names."""

# What the vendor says of keys; what this service knows more exactly goes into `info`.
_KEYS = {
    "missing": ("not_authenticated", "Authentication credentials were not provided."),
    "malformed": ("token_not_valid", "Given token not valid for any token type"),
    "misplaced": ("token_not_valid", "Given token not valid for any token type"),
}
_BAD_KEY = ("token_not_valid", "Token is invalid or expired")


def render(error: RegcredError, request_id: str) -> Answer:
    """Return `error` with the headers that belong to it."""
    status, kind = TABLE[known(TABLE, error)]
    phrase = HTTPStatus(status).phrase
    told: dict[str, Any] = {
        "exception_class": kind,
        "message": spoken(error, phrase),
        "request_id": request_id,
    }
    if isinstance(error, errors.NotAuthenticated):
        kind, message = _KEYS.get(error.reason, _BAD_KEY)
        told |= {"exception_class": kind, "message": message, "info": {"reason": str(error)}}
    elif kind == "HTTPError":
        told |= {"message": f"HTTP {status}: {phrase}", "info": {"reason": str(error)}}
    elif (rules := broken_rules(error)) and status == HTTPStatus.BAD_REQUEST:
        fields: dict[str, list[str]] = {}
        for broken in rules:
            fields.setdefault(_FIELDS.get(broken.field, broken.field), []).append(broken.rule)
        # The vendor repeats the fields in the message as Python writes a dict.
        told |= {"message": str(fields), "invalid_fields": fields}
    return Answer(status, _headers(error, status), orjson.dumps(told))


def _headers(error: RegcredError, status: int) -> Headers:
    headers: Headers = ((b"content-type", JSON.encode()), *usual_headers(error, "APIKey"))
    if status == HTTPStatus.CONFLICT:
        # Else the vendor's SDKs ask three times for a name that stays taken.
        return (*headers, (b"x-should-retry", b"false"))
    return headers
