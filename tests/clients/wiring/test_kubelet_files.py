"""The kubelet's flags, providers and stored logins, by Kubernetes' own rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regcred.clients.wiring.json_object import Broken
from regcred.clients.wiring.kubelet_files import (
    Provider,
    arguments_in,
    flag,
    kubelet_arguments,
    matches,
    node_logins,
    normalised,
    policy,
    providers,
    tried,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "kubernetes-keyring.jsonl"


def vectors() -> Iterator[dict[str, Any]]:
    for line in VECTORS.read_text().splitlines():
        yield json.loads(line)


def test_the_order_of_a_keyring_is_kubernetes_own() -> None:
    """Of keys that say the same, either may stand first."""
    wrong = [
        one
        for one in vectors()
        if [normalised(key) for key in tried(one["keys"], one["image"])]
        != [normalised(key) for key in one["matches"]]
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (["/usr/bin/kubelet", "--a=b"], ["--a=b"]),
        (["kubelet"], []),
        (["/usr/bin/kubelet-wrapper", "--a=b"], None),
        ([], None),
        (["grep", "kubelet"], None),
    ],
)
def test_the_running_kubelet_is_found(line: list[str], found: list[str] | None) -> None:
    assert kubelet_arguments([["init"], line]) == found


def test_flags_are_written_in_two_ways_and_the_last_counts() -> None:
    given = ["--config=/a", "--config", "/b", "--v", "--other=1"]

    assert [flag(given, name) for name in ("config", "other", "missing")] == ["/b", "1", ""]
    assert flag(["--config"], "config") == ""


def test_arguments_stand_in_shell_variables_too() -> None:
    text = "X=1\nKUBELET_KUBEADM_ARGS=\"--a=b --config='/c d'\"\nKUBELET_EXTRA_ARGS=--e\nnoise\n"

    assert arguments_in(text) == ["--a=b", "--config=/c d", "--e"]
    assert arguments_in('KUBELET_EXTRA_ARGS="--a') == []


CONFIG = """
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: regcred-kubelet-provider
  matchImages: ["*.example", "ghcr.io"]
  defaultCacheDuration: 0s
  apiVersion: credentialprovider.kubelet.k8s.io/v1
"""


def test_providers_are_read() -> None:
    assert providers(CONFIG) == [Provider("regcred-kubelet-provider", ("*.example", "ghcr.io"))]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("kind: CredentialProviderConfig", "kind: Pod", "kind: must be CredentialProviderConfig"),
        ("providers:\n- name", "providers: []\nx:\n- name", "names no providers"),
        ("- name: regcred-kubelet-provider", "- 1\n- name: a", "each must have a name"),
        ("name: regcred-kubelet-provider", "name: ../a", "not the name of a program"),
        ('["*.example", "ghcr.io"]', "[]", "matchImages"),
        ("defaultCacheDuration: 0s", "x: 1", "defaultCacheDuration is missing"),
        ("credentialprovider.kubelet.k8s.io/v1", "v1", "apiVersion"),
        ("kind:", "kind: [", "line 4"),
        (CONFIG, "[" * 100_000, "not YAML"),
        ("- name:", "- {name: a, name: b}\n- name:", "stands there twice"),
        ("- name:", "- {name: a, ? [b] : c}\n- name:", "no text"),
    ],
)
def test_what_keeps_the_kubelet_from_starting_is_named(old: str, new: str, why: str) -> None:
    with pytest.raises(Broken, match=why):
        providers(CONFIG.replace(old, new))


@pytest.mark.parametrize(
    ("glob", "taken"),
    [
        ("reg.example", True),
        ("*.example", True),
        ("reg.example/team", True),
        ("reg.example/team/", True),
        ("reg.example/te", True),
        ("https://reg.example", False),
        ("reg.example/v1/", False),
        ("reg.example/other", False),
    ],
)
def test_match_images_stand_as_they_are(glob: str, taken: bool) -> None:
    """Kubernetes takes scheme and version off a keyring's keys alone."""
    assert matches(glob, "reg.example/team/app") == taken
    assert tried([glob], "reg.example/team/app") == ([] if "other" in glob else [glob])


@given(st.text() | st.from_regex(r"x: \d{4}-\d\d-\d\d", fullmatch=True))
@example("x: 2026-13-45")
@example("x: 2026-01-01 25:99:99")
@example("? [a]\n: b")
@example("&a [*a]")
@example("!!python/object:os.system x")
@example("!!int x")
def test_no_text_breaks_the_reader_of_yaml(content: str) -> None:
    for read in (providers, policy):
        with suppress(Broken):
            read(content)


def test_a_date_that_cannot_be_does_not_hide_the_rest() -> None:
    assert policy("x: 2026-13-45\nimagePullCredentialsVerificationPolicy: NeverVerify") == (
        "NeverVerify"
    )


def test_the_rule_for_images_that_are_there_is_read() -> None:
    assert policy("imagePullCredentialsVerificationPolicy: AlwaysVerify") == "AlwaysVerify"
    assert policy("kind: KubeletConfiguration") == ""
    with pytest.raises(Broken, match="no KubeletConfiguration"):
        policy("[]")
    with pytest.raises(Broken, match="nested too deep"):
        policy("[" * 1_000)


def test_what_grows_when_it_is_read_is_not_read() -> None:
    bomb = "a: &a [l, l]\nimagePullCredentialsVerificationPolicy: [*a, *a]\n"

    with pytest.raises(Broken, match="aliases"):
        policy(bomb)
    with pytest.raises(Broken, match="is no text"):
        policy("imagePullCredentialsVerificationPolicy: [a, b]")


def test_one_malformed_login_spoils_the_file() -> None:
    good = {"auth": "YTpi"}
    found = {"reg.example/team": good, "reg.example": good, "other.example": {"auth": ""}}

    assert node_logins(json.dumps({"auths": found}), "reg.example/team/app") == [
        "reg.example/team",
        "reg.example",
    ]
    assert node_logins(json.dumps(found), "reg.example/a", legacy=True) == ["reg.example"]
    with pytest.raises(Broken, match=r"other\.example is not USER:PASSWORD"):
        node_logins(
            json.dumps({"auths": {**found, "other.example": {"auth": "YQ=="}}}), "reg.example/a"
        )
