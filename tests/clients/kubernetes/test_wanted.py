"""What was handed out is looked at before it is written anywhere."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from regcred.clients.calls import Handed
from regcred.clients.kubernetes.wanted import KEY, NoPullSecret, read_logins
from tests.clients.stub_service import as_auth, pull_secret

AUTHS = {"a.example": {"auth": as_auth("u", "p:w")}, "b.example/team": {"auth": as_auth("", "")}}


def handed(body: Any, **headers: str) -> Handed:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Handed(sent, {name.replace("_", "-"): v for name, v in headers.items()}, unchanged=False)


def secret(content: Any) -> dict[str, Any]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {**pull_secret("a", {}), "data": {KEY: base64.b64encode(text).decode()}}


def test_a_manifest_is_read_with_what_came_beside_it() -> None:
    made = pull_secret("regcred", AUTHS)
    read = read_logins(
        handed(
            made,
            etag='"1"',
            regcred_expires_at="2026-11-29T12:00:00Z",
            regcred_withheld="hub (rejected)",
        )
    )

    assert read.data == made["data"][KEY]
    assert read.registries == ("a.example", "b.example/team")
    assert read.etag == '"1"'
    assert read.expires_at == datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert read.withheld == "hub (rejected)"


@pytest.mark.parametrize("text", ["", "soon", "2026-11-29T12:00:00"])
def test_a_time_that_is_none_is_no_time(text: str) -> None:
    assert read_logins(handed(pull_secret("a", AUTHS), regcred_expires_at=text)).expires_at is None


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
        ([], "no JSON object"),
        ({**pull_secret("a", AUTHS), "kind": "ConfigMap"}, "no Secret of the type"),
        ({**pull_secret("a", AUTHS), "type": "Opaque"}, "no Secret of the type"),
        ({**pull_secret("a", AUTHS), "data": {}}, "no Secret of the type"),
        ({**pull_secret("a", AUTHS), "data": None}, "no Secret of the type"),
        ({**pull_secret("a", AUTHS), "data": {KEY: "s3cr3t!"}}, "not base64"),
        (secret(b"s3cr3t"), "no JSON object"),
        (secret({}), "holds no auths"),
        (secret({"auths": {"a": "s3cr3t"}}), "auth of a is not base64 of user:password"),
        (secret({"auths": {"a": {"username": "s3cr3t"}}}), "auth of a is not base64 of user"),
        (secret({"auths": {"a": {"auth": "s3cr3t!"}}}), "auth of a is not base64"),
        (secret({"auths": {"a": {"auth": "czNjcjN0"}}}), "auth of a is not base64 of user"),
    ],
)
def test_what_would_break_a_pods_keyring_is_refused_without_being_said(
    body: Any, rule: str
) -> None:
    with pytest.raises(NoPullSecret, match=rule) as caught:
        read_logins(handed(body))

    assert "s3cr3t" not in str(caught.value)


def test_logins_show_in_no_repr() -> None:
    made = handed(pull_secret("a", {"a": {"auth": as_auth("u", "s3cr3t")}}))
    read = read_logins(made)

    assert read.data not in repr(read)
    assert read.data not in repr(made)
