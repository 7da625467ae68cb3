"""Distribution itself: with passwords, with tokens, with TLS, and behind a proxy that redirects."""

from __future__ import annotations

import http.client
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.asking import USER, ask, draft, registries
from tests.adapters.registries.scripted import LOOPBACK, Says, Script, Seen, Server
from tests.tools.registry import Registry, with_password_file, with_tokens
from tests.tools.token_server import TokenServer

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not (shutil.which("docker-registry") and shutil.which("htpasswd"))
        and os.environ.get("CI") != "true",
        reason="docker-registry is not installed",
    ),
]


@pytest.fixture(scope="module")
def with_passwords(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    registry, users = with_password_file(tmp_path_factory.mktemp("basic"))
    users.set("puller", "right")
    with registry.serving():
        yield registry


@pytest.fixture(scope="module")
def with_token_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Registry, TokenServer]]:
    tokens = TokenServer(users={"puller": "right"}, rights={"puller": {"team/app": {"pull"}}})
    folder: Path = tmp_path_factory.mktemp("tokens")
    with tokens.serving():
        registry = with_tokens(folder, tokens)
        with registry.serving():
            yield registry, tokens


@pytest.mark.parametrize(
    ("password", "image", "kind"),
    [
        ("right", None, V.OK),
        ("wrong", None, V.REJECTED),
        ("right", "team/app:absent", V.MISSING),
        ("wrong", "team/app:absent", V.REJECTED),
    ],
)
async def test_passwords(
    with_passwords: Registry, password: str, image: str | None, kind: V
) -> None:
    address = with_passwords.address
    verdict = await ask(
        registries(), draft(address, password=password), image and f"{address}/{image}"
    )

    assert verdict.kind is kind


@pytest.mark.parametrize(
    ("password", "image", "kind"),
    [
        ("right", None, V.OK),
        ("wrong", None, V.REJECTED),
        ("right", "team/app:absent", V.MISSING),
        ("right", "team/other:v1", V.DENIED),
        ("wrong", "team/app:absent", V.REJECTED),
    ],
)
async def test_tokens(
    with_token_server: tuple[Registry, TokenServer], password: str, image: str | None, kind: V
) -> None:
    registry, tokens = with_token_server
    verdict = await ask(
        registries(),
        draft(registry.address, password=password, realm=tokens.realm),
        image and f"{registry.address}/{image}",
    )

    assert verdict.kind is kind


async def test_an_unpinned_token_server_is_not_asked(
    with_token_server: tuple[Registry, TokenServer],
) -> None:
    registry, tokens = with_token_server
    before = len(tokens.seen)
    verdict = await ask(registries(), draft(registry.address))

    assert verdict.kind is V.UNTRUSTED_REALM
    assert verdict.evidence["realm_host"] == f"127.0.0.1:{tokens.port}"
    assert len(tokens.seen) == before


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def with_tls(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Registry]:
    registry, users = with_password_file(tmp_path_factory.mktemp("tls"), authority)
    users.set(USER, "right")
    with registry.serving():
        yield registry


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@pytest.mark.parametrize(
    ("password", "image", "kind"),
    [
        ("right", None, V.OK),
        ("wrong", None, V.REJECTED),
        ("right", "team/app:absent", V.MISSING),
    ],
)
async def test_tls_under_an_authority_of_ones_own(
    with_tls: Registry, authority: trustme.CA, password: str, image: str | None, kind: V
) -> None:
    address = with_tls.address
    about = draft(f"https://{address}", password=password, ca_bundle=pem(authority))
    verdict = await ask(registries(allow_http=()), about, image and f"{address}/{image}")

    assert verdict.kind is kind


async def test_tls_under_nobodys_authority_sends_nothing(with_tls: Registry) -> None:
    before = len(with_tls.asked)
    for trusted in ({}, {"ca_bundle": pem(trustme.CA())}):
        about = draft(f"https://{with_tls.address}", password="right", **trusted)
        verdict = await ask(registries(allow_http=()), about)

        assert verdict.kind is V.UNREACHABLE
        assert verdict.evidence["cause"] == "tls"
    assert len(with_tls.asked) == before


def passing_on(registry: Registry, redirected: str, status: int) -> Script:
    """Answer as the registry does, but send away what is asked with that method."""

    def script(seen: Seen) -> Says:
        if seen.method == redirected:
            return Says(status, (("Location", f"http://{registry.address}{seen.target}"),))
        passed = http.client.HTTPConnection(LOOPBACK, registry.port, timeout=10)
        kept = {"authorization": seen.authorization} if seen.authorization else {}
        passed.request(seen.method, seen.target, headers=kept)
        said = passed.getresponse()
        body = said.read()
        passed.close()
        challenge = said.getheader("www-authenticate")
        headers = (("WWW-Authenticate", challenge),) if challenge else ()
        return Says(said.status, headers, body)

    return script


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("redirected", "kind", "logins"), [("GET", V.NOT_A_REGISTRY, 0), ("HEAD", V.UNSUPPORTED, 2)]
)
async def test_a_proxy_that_redirects_is_a_verdict_and_nothing_is_followed(
    with_passwords: Registry, redirected: str, status: int, kind: V, logins: int
) -> None:
    before = len(with_passwords.asked)
    async with Server(passing_on(with_passwords, redirected, status)).serving() as proxy:
        about = draft(proxy.url, password="right")
        verdict = await ask(registries(), about, f"{proxy.authority}/team/app:absent")

    assert verdict.kind is kind
    assert verdict.evidence["redirect_host"] == with_passwords.address
    assert len(proxy.authorizations) == logins
    # Not even without the login: nothing of ours came to the place that it names.
    assert len(with_passwords.asked) == before


async def test_the_registrys_log_shows_who_asks(with_passwords: Registry) -> None:
    before = len(with_passwords.asked)
    await ask(registries(), draft(with_passwords.address, password="right"))

    assert len(with_passwords.asked) > before
