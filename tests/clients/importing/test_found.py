"""Keys of registries in one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.clients.importing.found import Found, NotImportable, Source, place, usable
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import Scope

HUB = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "https://index.docker.io/v1/",
    "https://index.docker.io/v1",
    "index.docker.io/v1/",
    "https://registry-1.docker.io/v2/",
    "DOCKER.io",
]


@pytest.mark.parametrize("key", HUB)
def test_docker_hub_has_one_spelling(key: str) -> None:
    assert place(key, paths_after_scheme=True) == "docker.io"


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://GHCR.io/", "ghcr.io"),
        ("http://registry:5000", "registry:5000"),
        ("registry.example:443", "registry.example"),
        ("https://registry.example/v2/", "registry.example"),
        ("registry.example/v2/team", "registry.example/team"),
        ("registry.example/team/app", "registry.example/team/app"),
        ("registry.example/team/", "registry.example/team"),
        ("*.registry.example", "*.registry.example"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_a_key_is_brought_to_one_spelling(key: str, read: str) -> None:
    assert place(key, paths_after_scheme=True) == read


def test_the_path_after_a_scheme_counts_for_kubelet_alone() -> None:
    assert place("https://registry.example/team", paths_after_scheme=True) == (
        "registry.example/team"
    )
    assert place("https://registry.example/team", paths_after_scheme=False) == "registry.example"


@pytest.mark.parametrize(
    "key",
    [
        *("", " ", "ftp://a.example", "user@a.example", "a b", "reg*.example", "ü.de", "/team"),
        *("a.example/Team/*", "a.example\n", "a.example:port", "https://", "x" * 3000),
        "a.example/../b",
    ],
)
def test_what_is_no_registry_is_refused(key: str) -> None:
    with pytest.raises(NotImportable):
        place(key, paths_after_scheme=True)


@given(
    st.from_regex(
        r"\A(https://)?[a-z0-9]{1,9}(\.[a-z0-9]{1,9}){0,2}\.[a-z]{2,5}(:[1-9][0-9]{0,3})?"
    )
    .filter(lambda key: "\n" not in key)
    .flatmap(lambda host: st.sampled_from([host, f"{host}/", f"{host}/v2/", f"{host}/team/app"]))
)
def test_the_spelling_is_that_of_the_services_scopes(key: str) -> None:
    try:
        scope = str(Scope.parse(key))
    except InvalidInput:
        return
    assert place(scope, paths_after_scheme=True) == scope


@pytest.mark.parametrize(
    ("username", "secret"),
    [("", "x"), ("u", ""), ("u:v", "x"), ("u\n", "x"), ("u", "a\0b"), ("u", "x" * 16385)],
)
def test_what_no_registry_could_take_is_refused(username: str, secret: str) -> None:
    with pytest.raises(NotImportable) as refused:
        usable(Found("a.example", username, secret, Source("file", "a.example")))

    assert not secret or secret not in str(refused.value) or secret == "x"


def test_a_secret_is_in_no_repr() -> None:
    assert "s3cret" not in repr(Found("a.example", "u", "s3cret", Source("file", "a.example")))
