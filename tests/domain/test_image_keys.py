"""The keys under which a kubelet is told an image's logins: it tries them in resolve's order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain import keyring
from regcred.domain.login_keys import keyring_key, keys_for_image
from regcred.domain.registry import ImageReference, Scope
from regcred.domain.selection import matched_scope, rank
from tests.domain.examples import candidate

REPOSITORY = "reg.example.com/team/app"


def keys(image: str, *scopes: str) -> list[str]:
    return keys_for_image(ImageReference.parse(image), [Scope.parse(s) for s in scopes])


@pytest.mark.parametrize(
    ("image", "scopes", "expected"),
    [
        (REPOSITORY, ["reg.example.com"], ["reg.example.com"]),
        (REPOSITORY, ["reg.example.com/team"], ["reg.example.com/team/"]),
        (REPOSITORY, [REPOSITORY], [REPOSITORY]),
        (REPOSITORY, ["*.example.com"], ["reg.example.com"]),
        (
            REPOSITORY,
            ["reg.example.com/team", "reg.example.com"],
            ["reg.example.com/team/", "reg.example.com"],
        ),
        (
            REPOSITORY,
            ["reg.example.com", "reg.example.com"],
            ["reg.example.com/team/", "reg.example.com"],
        ),
        (
            REPOSITORY,
            ["reg.example.com", "*.example.com/team/app"],
            [REPOSITORY, "reg.example.com/team/"],
        ),
        (
            "reg.example.com/app",
            ["reg.example.com"] * 4,
            ["reg.example.com/app", "reg.example.com"],
        ),
        ("nginx", ["docker.io"], ["docker.io"]),
        ("nginx", ["docker.io"] * 2, ["docker.io/library/", "docker.io"]),
        ("LOCAL/app", ["local"], ["LOCAL"]),
        ("reg.example.com:443/app", ["reg.example.com"], ["reg.example.com:443"]),
        ("registry-1.docker.io/acme/app", ["docker.io/acme"], ["registry-1.docker.io/acme/"]),
    ],
)
def test_a_login_stands_under_its_own_scope_where_that_keeps_the_order(
    image: str, scopes: list[str], expected: list[str]
) -> None:
    assert keys(image, *scopes) == expected


def test_a_path_that_looks_like_an_api_version_stays_what_it_is() -> None:
    image = "reg.example.com/v1/app"
    found = keys(image, f"{image}", "reg.example.com/v1", "reg.example.com")

    assert keyring.lookup(found, image) == found
    assert keyring.lookup(found, "reg.example.com/app") == ["reg.example.com"]


@pytest.mark.parametrize("scope", ["reg.example.com/v1", "reg.example.com/v2/app"])
def test_nor_does_a_pull_secret_take_it_for_one(scope: str) -> None:
    key = keyring_key(Scope("reg.example.com", None, scope.partition("/")[2]))

    assert keyring.lookup([key], f"{scope}/x") == [key]
    assert keyring.lookup([key], "reg.example.com/app/x") == []


def test_another_port_of_docker_hub_is_not_docker_hub() -> None:
    assert keyring_key(Scope("docker.io", 5000)) == "docker.io:5000"


COMPONENTS = st.sampled_from(["team", "teams", "app", "library", "v1", "v2", "a"])
PATHS = st.lists(COMPONENTS, max_size=4).map("/".join)
HOSTS = st.sampled_from(
    [
        "reg.example.com",
        "docker.io",
        "registry-1.docker.io",
        "reg.example.com:443",
        "reg.example.com:5000",
        "[::1]:5000",
        "LOCAL",
    ]
)
PATTERNS = st.sampled_from(["{host}", "{host}", "*.example.com", "reg.*.com", "*.io", "*"])


@given(
    host=HOSTS,
    path=PATHS.filter(bool),
    scopes=st.lists(st.tuples(PATTERNS, st.integers(0, 4)), min_size=1, max_size=7),
)
def test_the_kubelet_tries_them_exactly_in_the_order_of_resolve(
    host: str, path: str, scopes: list[tuple[str, int]]
) -> None:
    reference = ImageReference.parse(f"{host}/{path}")
    components = reference.repository.split("/")
    address = reference.address()
    made = [
        candidate(
            f"login {number}",
            str(
                Scope(pattern.format(host=address.host), address.port, "/".join(components[:depth]))
            ),
            age=number % 3,
        )
        for number, (pattern, depth) in enumerate(scopes)
    ]
    ranked = rank(c for c in made if matched_scope(c).covers(address, reference.repository))
    image = f"{reference.registry}/{reference.repository}"

    found = keys_for_image(reference, [matched_scope(c) for c in ranked])

    assert len(found) == min(len(ranked), len(components) + 1)
    assert keyring.lookup(found, image) == found
    assert keyring.lookup(sorted(found), image) == found
    assert all("*" not in key for key in found)
