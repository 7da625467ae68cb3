"""Registry addresses have one spelling each; every other one is refused without an echo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.credential import derive_scopes
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import (
    HUB,
    HUB_ALIASES,
    ImagePattern,
    RegistryAddress,
    Scope,
    path_prefixes,
)

# Security facts, A36-A49: other spellings of addresses, and URL tricks.
HOSTILE = [
    "2130706433",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "127.1",
    "127.0.1",
    "127.0.0.01",
    "127.0.0.1.",
    "1.2.3.4.5",
    "256.1.1.1",
    "reg.example.0x7f",
    "reg.example.1a",
    "\N{FULLWIDTH DIGIT ONE}27.0.0.1",
    "\N{CIRCLED DIGIT ONE}\N{CIRCLED DIGIT TWO}\N{CIRCLED DIGIT SEVEN}.0.0.1",
    "127\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}1",
    "doc\N{KELVIN SIGN}er.io",
    "r\N{LATIN SMALL LETTER E WITH ACUTE}g.example.com",
    "::1",
    "[::1",
    "::1]",
    "[::1]]",
    "[0:0:0:0:0:0:0:1]",
    "[::01]",
    "[fe80::1%eth0]",
    "[fe80::1%25eth0]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[1.2.3.4]",
    "[]",
    "user@reg.example.com",
    "user:pass@reg.example.com",
    "reg.example.com@evil.example.com",
    "reg.example.com#@evil.example.com",
    "reg.example.com\\@evil.example.com",
    "reg.example.com\\evil",
    "reg.example.com?evil",
    "reg%2eexample.com",
    "reg.example.com%00",
    "reg.example.com%2fevil",
    "reg.example.com\t",
    "reg.exam\rple.com",
    "reg.example.com\n",
    "reg.example.com\0",
    " reg.example.com",
    "reg.example.com ",
    "reg.example.com.",
    ".reg.example.com",
    "reg..example.com",
    "-reg.example.com",
    "reg-.example.com",
    "reg_x.example.com",
    "",
    ".",
    ":",
    ":5000",
    "reg.example.com:",
    "reg.example.com:0",
    "reg.example.com:65536",
    "reg.example.com:999999",
    "reg.example.com:+80",
    "reg.example.com:-1",
    "reg.example.com: 80",
    "reg.example.com:8_0",
    "reg.example.com:0x50",
    "reg.example.com:\N{ARABIC-INDIC DIGIT EIGHT}\N{ARABIC-INDIC DIGIT ZERO}",
    "reg.example.com:80:90",
    "a" * 64 + ".example.com",
    ".".join(["a" * 63] * 4),
    "a" * 10_000,
    "a." * 5_000,
    "1" * 10_000,
]


def shortly(text: str) -> str:
    return f"{ascii(text)[:30]} of {len(text)}"


def refusal(error: pytest.ExceptionInfo[InvalidInput], text: str, field: str) -> None:
    """The error names the field and a rule, and never repeats what was sent."""
    (violation,) = error.value.violations
    assert violation.field == field
    assert violation.rule
    assert len(text) < 4 or text not in str(error.value)


@pytest.mark.parametrize("text", HOSTILE, ids=shortly)
def test_an_address_has_no_second_spelling(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        RegistryAddress.parse(text)

    refusal(error, text, "registry")


@pytest.mark.parametrize("scheme", ["", "https://", "http://"])
@pytest.mark.parametrize("text", HOSTILE, ids=shortly)
def test_a_scope_has_no_second_spelling(text: str, scheme: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Scope.parse(scheme + text + "/team")

    refusal(error, text, "registry_url")


@pytest.mark.parametrize("text", HOSTILE, ids=shortly)
def test_a_pattern_has_no_second_spelling(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        ImagePattern.parse(text, field="image_patterns.3")

    refusal(error, text, "image_patterns.3")


@pytest.mark.parametrize(
    "text",
    [
        "ftp://reg.example.com",
        "file:///etc/passwd",
        "unix:///run/x.sock",
        "gopher://reg.example.com",
        "//reg.example.com",
        "https:/reg.example.com",
        "https://",
        "https:///team",
        "https://https://reg.example.com",
        "reg.example.com//team",
        "reg.example.com/team//app",
        "reg.example.com/Team",
        "reg.example.com/te am",
        "reg.example.com/../app",
        "reg.example.com/./app",
        "reg.example.com/-a",
        "reg.example.com/a..b",
        "reg.example.com/a___b",
        "reg.example.com/team:tag",
        "reg.example.com/team/*",
        "reg.example.com/" + "a" * 256,
        "reg*.example.com",
        "*reg.example.com",
        "**.example.com",
        "*.-a.example.com",
        "*.example.com.",
        "*." * 200 + "com",
        "*:0",
    ],
)
def test_a_scope_is_a_host_and_whole_repository_components(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Scope.parse(text)

    refusal(error, text, "registry_url")


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("reg.example.com", "reg.example.com"),
        ("REG.Example.com", "reg.example.com"),
        ("https://reg.example.com", "reg.example.com"),
        ("HTTP://reg.example.com:80/", "reg.example.com:80"),
        ("https://reg.example.com:443/", "reg.example.com"),
        ("reg.example.com:05000", "reg.example.com:5000"),
        ("reg.example.com/team///", "reg.example.com/team"),
        ("https://reg.example.com/v1/", "reg.example.com"),
        ("https://reg.example.com/v2/team", "reg.example.com/team"),
        ("https://reg.example.com/v2x/team", "reg.example.com/v2x/team"),
        ("reg.example.com/v2/team", "reg.example.com/v2/team"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io/acme", "docker.io/acme"),
        ("registry.hub.docker.com:443", "docker.io"),
        ("index.docker.io:5000", "index.docker.io:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("[::1]:5000/team", "[::1]:5000/team"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("localhost", "localhost"),
        ("*.Example.com:443/team", "*.example.com/team"),
        ("123456789012.dkr.ecr.*.amazonaws.com", "123456789012.dkr.ecr.*.amazonaws.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_a_scope_is_printed_in_its_one_spelling(text: str, printed: str) -> None:
    scope = Scope.parse(text)

    assert str(scope) == printed
    assert Scope.parse(printed) == scope


@pytest.mark.parametrize("alias", sorted(HUB_ALIASES))
def test_docker_hubs_aliases_are_one_registry(alias: str) -> None:
    assert RegistryAddress.parse(alias) == RegistryAddress(HUB)
    assert RegistryAddress.parse(f"{alias.upper()}:443") == RegistryAddress(HUB)


def test_port_443_is_no_port() -> None:
    assert RegistryAddress.parse("reg.example.com:443") == RegistryAddress("reg.example.com")
    assert Scope.parse("reg.example.com").covers(RegistryAddress.parse("reg.example.com:443"), "a")
    assert str(RegistryAddress.parse("reg.example.com:5000")) == "reg.example.com:5000"


def test_the_highest_port_is_65535() -> None:
    assert RegistryAddress.parse("reg.example.com:65535").port == 65535


@pytest.mark.parametrize(
    ("scope", "image", "covered"),
    [
        ("reg.example.com", "reg.example.com/team/app", True),
        ("reg.example.com/team", "reg.example.com/team", True),
        ("reg.example.com/team", "reg.example.com/team/app", True),
        ("reg.example.com/team", "reg.example.com/teams/app", False),
        ("reg.example.com/team/app", "reg.example.com/team", False),
        ("reg.example.com:5000", "reg.example.com/team", False),
        ("reg.example.com", "reg.example.com:5000/team", False),
        ("*.example.com", "reg.example.com/team", True),
        ("*.example.com", "a.reg.example.com/team", False),
        ("*.example.com", "example.com/team", False),
        ("reg.*.com", "reg.example.com/team", True),
        ("*", "localhost/team", True),
        ("*", "reg.example.com/team", False),
        ("*.io", "index.docker.io/team", True),
        ("*.docker.io", "index.docker.io/team", False),
    ],
)
def test_a_scope_covers_whole_labels_and_components(
    scope: str, image: str, *, covered: bool
) -> None:
    host, _, repository = image.partition("/")

    assert Scope.parse(scope).covers(RegistryAddress.parse(host), repository) is covered


def test_exact_hosts_go_before_patterns_and_longer_paths_before_shorter() -> None:
    scopes = ["*.example.com", "*.example.com/a/b/c", "reg.example.com", "reg.example.com/a"]

    ordered = sorted(map(Scope.parse, scopes), key=lambda s: s.specificity, reverse=True)

    assert [str(scope) for scope in ordered] == [
        "reg.example.com/a",
        "reg.example.com",
        "*.example.com/a/b/c",
        "*.example.com",
    ]


@pytest.mark.parametrize("text", ["reg.example.com/team/*", "reg.example.com/team/**"])
def test_a_pattern_may_say_that_it_goes_on(text: str) -> None:
    assert ImagePattern.parse(text) == ImagePattern("reg.example.com", None, "team")
    assert ImagePattern.parse("reg.example.com/*") == ImagePattern("reg.example.com")


def test_prefixes_are_all_whole_component_prefixes() -> None:
    assert path_prefixes("a/b/c") == ["", "a", "a/b", "a/b/c"]
    assert path_prefixes("") == [""]


@pytest.mark.parametrize(
    "url", [None, "", "what the vendor's form took", "a b c", "reg.example.com:99999"]
)
def test_free_text_has_no_scope(url: str | None) -> None:
    assert derive_scopes(url) == ()


label = st.sampled_from(["a", "b", "reg", "*"])
path = st.lists(st.sampled_from(["team", "teams", "app"]), max_size=3).map("/".join)
scopes = st.builds(
    lambda labels, port, path: Scope(".".join(labels), port, path),
    st.lists(label, min_size=1, max_size=3),
    st.sampled_from([None, 5000]),
    path,
)
addresses = st.builds(
    lambda labels, port: RegistryAddress(".".join(labels), port),
    st.lists(st.sampled_from(["a", "b", "reg"]), min_size=1, max_size=3),
    st.sampled_from([None, 5000]),
)


@given(scopes, addresses, path.filter(bool))
def test_covering_stops_at_component_boundaries(
    scope: Scope, address: RegistryAddress, repository: str
) -> None:
    covered = scope.covers(address, repository)

    assert covered is (scope.covers_registry(address) and scope.path in path_prefixes(repository))
    if covered:
        assert not scope.covers(address, "x" + repository) or not scope.path


@given(scopes)
def test_a_scope_covers_and_meets_itself(scope: Scope) -> None:
    assert scope.covers_scope(scope)
    assert scope.overlaps(scope)


def narrower(scope: Scope, labels: list[str], more: str) -> Scope:
    """Return a scope within `scope`: some `*` spelled out, the path longer."""
    rest = iter(labels)
    host = ".".join(next(rest, "*") if part == "*" else part for part in scope.host.split("."))
    return Scope(host, scope.port, f"{scope.path}/{more}".strip("/"))


@given(scopes, st.lists(label, max_size=3), path, st.lists(label, max_size=3), path)
def test_covering_is_transitive(
    one: Scope, labels: list[str], more: str, labels_too: list[str], more_too: str
) -> None:
    two = narrower(one, labels, more)
    three = narrower(two, labels_too, more_too)

    assert one.covers_scope(two)
    assert two.covers_scope(three)
    assert one.covers_scope(three)


@given(scopes, scopes)
def test_what_covers_overlaps_and_overlapping_has_no_direction(one: Scope, two: Scope) -> None:
    assert one.overlaps(two) is two.overlaps(one)
    assert one.overlaps(two) or not one.covers_scope(two)


@given(scopes, scopes, addresses, path.filter(bool))
def test_scopes_mean_what_their_images_say(
    one: Scope, two: Scope, address: RegistryAddress, repository: str
) -> None:
    if two.covers(address, repository):
        assert not one.covers_scope(two) or one.covers(address, repository)
        assert not one.covers(address, repository) or one.overlaps(two)


def test_two_patterns_that_share_a_host_overlap() -> None:
    one, two = Scope.parse("*.example.com"), Scope.parse("reg.*.com")

    assert one.overlaps(two)
    assert not one.covers_scope(two)
    assert not Scope.parse("*.example.com").overlaps(Scope.parse("reg.*.org"))


@given(st.text(max_size=40), st.sampled_from(["", "https://", "*.", "reg.example.com:", "[::1]/"]))
def test_no_text_raises_anything_else(text: str, start: str) -> None:
    for parse in (RegistryAddress.parse, Scope.parse, ImagePattern.parse):
        try:
            read = parse(start + text)
        except InvalidInput:
            continue
        assert str(read).isascii()
        assert parse(str(read)) == read
