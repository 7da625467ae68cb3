"""Errors are facts with their data; their words are for people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regcred.domain import errors
from regcred.domain.ports import AlreadyDone
from regcred.domain.use import Use
from regcred.domain.verdict import Verdict, VerdictKind
from tests.domain.examples import NOON


def test_several_violations_are_one_error() -> None:
    violations = [errors.Violation("a", "must be x"), errors.Violation("b.0", "must be y")]

    error = errors.InvalidInput.of(violations)

    assert list(error.violations) == violations
    assert str(error) == "a: must be x; b.0: must be y"


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (
            errors.InvalidReference("must be"),
            {"violations": (errors.Violation("image", "must be"),)},
        ),
        (
            errors.MalformedRequest("body", "must be JSON"),
            {"field": "body", "rule": "must be JSON"},
        ),
        (errors.AccessDenied("write"), {"needs": "write"}),
        (errors.NameTaken("credential"), {"kind": "credential"}),
        (errors.QuotaExceeded("checks", 7), {"what": "checks", "retry_after": 7}),
        (errors.SealBroken("a secret"), {"what": "a secret"}),
        (errors.KeyringUnavailable("away"), {"why": "away"}),
        (errors.StoreUnavailable("full"), {"why": "full"}),
        (errors.CredentialInUse([Use("pod", "web", NOON)]), {"uses": (Use("pod", "web", NOON),)}),
        (
            errors.CredentialRejected(Verdict(VerdictKind.REJECTED, NOON)),
            {"verdict": Verdict(VerdictKind.REJECTED, NOON)},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_stands_in_attributes(error: Exception, attributes: dict[str, object]) -> None:
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert str(error)


@pytest.mark.parametrize("reason", ["missing", "malformed", "unknown", "expired", "disabled"])
def test_every_reason_to_refuse_a_key_has_words(reason: str) -> None:
    error = errors.NotAuthenticated(reason)

    assert error.reason == reason
    assert "key" in str(error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.ProjectNotFound, "project"),
        (errors.CredentialNotFound, "credential"),
        (errors.KeyNotFound, "key"),
        (errors.UseNotFound, "use"),
        (errors.WebhookNotFound, "webhook"),
        (errors.ClusterNotFound, "cluster"),
        (errors.WorkloadNotFound, "workload"),
    ],
)
def test_not_found_names_the_noun_alone(error: type[errors.NotFound], kind: str) -> None:
    assert (error().kind, str(error())) == (kind, f"no such {kind}")


@pytest.mark.parametrize(
    "error",
    [
        errors.VersionMismatch(),
        errors.VersionRequired(),
        errors.ProjectNotEmpty(),
        errors.ClusterInUse(),
        errors.TooManyWebhooks(20),
        errors.IdempotencyConflict(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_plain_facts_have_words(error: errors.RegcredError) -> None:
    assert len(str(error)) > 20


def test_a_repeated_request_carries_what_it_made() -> None:
    done = AlreadyDone(b"digest", "id")

    assert (done.digest, done.resource_id) == (b"digest", "id")
    assert not isinstance(done, errors.RegcredError)


@pytest.mark.parametrize(("seconds", "expired"), [(-1, True), (0, True), (1, False)])
def test_a_lease_ends_on_the_moment(seconds: int, *, expired: bool) -> None:
    use = Use("pod", "web", NOON, NOON + timedelta(seconds=seconds))

    assert use.expired(NOON) is expired
    assert not Use("pod", "web", NOON).expired(NOON)
