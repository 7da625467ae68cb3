"""Where a login may go, and the look-alikes where it may not (threat A40)."""

from __future__ import annotations

import pytest

from regcred.adapters.registries.origins import HttpHosts, parse_url
from regcred.adapters.registries.realm import SHIPPED, RealmRule, UntrustedRealm, pinned_origins


def rule(registry: str, pinned: str | None = None, *, http: tuple[str, ...] = ()) -> RealmRule:
    return RealmRule(parse_url(registry)[0], HttpHosts(http), pinned)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("https://ghcr.io", "https://ghcr.io/token"),
        ("https://ghcr.io", "https://GHCR.io:443/token"),
        ("https://reg.example:5000", "https://reg.example:5000/auth?x=y"),
        ("https://registry-1.docker.io", "https://auth.docker.io/token"),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
        ("https://registry.digitalocean.com", "https://api.digitalocean.com/v2/registry/auth"),
    ],
)
def test_a_realm_of_the_registrys_own_is_trusted(registry: str, realm: str) -> None:
    assert rule(registry).judge(realm) == parse_url(realm)


@pytest.mark.parametrize(
    "pin", ["https://tokens.example", "https://tokens.example/other/path", "tokens.example"]
)
def test_a_pinned_realm_is_trusted(pin: str) -> None:
    origin, target = rule("https://reg.example", pin).judge("https://tokens.example/token")

    assert (str(origin), target) == ("https://tokens.example", "/token")


@pytest.mark.parametrize(
    ("pin", "realm"),
    [
        ("https://tokens.example", "https://tokens.example:5000/token"),
        ("tokens.example", "https://tokens.example:5000/token"),
        ("tokens.example:5000", "https://tokens.example/token"),
        ("https://tokens.example", "https://tokens.example.evil.example/token"),
        ("https://tokens.example", "https://sub.tokens.example/token"),
        ("http://tokens.example", "https://tokens.example/token"),
        ("https://tokens.example", "http://tokens.example/token"),
    ],
)
def test_a_pin_is_compared_whole(pin: str, realm: str) -> None:
    with pytest.raises(UntrustedRealm):
        rule("https://reg.example", pin, http=("tokens.example",)).judge(realm)


# Every pair shares something that a laxer rule goes by: a domain, a suffix, a prefix, emptiness.
LOOKALIKES = [
    ("https://registry.example.com", "https://evil.com/token"),
    ("https://registry.example.com", "https://auth.example.com/token"),
    ("https://registry.example.com", "https://example.com/token"),
    ("https://registry.example.com", "https://registry.example.com.evil.com/token"),
    ("https://registry.example.com", "https://registry-example.com/token"),
    ("https://registry.example.com", "https://xregistry.example.com/token"),
    ("https://registry.example.com", "https://registry.example.co/token"),
    ("https://registry.example.com", "https://registry.example.com:8443/token"),
    ("https://registry.example.com:8443", "https://registry.example.com/token"),
    ("https://registry.example.com", "http://registry.example.com:443/token"),
    ("https://registry.example.com", "http://registry.example.com/token"),
    ("https://registry.example.com", "https://registry.example.com./token"),
    ("https://registry.example.com", "https://evil.com./token"),
    ("https://registry", "https://metadata/token"),
    ("https://myregistry", "https://github.io/token"),
    ("https://co.uk", "https://com.au/token"),
    ("https://user1.github.io", "https://user2.github.io/token"),
    ("https://a.azurecr.io", "https://b.azurecr.io/oauth2/token"),
    ("https://a.azurecr.io", "https://a.azurecr.io.evil.com/oauth2/token"),
    ("https://registry-1.docker.io", "https://auth.docker.io.evil.com/token"),
    ("https://registry-1.docker.io", "https://auth-docker.io/token"),
    ("https://registry-1.docker.io", "https://index.docker.io/token"),
    ("https://registry-1.docker.io", "https://auth.docker.io:8443/token"),
    ("https://registry-1.docker.io", "http://auth.docker.io/token"),
    ("https://registry-1.docker.io:5000", "https://auth.docker.io/token"),
    ("https://registry-1.docker.io.evil.com", "https://auth.docker.io/token"),
    ("https://evil.com", "https://auth.docker.io/token"),
    ("https://gitlab.com", "https://registry.gitlab.com/jwt/auth"),
    ("https://127.0.0.1:5000", "https://127.0.0.1:5001/token"),
    ("https://127.0.0.1", "https://127.0.0.2/token"),
    ("https://10.0.0.1", "https://10.0.0.2/token"),
    ("https://[2606:4700::1]", "https://[2606:4700::2]/token"),
]


@pytest.mark.parametrize(("registry", "realm"), LOOKALIKES)
def test_what_looks_alike_is_not_alike(registry: str, realm: str) -> None:
    with pytest.raises(UntrustedRealm):
        rule(registry, http=("registry.example.com", "auth.docker.io")).judge(realm)


@pytest.mark.parametrize(
    "realm",
    [
        "/token",
        "token",
        "//registry.example.com/token",
        "registry.example.com/token",
        "https://user@registry.example.com/token",
        "https://user:pw@registry.example.com/token",
        "https://registry.example.com@evil.com/token",
        "https://evil.com\\@registry.example.com/token",
        "https://evil.com#@registry.example.com/token",
        "https://registry.example.com%2f@evil.com/",
        "https://registry.example.com%00.evil.com/",
        "https://registry.example.com\t.evil.com/",
        "https://registry.example.com/\r\nHost: evil.com",
        "https:registry.example.com/token",
        "https:///registry.example.com/token",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "gopher://registry.example.com/",
        "https://\uff52egistry.example.com/token",
        "https://0x7f.1/token",
        "https://2130706433/token",
    ],
)
def test_a_realm_with_two_readings_is_not_trusted(realm: str) -> None:
    with pytest.raises(UntrustedRealm) as refused:
        rule("https://registry.example.com").judge(realm)

    assert refused.value.host is None
    assert realm not in str(refused.value)


def test_a_refused_realms_host_is_told() -> None:
    with pytest.raises(UntrustedRealm) as refused:
        rule("https://reg.example").judge("https://Tokens.example:8443/token?secret=x")

    assert refused.value.host == "tokens.example:8443"


def test_http_realms_need_an_http_registry_and_the_operator() -> None:
    realm = "http://reg.example:5001/token"
    pin = "reg.example:5001"

    assert rule("http://reg.example:5000", pin, http=("reg.example",)).judge(realm)
    for refusing in (
        rule("http://reg.example:5000", pin, http=("reg.example:5000",)),
        rule("https://reg.example:5000", pin, http=("reg.example",)),
        rule("https://reg.example:5001", http=("reg.example",)),
        rule("http://reg.example:5000", http=("reg.example",)),
    ):
        with pytest.raises(UntrustedRealm):
            refusing.judge(realm)


def test_an_http_registry_may_keep_its_realm_or_encrypt_it() -> None:
    plain = rule("http://reg.example:5000", http=("reg.example:5000",))

    assert str(plain.judge("http://reg.example:5000/token")[0]) == "http://reg.example:5000"
    assert str(plain.judge("https://reg.example:5000/token")[0]) == "https://reg.example:5000"


def test_the_shipped_table_holds_plain_hosts() -> None:
    for pair in SHIPPED:
        for host in pair:
            assert str(parse_url(f"https://{host}")[0]) == f"https://{host}"


@pytest.mark.parametrize(
    "pin", ["", "ftp://a.example", "a b", "https://u@a.example", "a.example/x"]
)
def test_an_unreadable_pin_is_refused(pin: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        pinned_origins(pin)
