"""Distribution itself, in both of its modes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.asking import ask, draft, registries
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
