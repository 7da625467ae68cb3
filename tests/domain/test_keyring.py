"""Kubernetes' matching is reproduced to the order, traps included."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.keyring import _normalise, lookup


def read_vectors(name: str) -> list[dict[str, Any]]:
    text = (Path(__file__).parents[1] / "vectors" / f"{name}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


VECTORS = read_vectors("kubernetes-keyring")
EDGES = read_vectors("keyring-edges")
"""What Go 1.19's net/url, net, path/filepath and sort make of keys at the grammar's edges."""
HUB = "https://index.docker.io/v1/"


def tied(keys: list[str]) -> list[set[str]]:
    """Group neighbours that normalise to one entry: those come in Go's random map order."""
    return [set(group) for _, group in groupby(keys, lambda key: _normalise(key.encode()))]


@pytest.mark.parametrize("number", range(430))
def test_finds_what_the_kubelet_finds(number: int) -> None:
    vector = VECTORS[number]

    found = lookup(vector["keys"], vector["image"])

    assert tied(found) == tied(vector["matches"])
    assert len(found) == len(vector["matches"])


def test_the_vectors_are_all_there() -> None:
    assert (len(VECTORS), len(EDGES)) == (430, 473)


def test_keys_at_the_edges_are_read_and_ordered_as_go_does() -> None:
    wrong = [v for v in EDGES if lookup(v["keys"], v["image"]) != v["matches"]]

    assert not wrong


@pytest.mark.parametrize(
    ("glob", "target", "hit"),
    [
        ("*.kubernetes.io", "prefix.kubernetes.io", True),
        ("prefix.*.io", "prefix.kubernetes.io", True),
        ("prefix.kubernetes.*", "prefix.kubernetes.io", True),
        ("*-good.kubernetes.io", "prefix-good.kubernetes.io", True),
        ("*.kubernetes.io/blah", "prefix.kubernetes.io/blah", True),
        ("prefix.*.io/foo", "prefix.kubernetes.io/foo/bar", True),
        ("*.kubernetes.io:1111/blah", "prefix.kubernetes.io:1111/blah", True),
        ("prefix.*.io:1111/foo", "prefix.kubernetes.io:1111/foo/bar", True),
        ("*.kubernetes.io", "kubernetes.io", False),
        ("*.*.kubernetes.io", "prefix.kubernetes.io", False),
        ("*.*.kubernetes.io", "kubernetes.io", False),
        ("kubernetes.io", "kubernetes.com", False),
        ("k*.io", "quay.io", False),
        ("*.kubernetes.io:1234/blah", "prefix.kubernetes.io:1111/blah", False),
        ("prefix.*.io/foo", "prefix.kubernetes.io:1111/foo/bar", False),
    ],
)
def test_urls_match_by_label_port_and_plain_prefix(glob: str, target: str, hit: bool) -> None:
    assert bool(lookup([glob], target)) is hit


@pytest.mark.parametrize(
    ("key", "target", "hit"),
    [
        ("https://hello.kubernetes.io", "hello.kubernetes.io", True),
        ("https://*.docker.io", "prefix.docker.io", True),
        ("https://prefix.*.io", "prefix.docker.io", True),
        ("https://prefix.docker.*", "prefix.docker.io", True),
        ("https://*.docker.io/path", "prefix.docker.io/path", True),
        ("https://prefix.*.io/path", "prefix.docker.io/path/subpath", True),
        ("https://*.docker.io:8888", "prefix.docker.io:8888", True),
        ("https://*.docker.io/path:1111", "prefix.docker.io/path:1111", True),
        ("https://*.docker.io/v1/", "prefix.docker.io/path:1111", True),
        ("https://*.docker.io/v2/", "prefix.docker.io/path:1111", True),
        ("prefix.docker.io:1111", "prefix.docker.io:1111/path", True),
        ("*.docker.io:1111", "prefix.docker.io:1111/path", True),
        ("https://hello.kubernetes.io", "world.mesos.org/foo/bar", False),
        ("https://*.docker.com", "prefix.docker.io", False),
        ("https://suffix.*.io", "prefix.docker.io", False),
        ("https://prefix.docker.c*", "prefix.docker.io", False),
        ("https://prefix.*.io/path:1111", "prefix.docker.io/path/subpath:1111", False),
        ("suffix.*.io", "prefix.docker.io", False),
    ],
)
def test_a_key_is_found_for_an_image_below_it(key: str, target: str, hit: bool) -> None:
    assert lookup([key], f"{target}/foo/bar") == ([key] if hit else [])


