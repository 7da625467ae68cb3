"""References are read exactly as distribution/reference reads them.

The vectors came out of its own Go code; the tables below are its documented cases by hand.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regcred.domain.errors import InvalidInput, InvalidReference
from regcred.domain.registry import ImageReference, RegistryAddress

_LINES = (Path(__file__).parents[1] / "vectors" / "image-references.jsonl").read_text().splitlines()
VECTORS = [json.loads(line) for line in _LINES]
SHA256 = "sha256:" + "a1" * 32

component = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
host = st.one_of(
    st.just("localhost"),
    st.lists(label, min_size=2, max_size=4).map(".".join),
    st.sampled_from(["[::1]", "[2001:db8::1]", "192.168.0.1"]),
)
port = st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format))
tag = st.one_of(
    st.just(""), st.from_regex(r":[A-Za-z0-9_][\w.-]{0,20}", fullmatch=True).filter(str.isascii)
)
digest = st.sampled_from(["", "@" + SHA256, "@sha512:" + "0f" * 64, "@sha384:" + "0f" * 48])
written = st.builds(
    lambda registry, path, rest: registry + "/".join(path) + "".join(rest),
    st.one_of(st.just(""), st.tuples(host, port).map(lambda hp: "".join(hp) + "/")),
    st.lists(component, min_size=1, max_size=4),
    st.tuples(tag, digest),
)


def parts(text: str) -> tuple[str, str, str | None, str | None]:
    found = ImageReference.parse(text)
    return found.registry, found.repository, found.tag, found.digest


@pytest.mark.parametrize("number", range(340))
def test_reads_what_the_original_reads(number: int) -> None:
    vector = VECTORS[number]

    if not vector["ok"]:
        with pytest.raises(InvalidReference):
            ImageReference.parse(vector["input"])
        return
    expected = (vector["domain"], vector["path"], vector.get("tag"), vector.get("digest"))
    assert parts(vector["input"]) == expected


def test_the_vectors_are_all_there() -> None:
    assert len(VECTORS) == 340


@pytest.mark.parametrize(
    ("text", "registry", "repository", "version"),
    [
        ("redis", "docker.io", "library/redis", None),
        ("redis:7", "docker.io", "library/redis", "7"),
        ("dmcgowan/myapp", "docker.io", "dmcgowan/myapp", None),
        ("docker.io/redis", "docker.io", "library/redis", None),
        ("index.docker.io/library/foo", "docker.io", "library/foo", None),
        ("index.docker.io/foo", "docker.io", "library/foo", None),
        ("registry-1.docker.io/library/foo", "registry-1.docker.io", "library/foo", None),
        ("library/foo/bar", "docker.io", "library/foo/bar", None),
        ("te_st.com:v1", "docker.io", "library/te_st.com", "v1"),
        ("test_com/foo", "docker.io", "test_com/foo", None),
        ("test.com/foo", "test.com", "foo", None),
        ("test.com:8080/foo", "test.com:8080", "foo", None),
        ("test:5000/repo:tag", "test:5000", "repo", "tag"),
        ("test.com:5000", "docker.io", "library/test.com", "5000"),
        ("localhost/fooo/bar", "localhost", "fooo/bar", None),
        ("LOCALDOMAIN/fooo", "LOCALDOMAIN", "fooo", None),
        ("Foo/bar", "Foo", "bar", None),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050"),
        ("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", "tag"),
        ("lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase"),
    ],
)
def test_names_are_normalised_as_docker_does(
    text: str, registry: str, repository: str, version: str | None
) -> None:
    assert parts(text) == (registry, repository, version, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":justtag",
        f"@{SHA256}",
        "repo@sha256:" + "f" * 34,
        "name@invaliddigest:" + "f" * 64,
        "repo@sha256:" + "F" * 64,
        "Uppercase:tag",
        "test:5000/Uppercase/x",
        "aa/asdf$$^/aa",
        "https://github.com/docker/docker",
        "docker/Docker",
        "-docker/x",
        "docker///docker",
        "docker/",
        "dock..er/x",
        "dock_.er/x",
        "____/____",
        "_docker/x",
        "[fc00::1]",
        "fc00::1:5000/debian",
        "[fe80::1%eth0]:5000/repo",
        "[::ffff:1.2.3.4]/repo",
        "a" * 64,
        "app:" + "t" * 129,
        "app:-x",
        "app:.x",
        "a/b:tag@",
        "app ",
        " app",
        "app\n",
        "\napp",
        "app\r\n",
        "app\t",
        "app\0",
        "app\x7f",
        "app\N{NO-BREAK SPACE}",
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "app:\N{FULLWIDTH DIGIT ONE}",
        "reg.example.com\N{FULLWIDTH SOLIDUS}app",
        "\ud800",
    ],
)
def test_what_is_no_reference_is_refused_by_rule(text: str) -> None:
    with pytest.raises(InvalidReference) as refused:
        ImageReference.parse(text)

    assert refused.value.violations[0].field == "image"
    assert len(text) < 2 or text not in str(refused.value)


def test_a_tag_has_up_to_128_characters() -> None:
    assert ImageReference.parse("app:" + "t" * 128).tag == "t" * 128


def test_a_path_has_up_to_255_bytes_without_its_registry() -> None:
    path = "a/" * 127 + "b"
    registry = "reg.example.com:5000"

    assert ImageReference.parse(f"{registry}/{path}").repository == path
    with pytest.raises(InvalidReference):
        ImageReference.parse(f"{registry}/{path}b")


def test_the_library_prefix_counts_towards_the_path() -> None:
    assert ImageReference.parse("x" * 247).repository == "library/" + "x" * 247
    with pytest.raises(InvalidReference):
        ImageReference.parse("x" * 248)


def test_a_reference_has_at_most_2048_characters() -> None:
    with pytest.raises(InvalidReference, match="at most 2048 characters"):
        ImageReference.parse("a" * 4097)


@pytest.mark.parametrize("text", ["a." * 2048, "a-" * 2048, "A-" * 2040 + "/a", "[" + ":" * 4090])
def test_the_longest_texts_are_answered(text: str) -> None:
    with pytest.raises(InvalidReference):
        ImageReference.parse(text)


def test_a_dotted_first_part_that_is_no_host_belongs_to_the_path() -> None:
    found = ImageReference.parse("a_b.c/app:v1")

    assert (found.registry, found.repository, found.tag) == ("", "a_b.c/app", "v1")
    assert str(found) == "a_b.c/app:v1"
    with pytest.raises(InvalidInput):
        found.address()


def test_the_effective_reference_of_a_digest_has_no_tag() -> None:
    assert str(ImageReference.parse(f"app:v1@{SHA256}").effective()) == (
        f"docker.io/library/app@{SHA256}"
    )


def test_the_effective_reference_of_a_bare_name_is_latest() -> None:
    assert str(ImageReference.parse("app").effective()) == "docker.io/library/app:latest"
    assert ImageReference.parse("app:v1").effective().tag == "v1"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("app", "docker.io"),
        ("registry-1.docker.io/library/app", "docker.io"),
        ("Docker.IO/app", "docker.io"),
        ("reg.example.com:443/app", "reg.example.com"),
        ("REG.example.com:5000/app", "reg.example.com:5000"),
    ],
)
def test_the_address_is_what_logins_are_matched_by(text: str, address: str) -> None:
    assert ImageReference.parse(text).address() == RegistryAddress.parse(address)


@pytest.mark.parametrize("registry", ["reg.example.com:99999", "a" * 64 + ".example.com"])
def test_a_registry_that_nobody_can_reach_has_no_address(registry: str) -> None:
    with pytest.raises(InvalidInput):
        ImageReference.parse(f"{registry}/app").address()


@given(written)
@example("a_b.c/app")
def test_a_printed_reference_reads_as_itself(text: str) -> None:
    try:
        found = ImageReference.parse(text)
    except InvalidReference:
        return

    assert ImageReference.parse(str(found)) == found


@given(
    st.one_of(
        st.text(max_size=80), st.builds("{}{}{}".format, written, st.text(max_size=3), written)
    )
)
def test_nothing_but_the_refusal_ever_escapes(text: str) -> None:
    try:
        found = ImageReference.parse(text)
    except InvalidReference:
        return

    assert text.isascii()
    assert found.repository
    assert len(found.repository) <= 255
    assert found.tag != ""
    assert found.digest != ""
