"""Errors as Sevalla's documents have them: a message, the status, and data with a code."""

from __future__ import annotations

import re
from http import HTTPStatus

import orjson

from regcred.domain import errors
from regcred.domain.errors import RegcredError
from regcred.web import refusals
from regcred.web.dialect import Answer
from regcred.web.json_body import JSON
from regcred.web.rendering import known, sentence, usual_headers

TABLE: dict[type[RegcredError], int] = {
    RegcredError: 500,
    errors.InvalidInput: 422,
    errors.InvalidReference: 422,
    errors.MalformedRequest: 400,
    errors.NotAuthenticated: 401,
    errors.AccessDenied: 403,
    errors.NotFound: 404,
    errors.ProjectNotFound: 404,
    errors.CredentialNotFound: 404,
    errors.KeyNotFound: 404,
    errors.UseNotFound: 404,
    errors.WebhookNotFound: 404,
    errors.ClusterNotFound: 404,
    errors.WorkloadNotFound: 404,
    errors.NameTaken: 422,
    errors.VersionMismatch: 422,
    # This wire has no If-Match to send, so what the project demands is beyond its callers.
    errors.VersionRequired: 403,
    errors.CredentialInUse: 422,
    errors.ProjectNotEmpty: 422,
    errors.ClusterInUse: 422,
    errors.TooManyWebhooks: 422,
    errors.IdempotencyConflict: 422,
    errors.CredentialRejected: 422,
    errors.QuotaExceeded: 429,
    errors.LoginUnavailable: 503,
    errors.NoLogin: 404,
    errors.LoginsWithheld: 422,
    errors.SealBroken: 500,
    errors.KeyringUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.StartRefused: 503,
    refusals.BodyTooLarge: 413,
    refusals.BodyTooSlow: 400,
    refusals.PathTooLong: 400,
    refusals.QueryTooLong: 400,
    refusals.UnreadablePath: 400,
    refusals.HeadersTooLarge: 413,
    refusals.UnsupportedMediaType: 415,
    refusals.MethodNotAllowed: 405,
    refusals.Overloaded: 503,
    refusals.Internal: 500,
}

_FIELDS = {"password": "secret", "provider": "registry", "registry_url": "registry"}
"""The domain's fields by the vendor's names."""


def render(error: RegcredError, _request_id: str) -> Answer:
    """Return `error` with the headers that belong to it."""
    fact = known(TABLE, error)
    status = TABLE[fact]
    phrase = HTTPStatus(status).phrase
    message, more = sentence(error, phrase, _FIELDS), phrase
    if isinstance(error, errors.NotAuthenticated):
        message, more = phrase, message  # the vendor's one word for it, and ours beside it
    told = {"message": message, "status": status, "data": {"code": _code(fact), "message": more}}
    headers = ((b"content-type", JSON.encode()), *usual_headers(error, "Bearer"))
    return Answer(status, headers, orjson.dumps(told))


def _code(fact: type[RegcredError]) -> str:
    """Return the name of what happened, such as INVALID_INPUT."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", fact.__name__).upper()