@pytest.mark.parametrize(
    ("image", "hit"),
    [
        ("google/docker-registry", True),
        ("jenkins", True),
        ("foo", True),
        ("foo/bar", True),
        ("docker.io/foo/bar", True),
        ("index.docker.io/foo/bar", True),
        ("index.docker.io/v1//google/docker-registry", True),
        ("world.mesos.org/foo/bar", False),
        ("registry.tld/foo/bar", False),
        ("registry:5000/foo/bar", False),
        ("myhostdocker.io/foo/bar", False),
        ("", False),
        ("/foo", False),
    ],
)
def test_docker_hub_is_the_default_registry(image: str, hit: bool) -> None:
    assert lookup([HUB], image) == ([HUB] if hit else [])


@pytest.mark.parametrize(
    ("path", "logins"),
    [
        ("bar.example.com", ["ada"]),
        ("bar.example.com/pong", ["grace", "ada"]),
        ("bar.example.com/ping", ["ada"]),
        ("bar.example.com/pongz", ["grace", "ada"]),
        ("bar.example.com/pong/pang", ["grace", "ada"]),
        ("example.com", []),
        ("foo.example.com", []),
    ],
)
def test_longer_keys_come_first_and_prefixes_are_text(path: str, logins: list[str]) -> None:
    owners = {"bar.example.com/pong": "grace", "bar.example.com": "ada"}

    assert [owners[key] for key in lookup(list(owners), path)] == logins


@pytest.mark.parametrize("image", ["quay.io", "quay.io/foo", "quay.io/foo/bar"])
def test_an_api_version_is_no_path(image: str) -> None:
    assert lookup(["https://quay.io/v1/"], image) == ["https://quay.io/v1/"]


def test_keys_of_one_entry_keep_their_order() -> None:
    keys = ["quay.io", "https://quay.io/v1/", "quay.io", "http://quay.io"]

    assert lookup(keys, "quay.io/app") == keys


