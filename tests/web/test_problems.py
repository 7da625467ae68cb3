"""Every fact of the domain and of HTTP has a row in the native table of errors."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import regcred.web
from regcred.domain import errors
from regcred.domain.errors import RegcredError
from regcred.domain.use import Use
from regcred.domain.verdict import Verdict, VerdictKind
from regcred.web import refusals
from regcred.web.dialect import Dialect
from regcred.web.dialects import DIALECTS
from regcred.web.dialects.native.problems import TABLE, render, slug

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)

ONE_OF_EACH: list[RegcredError] = [
    errors.InvalidInput("name", "must be text"),
    errors.InvalidReference("must not be empty"),
    errors.MalformedRequest("body", "must be JSON"),
    errors.NotAuthenticated("missing"),
    errors.AccessDenied("write"),
    errors.NotFound(),
    errors.ProjectNotFound(),
    errors.CredentialNotFound(),
    errors.KeyNotFound(),
    errors.UseNotFound(),
    errors.WebhookNotFound(),
    errors.NameTaken("credential"),
    errors.VersionMismatch(),
    errors.VersionRequired(),
    errors.CredentialInUse([Use("deployment", "web", NOW, NOW)]),
    errors.ProjectNotEmpty(),
    errors.ClusterInUse(),
    errors.ClusterNotFound(),
    errors.WorkloadNotFound(),
    errors.TooManyWebhooks(20),
    errors.IdempotencyConflict(),
    errors.CredentialRejected(Verdict(VerdictKind.REJECTED, NOW)),
    errors.QuotaExceeded("verifications", 7),
    errors.LoginUnavailable("ci-pull", "Amazon limits requests."),
    errors.NoLogin([("team", "a pattern")]),
    errors.LoginsWithheld([("ci-pull", "rejected")]),
    errors.SealBroken("a secret of /var/lib/x"),
    errors.KeyringUnavailable("cause with a path"),
    errors.StoreUnavailable("cause with a path"),
    errors.StartRefused("a path"),
    refusals.BodyTooLarge(10),
    refusals.BodyTooSlow(15.0),
    refusals.PathTooLong(10),
    refusals.QueryTooLong(10),
    refusals.UnreadablePath("must be percent-encoded UTF-8"),
    refusals.Overloaded(),
    refusals.HeadersTooLarge(10, 20),
    refusals.UnsupportedMediaType("application/json"),
    refusals.MethodNotAllowed(("GET", "HEAD")),
    refusals.Internal(),
]


def _every_fact(fact: type[RegcredError] = RegcredError) -> Iterator[type[RegcredError]]:
    for module in pkgutil.walk_packages(regcred.web.__path__, "regcred.web."):
        importlib.import_module(module.name)
    pending = [fact]
    while pending:
        fact = pending.pop()
        pending += fact.__subclasses__()
        if fact.__module__.startswith("regcred."):
            yield fact


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_fact_has_a_row(dialect: Dialect) -> None:
    assert set(_every_fact()) == set(dialect.statuses)


def test_every_slug_is_its_own() -> None:
    # A path is told like any other part of a request, and a query like the path.
    told = TABLE.keys() - {refusals.UnreadablePath, refusals.QueryTooLong}

    assert len({slug(fact) for fact in told}) == len(told)
    assert slug(refusals.UnreadablePath) == slug(errors.MalformedRequest)
    assert slug(refusals.QueryTooLong) == slug(refusals.PathTooLong)
    assert slug(errors.CredentialInUse) == "credential-in-use"


def test_there_is_an_example_of_each() -> None:
    assert {type(error) for error in ONE_OF_EACH} == set(TABLE) - {RegcredError}


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
def test_an_error_is_an_rfc_9457_problem(error: RegcredError) -> None:
    answer = render(error, "id-1")
    problem = json.loads(answer.body)

    assert problem["status"] == answer.status == TABLE[type(error)].status
    assert problem["type"] == f"urn:regcred:problem:{slug(type(error))}"
    assert problem["title"] == TABLE[type(error)].title
    assert problem["request_id"] == "id-1"
    assert problem["detail"]
    assert (b"content-type", b"application/problem+json") in answer.headers


def test_a_fact_without_a_row_is_told_as_its_parent() -> None:
    class NewFact(errors.CredentialNotFound):
        """Something a later release may say."""

    assert render(NewFact(), "x") == render(errors.CredentialNotFound(), "x")
    # Forgotten again: other tests count the subclasses.
    NewFact.__module__ = "tests"


@pytest.mark.parametrize("error", ONE_OF_EACH[18:22], ids=lambda error: type(error).__name__)
def test_what_the_operator_must_know_stays_inside(error: RegcredError) -> None:
    assert b"path" not in render(error, "id-1").body.replace(b"path-", b"")
    assert b"/var" not in render(error, "id-1").body


def test_members_say_more() -> None:
    said = {type(error): json.loads(render(error, "x").body) for error in ONE_OF_EACH}

    assert said[errors.InvalidInput]["errors"] == [{"field": "name", "rule": "must be text"}]
    assert said[errors.MalformedRequest]["errors"] == [{"field": "body", "rule": "must be JSON"}]
    assert said[errors.CredentialInUse]["uses"] == [
        {"kind": "deployment", "name": "web", "expires_at": "2030-01-31T12:00:00Z"}
    ]
    assert said[errors.CredentialRejected]["verdict"]["verdict"] == "rejected"
    assert said[errors.CredentialRejected]["verdict"]["next_step"].startswith("Wrong username")


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (errors.NotAuthenticated("missing"), (b"www-authenticate", b"Bearer")),
        (errors.QuotaExceeded("x", 7), (b"retry-after", b"7")),
        (errors.StoreUnavailable("x"), (b"retry-after", b"5")),
        (errors.KeyringUnavailable("x"), (b"retry-after", b"5")),
        (refusals.MethodNotAllowed(("GET", "HEAD")), (b"allow", b"GET, HEAD")),
    ],
)
def test_headers_that_belong_to_an_error(error: RegcredError, header: tuple[bytes, bytes]) -> None:
    assert header in render(error, "x").headers
