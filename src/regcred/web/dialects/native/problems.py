"""Errors as RFC 9457 problem documents: one row a fact, one function that renders them all."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from regcred.domain import errors
from regcred.domain.errors import RegcredError
from regcred.web import refusals
from regcred.web.dialect import Answer
from regcred.web.dialects.native.wire.uses import Use
from regcred.web.dialects.native.wire.verdicts import Verdict
from regcred.web.rendering import broken_rules, known, spoken, usual_headers

MEDIA_TYPE = "application/problem+json"
URN = "urn:regcred:problem:"


class Row(NamedTuple):
    """How a fact is told."""

    status: int
    title: str


TABLE: dict[type[RegcredError], Row] = {
    RegcredError: Row(500, "Something went wrong"),
    errors.InvalidInput: Row(422, "The input breaks a rule"),
    errors.InvalidReference: Row(422, "Not an image reference"),
    errors.MalformedRequest: Row(400, "The request cannot be read"),
    errors.NotAuthenticated: Row(401, "No valid API key"),
    errors.AccessDenied: Row(403, "The key's role does not allow this"),
    errors.NotFound: Row(404, "Nothing here"),
    errors.ProjectNotFound: Row(404, "No such project"),
    errors.CredentialNotFound: Row(404, "No such credential"),
    errors.KeyNotFound: Row(404, "No such key"),
    errors.UseNotFound: Row(404, "No such use"),
    errors.WebhookNotFound: Row(404, "No such webhook"),
    errors.ClusterNotFound: Row(404, "No such cluster"),
    errors.WorkloadNotFound: Row(404, "No such workload"),
    errors.NameTaken: Row(409, "The name is taken"),
    errors.VersionMismatch: Row(412, "It changed since you read it"),
    errors.VersionRequired: Row(428, "If-Match is required"),
    errors.CredentialInUse: Row(409, "The credential is in use"),
    errors.ProjectNotEmpty: Row(409, "The project is not empty"),
    errors.ClusterInUse: Row(409, "The cluster is in use"),
    errors.TooManyWebhooks: Row(409, "The project has all the webhooks it may have"),
    errors.IdempotencyConflict: Row(422, "The Idempotency-Key was used for another request"),
    errors.CredentialRejected: Row(422, "The registry did not accept the login"),
    errors.QuotaExceeded: Row(429, "Too many requests of this kind"),
    errors.LoginUnavailable: Row(503, "The login is not to be had now"),
    errors.NoLogin: Row(404, "No login fits"),
    errors.LoginsWithheld: Row(409, "Every login is withheld"),
    errors.SealBroken: Row(500, "A stored secret does not open"),
    errors.KeyringUnavailable: Row(503, "The key ring is unavailable"),
    errors.StoreUnavailable: Row(503, "The store is unavailable"),
    errors.StartRefused: Row(503, "The service is not ready"),
    refusals.BodyTooLarge: Row(413, "The body is too large"),
    refusals.BodyTooSlow: Row(408, "The body came too slowly"),
    refusals.PathTooLong: Row(414, "The path is too long"),
    refusals.QueryTooLong: Row(414, "The path is too long"),
    refusals.UnreadablePath: Row(400, "The request cannot be read"),
    refusals.Overloaded: Row(503, "Too many requests are under way"),
    refusals.HeadersTooLarge: Row(431, "The headers are too large"),
    refusals.UnsupportedMediaType: Row(415, "The media type is not supported"),
    refusals.MethodNotAllowed: Row(405, "The method is not allowed"),
    refusals.Internal: Row(500, "Something went wrong"),
}


# To clients of this dialect a path is a part of the request, and a query one of the path.
_TOLD_AS: dict[type[RegcredError], type[RegcredError]] = {
    refusals.UnreadablePath: errors.MalformedRequest,
    refusals.QueryTooLong: refusals.PathTooLong,
}


def slug(fact: type[RegcredError]) -> str:
    """Return the last part of a problem's type: the class name in kebab case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", _TOLD_AS.get(fact, fact).__name__).lower()


def render(error: RegcredError, request_id: str) -> Answer:
    """Return `error` as a problem document with the headers that belong to it."""
    fact = known(TABLE, error)
    status, title = TABLE[fact]
    problem: dict[str, Any] = {
        "type": URN + slug(fact),
        "title": title,
        "status": status,
        "detail": spoken(error, f"{title}."),
        "request_id": request_id,
        **_members(error),
    }
    headers = ((b"content-type", MEDIA_TYPE.encode()), *usual_headers(error, "Bearer"))
    return Answer(status, headers, orjson.dumps(problem))


def _members(error: RegcredError) -> dict[str, Any]:
    match error:
        case errors.InvalidInput() | errors.MalformedRequest():
            return {"errors": [{"field": v.field, "rule": v.rule} for v in broken_rules(error)]}
        case errors.CredentialInUse():
            uses = [Use.of(use).model_dump(mode="json") for use in error.uses]
            return {"uses": [{key: use[key] for key in _USE_MEMBERS} for use in uses]}
        case errors.NoLogin():
            return {"left_out": [{"name": name, "why": why} for name, why in error.left_out]}
        case errors.LoginsWithheld():
            return {"withheld": [{"name": name, "verdict": kind} for name, kind in error.withheld]}
        case errors.CredentialRejected():
            return {"verdict": Verdict.of(error.verdict).model_dump(mode="json")}
        case _:
            return {}


_USE_MEMBERS = ("kind", "name", "expires_at")