@pytest.mark.parametrize(
    ("key", "image", "hit"),
    [
        # Ports are text: there is no default, no range, and an empty one equals none.
        ("reg.io:443", "reg.io/a", False),
        ("reg.io:05000", "reg.io:5000/a", False),
        ("reg.io:99999", "reg.io:99999/a", True),
        ("reg.io:", "reg.io/a", True),
        ("reg.io:http", "reg.io:http/a", False),
        # User info is read and dropped; what cannot be user info makes the key unreadable.
        ("user:pass@reg.io", "reg.io/a", True),
        ("u@v@reg.io", "reg.io/a", True),
        ("us er@reg.io", "reg.io/a", False),
        ("u%zz@reg.io", "reg.io/a", False),
        # Escapes: only what is not ASCII in a host, anything in a path.
        ("r%C3%A9g.io", "r\N{LATIN SMALL LETTER E WITH ACUTE}g.io/a", True),
        ("r%41g.io", "rAg.io/a", False),
        ("reg.io/%61", "reg.io/a", True),
        ("reg.io/a%2Fb", "reg.io/a/b", True),
        ("reg.io/%zz", "reg.io/%zz", False),
        ("reg.io/%ff", "reg.io/%ff/a", True),
        ("reg.io/%2561", "reg.io/a", True),
        ("reg.io/a#%zz", "reg.io/a", False),
        ("reg.io/a#b", "reg.io/a", True),
        ("reg.io/a?b", "reg.io/a", True),
        ("reg.io\n/a", "reg.io\n/a", False),
        ("reg.io", "reg.io/a\nb", False),
        ("reg.io\\a", "reg.io\\a", False),
        # IPv6: a host in brackets is a glob class unless a port takes the brackets away.
        ("[::1]:5000", "[::1]:5000/a", True),
        ("[::1]", "[::1]/a", False),
        ("[::1", "[::1/a", False),
        ("[::1]x", "[::1]x/a", False),
        ("[fe80::1%25eth0]:5000", "[fe80::1%25eth0]:5000/a", False),
        ("[fe80::1%25%41]:1", "[fe80::1%25%41]:1/a", False),
        ("[fe80::1%25%2f]:1", "[fe80::1%25%2f]:1/a", False),
        # A zone is read once in an image; a key is read twice, which no zone survives.
        ("*:5000", "[fe80::1%25eth0]:5000/a", True),
        ("*:5000", "[fe80::1%25%41%20]:5000/a", True),
        ("*:5000", "[fe80::1%25%2f]:5000/a", False),
        ("*:5000", "[fe80::1%25%5E]:5000/a", False),
        ("*:5000", "[fe80::1%25%zz]:5000/a", False),
        ("*:5000", "[fe80::1%41]:5000/a", False),
        ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]/a", False),
        ("[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]:80/a", True),
        ("::1:5000", "::1:5000/a", True),
        ("a]b.io:5000", "a]b.io:5000/a", True),
        # What SplitHostPort refuses has no port at all.
        ("*:5000", "::1:5000/a", False),
        ("*.io:5000", "a]b.io:5000/a", False),
        # Character classes are Go's: no `!`, ranges in order, nothing half-open.
        ("r[de]g.io", "reg.io/a", True),
        ("r[a-f]g.io", "reg.io/a", True),
        ("r[f-a]g.io", "reg.io/a", False),
        ("r[!x]g.io", "reg.io/a", False),
        ("r[a-]g.io", "reg.io/a", False),
        ("r[-a]g.io", "reg.io/a", False),
        ("r[]g.io", "r[]g.io/a", False),
        ("r[e", "r[e/a", False),
        ("r[%FF]g.io", "r[%FF]g.io/a", False),
        # An API version goes only with its slash.
        ("gcr.io/v2", "gcr.io/p/i", False),
        ("gcr.io/v2", "gcr.io/v2/i", True),
        ("gcr.io/v1x", "gcr.io/x", False),
        ("https://gcr.io/v2/", "gcr.io/p/i", True),
        # The scheme is known in lower case alone; any other word is a host with an empty port.
        ("HTTPS://reg.io", "reg.io/a", False),
        ("REG.io", "reg.io/a", False),
    ],
)
def test_keys_are_read_as_go_reads_urls(key: str, image: str, hit: bool) -> None:
    assert lookup([key], image) == ([key] if hit else [])


def test_an_unreadable_key_does_not_hide_the_others() -> None:
    assert lookup(["reg.io/%zz", "reg.io"], "reg.io/a") == ["reg.io"]


def test_an_unreadable_image_can_still_be_docker_hubs() -> None:
    assert lookup([HUB, "*"], "app\n") == [HUB]


@given(
    st.lists(st.text(max_size=30), max_size=4),
    st.text(max_size=30),
    st.sampled_from(["", "reg.io/", "[::1]:5000/", "*.io/", "https://"]),
)
def test_no_text_raises_and_only_given_keys_come_back(
    keys: list[str], image: str, start: str
) -> None:
    keys = [*keys, start + image, *(start + key for key in keys)]

    found = lookup(keys, start + image)

    assert all(found.count(key) <= keys.count(key) for key in found)


plain_path = st.lists(st.sampled_from(["a", "ab", "team", "teams"]), max_size=3).map("/".join)


@given(plain_path, plain_path)
def test_on_one_plain_host_it_is_a_prefix_test(key: str, image: str) -> None:
    prefix = urlsplit(f"https://reg.io/{key}").path.removesuffix("/")

    assert bool(lookup([f"reg.io/{key}"], f"reg.io/{image}")) is f"/{image}".startswith(prefix)
