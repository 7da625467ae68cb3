from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.registries.origins import (
    HttpHosts,
    Origin,
    canonical_host,
    ip_literal,
    parse_url,
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Registry.Example.COM", "registry.example.com"),
        ("localhost", "localhost"),
        ("8.8.8.8", "8.8.8.8"),
        ("2606:4700::1111", "2606:4700::1111"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.2.3.example", "1.2.3.example"),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert canonical_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "registry.example.com.",
        "-a.example",
        "a_b.example",
        "user@host",
        "host%00.example",
        "host\0",
        "host name",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "\uff11\uff12\uff17.0.0.1",
        "\u2460\u2461\u2466.0.0.1",
        "[::1]",
        "::FFFF:1%eth0",
        "fe80::1%eth0",
        "0:0:0:0:0:0:0:1",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "registry.example.1",
        "bücher.example",
    ],
)
def test_every_other_spelling_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a DNS name or a canonical IP address$"):
        canonical_host(text)


@given(st.text(max_size=40))
def test_a_canonical_host_is_a_fixed_point(text: str) -> None:
    try:
        host = canonical_host(text)
    except ValueError:
        return
    assert canonical_host(host) == host
    assert host.isascii()
    assert not set("@%/\\#?[] \t\r\n\0") & set(host)


def test_a_zone_id_is_no_literal() -> None:
    assert ip_literal("fe80::1%eth0") is None
    assert ip_literal("example.com") is None


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://a.example", Origin("https", "a.example", 443), "/"),
        ("HTTPS://A.example:443/token", Origin("https", "a.example", 443), "/token"),
        ("http://a.example?x=1", Origin("http", "a.example", 80), "/?x=1"),
        ("https://[2606:4700::1]:5000/t?a=%2F", Origin("https", "2606:4700::1", 5000), "/t?a=%2F"),
        ("https://[2606:4700::1]", Origin("https", "2606:4700::1", 443), "/"),
        ("https://a.example//b.example/x@y", Origin("https", "a.example", 443), "//b.example/x@y"),
    ],
)
def test_a_url_is_split_once(url: str, origin: Origin, target: str) -> None:
    assert parse_url(url) == (origin, target)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/token",
        "//a.example/token",
        "a.example/token",
        "https:/a.example",
        "https:a.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "gopher://a.example",
        "https://",
        "https:///token",
        "https://user@a.example",
        "https://user:pw@a.example",
        "https://a.example@b.example",
        "https://a.example\\@b.example",
        "https://a.example#@b.example",
        "https://a.example/#x",
        "https://a.example/a b",
        "https://a.example/\r\nX: y",
        "https://a.example/\t",
        "https://a.example/\u20ac",
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:+443/",
        "https://a.example:\u0664\u0664\u0663/",
        "https://a.example:/",
        "https://a.example:443:443/",
        "https://::1/",
        "https://[::1/",
        "https://[a.example]/",
        "https://a.example%2f/",
        " https://a.example",
        "https://a.example/" + "a" * 2048,
    ],
)
def test_a_url_with_two_readings_has_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_url(url)


@given(st.text(max_size=60))
def test_a_parsed_url_builds_itself_again(rest: str) -> None:
    try:
        origin, target = parse_url("https://" + rest)
    except ValueError:
        return
    assert parse_url(f"{origin}{target}") == (origin, target)


def test_an_origin_leaves_its_own_port_out() -> None:
    assert str(Origin("https", "a.example", 443)) == "https://a.example"
    assert Origin("http", "a.example", 443).authority == "a.example:443"
    assert Origin("https", "::1", 5000).authority == "[::1]:5000"


def test_http_is_allowed_by_host_or_by_place() -> None:
    hosts = HttpHosts(["Any.example", "one.example:5000", "[::1]", "[::2]:80", "127.0.0.1:80"])

    assert hosts.cover("any.example", 1)
    assert hosts.cover("one.example", 5000)
    assert not hosts.cover("one.example", 80)
    assert hosts.cover("::1", 9)
    assert hosts.cover("::2", 80)
    assert not hosts.cover("::2", 81)
    assert not hosts.cover("127.0.0.1", 81)
    assert not hosts.cover("other.example", 80)


def test_an_unreadable_http_host_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"."):
        HttpHosts(["http://a.example"])
