"""A draft is checked when it is made, field by field."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from regcred.domain.credential import Draft, RegistryCredential
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import Scope
from regcred.domain.secret import Secret
from tests.domain.examples import HOME, NOON


def draft(**fields: Any) -> Draft:
    return Draft(**{"name": "hub", "username": "ada", "password": Secret("s3cret"), **fields})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "a/b"),
        ("username", "a:b"),
        ("registry_url", ""),
        ("registry_url", "x" * 2049),
        ("registry_url", "reg\nexample"),
        ("registry_url", "https://user:password@reg.example"),
        ("registry_url", "https://user:pass/word@reg.example"),
        ("registry_url", "user@reg.example/team"),
        ("registry_url", "e\N{COMBINING ACUTE ACCENT}"),
        ("provider", ""),
        ("provider", "Docker"),
        ("provider", "1x"),
        ("provider", "x" * 33),
        ("provider", "x\n"),
        ("description", "x" * 1025),
        ("description", "a\n" * 1000),
        ("description", "a\r\nb"),
        ("labels", {str(n): "" for n in range(65)}),
        ("labels", {"": "v"}),
        ("labels", {"-a": "v"}),
        ("labels", {"a b": "v"}),
        ("labels", {"a" * 254: "v"}),
        ("labels", {"a\n": "v"}),
        ("settings", {"Region": "eu"}),
        ("settings", {"a-b": "eu"}),
    ],
)
def test_a_broken_rule_names_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        draft(**{field: value})

    assert refused.value.violations[0].field == field


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"labels": {"team": "x" * 256}}, "labels.team"),
        ({"labels": {"team": "a\0"}}, "labels.team"),
        ({"settings": {"region": "a\0"}}, "settings.region"),
        ({"settings": {"region": "\ud800"}}, "settings.region"),
        ({"settings": {"ca": "x" * (16 * 1024 + 1)}}, "settings.ca"),
    ],
)
def test_a_broken_value_names_its_key(fields: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        draft(**fields)

    assert refused.value.violations[0].field == named


def test_the_bounds_themselves_are_taken() -> None:
    made = draft(
        description="x" * 1024,
        labels={**{f"k{n}": "v" * 255 for n in range(63)}, "a" * 253: ""},
        settings={"ca": "-----BEGIN\n" + "x" * 16_000},
        provider="docker_hub",
        registry_url="x" * 2048,
    )

    assert len(made.labels) == 64


def test_a_description_may_have_lines_and_may_be_empty() -> None:
    assert draft(description="one\n\ntwo").description == "one\n\ntwo"
    assert draft().description == ""


def test_the_registry_is_kept_as_it_was_written() -> None:
    made = draft(registry_url="HTTPS://Reg.Example.com:443/Team")

    assert made.registry_url == "HTTPS://Reg.Example.com:443/Team"
    assert made.scopes == ()


def test_scopes_come_from_where_the_registry_is() -> None:
    assert draft(registry_url="https://reg.example.com/team").scopes == (
        Scope("reg.example.com", None, "team"),
    )
    assert draft().scopes == ()


def test_a_drafts_delivery_is_its_credentials_delivery() -> None:
    made = draft(registry_url="reg.example.com", settings={"realm": "https://auth.example.com"})
    credential = RegistryCredential(
        UUID(int=1),
        1,
        HOME,
        "other name",
        made.provider,
        made.username,
        NOON,
        NOON,
        registry_url=made.registry_url,
        scopes=made.scopes,
        settings=made.settings,
    )

    assert credential.delivery == made.delivery
    assert made.delivery.scopes == ("reg.example.com",)


def test_a_draft_shows_no_password() -> None:
    assert "s3cret" not in repr(draft())


def test_labels_are_normalised() -> None:
    assert draft(labels={"a": "e\N{COMBINING ACUTE ACCENT}"}).labels == {
        "a": "\N{LATIN SMALL LETTER E WITH ACUTE}"
    }
