"""Acme's errors: a sentence and, where fields broke rules, which."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from pydantic import Field

from regcred.domain import errors
from regcred.domain.errors import RegcredError
from regcred.web import refusals
from regcred.web.dialect import Answer
from regcred.web.json_body import JSON
from regcred.web.openapi import describe, tell_errors
from regcred.web.rendering import broken_rules, known, spoken, usual_headers
from regcred.web.shapes import StrictShape

STATUS: dict[type[RegcredError], int] = {
    RegcredError: 500,
    errors.InvalidInput: 400,
    errors.InvalidReference: 400,
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
    errors.NameTaken: 409,
    errors.VersionMismatch: 409,
    errors.VersionRequired: 403,
    errors.CredentialInUse: 409,
    errors.ProjectNotEmpty: 409,
    errors.ClusterInUse: 409,
    errors.TooManyWebhooks: 409,
    errors.IdempotencyConflict: 409,
    errors.CredentialRejected: 400,
    errors.QuotaExceeded: 429,
    errors.LoginUnavailable: 503,
    errors.NoLogin: 404,
    errors.LoginsWithheld: 409,
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


class Error(StrictShape):
    """What went wrong."""

    error: str
    fields: dict[str, str] = Field(default_factory=dict)


def render(error: RegcredError, _request_id: str) -> Answer:
    """Return `error` with the headers that belong to it."""
    status = STATUS[known(STATUS, error)]
    told: dict[str, Any] = {"error": spoken(error, HTTPStatus(status).phrase)}
    if rules := broken_rules(error):
        told["fields"] = {broken.field: broken.rule for broken in rules}
    if isinstance(error, errors.CredentialInUse):
        told["fields"] = {use.name: use.kind for use in error.uses}
    headers = ((b"content-type", JSON.encode()), *usual_headers(error, "Token"))
    return Answer(status, headers, orjson.dumps(told))


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    described = describe(
        app,
        title="regcred: Acme's logins",
        version="1",
        description="Registry logins as Acme has them.",
        security={"key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
    )
    tell_errors(described, Error, {400}, {"createLogin": {409}, "deleteLogin": {409}})
    return described
