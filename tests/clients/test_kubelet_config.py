"""The kubelet's configuration: ours goes in and out, and others' stay to the letter."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from regcred.clients.kubelet_config import (
    ConfigBroken,
    provider,
    with_provider,
    without_provider,
)

OURS = provider(["registry.example"], {"REGCRED_URL": "https://regcred.example"}, [], "")
POD = provider(["registry.example"], {"REGCRED_URL": "https://regcred.example"}, [], "regcred")
HEAD = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\n"
# Each value here is another thing to a YAML reader that is not careful.
THEIRS = (
    HEAD
    + """providers:
# a comment of theirs
- name: ecr-credential-provider
  matchImages: ['*.dkr.ecr.*.amazonaws.com']
  defaultCacheDuration: 12h
  apiVersion: credentialprovider.kubelet.k8s.io/v1
  env:
  - {name: A, value: 'yes'}
  - {name: B, value: "0123"}
  - name: C
    value: 1:30
  - name: D
    value: 2026-11-21
  - name: E
    value: no
"""
)


def names(text: str) -> list[str]:
    return [one["name"] for one in yaml.safe_load(text)["providers"]]


def test_a_new_file_is_what_the_kubelet_reads() -> None:
    assert yaml.safe_load(with_provider("", OURS)) == {
        "apiVersion": "kubelet.config.k8s.io/v1",
        "kind": "CredentialProviderConfig",
        "providers": [
            {
                "name": "regcred-kubelet-provider",
                "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
                "matchImages": ["registry.example"],
                "defaultCacheDuration": "0s",
                "env": [{"name": "REGCRED_URL", "value": "https://regcred.example"}],
            }
        ],
    }


def test_a_pod_s_token_is_asked_for_by_audience() -> None:
    made = yaml.safe_load(with_provider("", POD))["providers"][0]

    assert made["tokenAttributes"] == {
        "serviceAccountTokenAudience": "regcred",
        "cacheType": "Token",
        "requireServiceAccount": True,
    }


def test_others_stay_to_the_letter() -> None:
    made = with_provider(THEIRS, OURS)

    assert names(made) == ["ecr-credential-provider", "regcred-kubelet-provider"]
    before, after = (
        yaml.load(text, yaml.BaseLoader)["providers"][0]  # noqa: S506  it makes nothing but text
        for text in (THEIRS, made)
    )
    assert before == after
    # As values, too: what was quoted still is.
    assert yaml.safe_load(THEIRS)["providers"][0] == yaml.safe_load(made)["providers"][0]


def test_ours_is_replaced_where_it_stands() -> None:
    first = with_provider("", OURS) + "- {name: another}\n"

    again = with_provider(first, {**OURS, "matchImages": ["other.example"]})

    assert names(again) == ["regcred-kubelet-provider", "another"]
    assert yaml.safe_load(again)["providers"][0]["matchImages"] == ["other.example"]


@pytest.mark.parametrize("text", ["", THEIRS])
def test_to_put_it_in_twice_changes_nothing(text: str) -> None:
    once = with_provider(text, OURS)

    assert with_provider(once, OURS) == once


def test_out_again_is_as_before() -> None:
    out = without_provider(with_provider(THEIRS, OURS))

    assert yaml.safe_load(out) == yaml.safe_load(THEIRS)
    assert without_provider(THEIRS) == THEIRS


def test_without_the_last_provider_there_is_no_configuration() -> None:
    """The kubelet does not start with an empty list."""
    assert without_provider(with_provider("", OURS)) == ""


def test_json_is_yaml_too() -> None:
    text = '{"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig", '
    text += '"providers": [{"name": "other", "args": ["yes"]}]}'

    made = with_provider(text, OURS)

    assert names(made) == ["other", "regcred-kubelet-provider"]
    assert yaml.safe_load(made)["providers"][0]["args"] == ["yes"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "line 1"),
        (HEAD + "providers: [\n\t- x", "line 4"),
        (HEAD + "providers: []\n---\na: b", "line 4"),
        ("\x00", "not YAML"),
        ("[" * 5_000, "not YAML"),
        ("text", "kind: must be"),
        ("[]", "kind: must be"),
        ("kind: KubeletConfiguration", "kind: must be"),
        ("kind: CredentialProviderConfig", "apiVersion: must be"),
        (HEAD.replace("/v1", "/v2"), "apiVersion: must be"),
        (HEAD, "providers: must be a list"),
        (HEAD + "providers: {}", "providers: must be a list"),
        (HEAD + "providers: [1]", "must have a name"),
        (HEAD + "providers: [{}]", "must have a name"),
        (HEAD + "providers: [{name: a}, {name: a}]", "two have the same name"),
        (HEAD + "providers: [{name: a, name: b}]", "stands there twice"),
        (HEAD + "providers: []\nproviders: [{name: a}]", "stands there twice"),
    ],
)
def test_what_the_kubelet_would_not_take_is_not_changed(text: str, why: str) -> None:
    for change in (lambda: with_provider(text, OURS), lambda: without_provider(text)):
        with pytest.raises(ConfigBroken, match=why):
            change()


def test_tokens_need_the_version_that_knows_them() -> None:
    older = THEIRS.replace("kubelet.config.k8s.io/v1", "kubelet.config.k8s.io/v1beta1")

    with pytest.raises(ConfigBroken, match="for tokens of service accounts"):
        with_provider(older, POD)
    assert names(with_provider(older, OURS)) == [
        "ecr-credential-provider",
        "regcred-kubelet-provider",
    ]


values: st.SearchStrategy[Any] = st.recursive(
    st.text(max_size=12) | st.booleans() | st.integers() | st.none() | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=4))
def test_no_other_provider_is_changed(more: dict[str, Any]) -> None:
    other = {**more, "name": "other"}
    head = {"apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig"}
    text = yaml.safe_dump({**head, "providers": [other]}, allow_unicode=True)

    made = with_provider(text, OURS)

    assert yaml.safe_load(made)["providers"][0] == yaml.safe_load(text)["providers"][0]
    assert yaml.safe_load(without_provider(made)) == yaml.safe_load(text)
