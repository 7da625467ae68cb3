from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services import vault
from regcred.adapters.sealing.key_services.vault import VaultAccess, VaultKey
from regcred.adapters.sealing.service_ring import ServiceRing
from regcred.domain.errors import KeyringUnavailable, SealBroken, StartRefused
from tests.adapters.sealing.key_services.test_aws import lacking
from tests.adapters.sealing.samples import PROJECT, SEED
from tests.tools.openbao import Bao

PLACE = WrapContext("seed", PROJECT, 1)
TOKEN_FILE = Path("/nowhere/token")
HTTPS = VaultAccess("https://vault.example:8200", token_file=TOKEN_FILE)


# What is named


@pytest.mark.parametrize("place", ["", "regcred", "transit/", "/regcred", "a/b/../c d", "t/k\n"])
def test_a_key_is_named_by_mount_and_name(place: str) -> None:
    with pytest.raises(StartRefused, match="MOUNT/KEY"):
        VaultKey(place, HTTPS)


def test_a_mount_may_be_a_path() -> None:
    assert VaultKey("team/a/transit/regcred", HTTPS).kid == "vault:team/a/transit/regcred"


@pytest.mark.parametrize(
    "address", ["", "http://vault.example", "vault.example", "http://10.0.0.1:8200", "https://"]
)
def test_the_server_is_spoken_to_by_tls(address: str) -> None:
    with pytest.raises(StartRefused, match="REGCRED_VAULT_ADDR"):
        VaultKey("transit/k", HTTPS._replace(address=address))


def test_an_agent_on_this_machine_may_do_without_tls() -> None:
    for address in ("http://127.0.0.1:8100", "http://[::1]:8100"):
        assert VaultKey("transit/k", HTTPS._replace(address=address)).kid == "vault:transit/k"


@pytest.mark.parametrize(
    "access",
    [
        VaultAccess("https://v.example"),
        VaultAccess("https://v.example", role_id="r"),
        VaultAccess("https://v.example", secret_id_file=TOKEN_FILE),
    ],
)
def test_without_an_identity_it_says_how_to_give_one(access: VaultAccess) -> None:
    with pytest.raises(StartRefused, match="REGCRED_VAULT_TOKEN_FILE"):
        VaultKey("transit/k", access)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "hvac")

    with pytest.raises(StartRefused, match=r"pip install 'regcred\[server,vault\]'"):
        VaultKey("transit/k", HTTPS)


# Who we are


def test_an_approle_logs_in(openbao: Bao, tmp_path: Path) -> None:
    secret = tmp_path / "secret-id"
    secret.write_text(openbao.secret_id())
    access = VaultAccess(openbao.url, role_id=openbao.role_id, secret_id_file=secret)
    key = VaultKey("transit/plain", access)

    assert key.unwrap(PLACE, key.wrap(PLACE, SEED)) == SEED


def test_a_token_that_was_renewed_in_its_file_is_taken(openbao: Bao, token_file: Path) -> None:
    key = VaultKey("transit/plain", VaultAccess(openbao.url, token_file=token_file))
    wrapped = key.wrap(PLACE, SEED)
    openbao.client.auth.token.revoke(token_file.read_text().strip())
    with pytest.raises(KeyringUnavailable, match="refuses our token"):
        key.unwrap(PLACE, wrapped)

    token_file.write_text(openbao.token())

    assert key.unwrap(PLACE, wrapped) == SEED


def test_a_token_of_the_environment_or_of_a_person_is_not_used(
    openbao: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "root-of-a-test")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vault-token").write_text("root-of-a-test")
    (tmp_path / "empty").write_text("")
    key = VaultKey("transit/plain", VaultAccess(openbao.url, token_file=tmp_path / "empty"))

    with pytest.raises(KeyringUnavailable):
        key.wrap(PLACE, SEED)


def test_a_pod_logs_in_with_its_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of a pod")
    monkeypatch.setattr(vault, "POD_TOKEN", tmp_path / "token")
    key = VaultKey("transit/k", VaultAccess("https://v.example", kubernetes_role="regcred"))
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(
        type(key._client.auth.kubernetes), "login", lambda _, role, jwt: said.append((role, jwt))
    )

    key._log_in()

    assert said == [("regcred", "of a pod")]


def test_an_identity_that_cannot_be_read_is_away(openbao: Bao) -> None:
    key = VaultKey("transit/plain", VaultAccess(openbao.url, token_file=TOKEN_FILE))

    with pytest.raises(KeyringUnavailable, match="FileNotFoundError"):
        key.wrap(PLACE, SEED)


# What the server says


def test_a_key_that_is_not_there_is_away_and_not_broken(openbao: Bao, token_file: Path) -> None:
    key = VaultKey("transit/none", VaultAccess(openbao.url, token_file=token_file))

    with pytest.raises(KeyringUnavailable):
        key.wrap(PLACE, SEED)
    with pytest.raises(KeyringUnavailable):
        key.unwrap(PLACE, b"vault:v1:AAAA")
    assert "none" not in openbao.client.secrets.transit.list_keys()["data"]["keys"]


def test_a_version_that_the_operator_ruled_out_is_away(openbao: Bao, token_file: Path) -> None:
    transit = openbao.client.secrets.transit
    transit.create_key("rotated")
    key = VaultKey("transit/rotated", VaultAccess(openbao.url, token_file=token_file))
    old = key.wrap(PLACE, SEED)
    transit.rotate_key("rotated")

    assert key.unwrap(PLACE, old) == SEED
    transit.update_key_configuration("rotated", min_decryption_version=2)
    with pytest.raises(KeyringUnavailable, match="HTTP 400"):
        key.unwrap(PLACE, old)
    assert key.unwrap(PLACE, key.wrap(PLACE, SEED)) == SEED


def test_a_wrapped_key_of_another_key_does_not_open(vault_key: VaultKey, openbao: Bao) -> None:
    openbao.client.secrets.transit.create_key("another")
    access = vault_key._access
    wrapped = VaultKey("transit/another", access).wrap(PLACE, SEED)

    with pytest.raises(SealBroken):
        vault_key.unwrap(PLACE, wrapped)


def test_a_server_that_cannot_be_reached_is_away(token_file: Path) -> None:
    key = VaultKey("transit/k", VaultAccess("http://127.0.0.1:9", token_file=token_file))

    with pytest.raises(KeyringUnavailable, match="cannot be asked") as caught:
        key.wrap(PLACE, SEED)

    assert caught.value.__context__ is None


# Servers that are something else


class Odd(BaseHTTPRequestHandler):
    """A server of which one thing is odd."""

    status = 200
    body = b"{}"
    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self._answer(200, b'{"data": {"derived": false}}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.heard.append(self.path)
        self._answer(self.status, self.body)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 307:
            self.send_header("Location", "/v1/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[VaultKey]:
    server = HTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    (tmp_path / "token").write_text("t")
    address = f"http://127.0.0.1:{server.server_port}"
    Odd.heard.clear()
    yield VaultKey("transit/k", VaultAccess(address, token_file=tmp_path / "token"))
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (200, b"[]"),
        (200, b'{"data": {}}'),
        (200, b'{"data": {"ciphertext": 7, "plaintext": 7}}'),
        (200, b'{"data": {"plaintext": "%%%"}}'),
        (204, b""),
        (500, b"{}"),
        (503, b'{"errors": ["Vault is sealed"]}'),
    ],
)
def test_what_is_no_answer_is_not_believed(
    odd: VaultKey, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setattr(Odd, "status", status)
    monkeypatch.setattr(Odd, "body", body)

    with pytest.raises(KeyringUnavailable):
        odd.wrap(PLACE, SEED)
    with pytest.raises(KeyringUnavailable):
        odd.unwrap(PLACE, b"vault:v1:AAAA")


def test_redirects_take_neither_token_nor_key_along(
    odd: VaultKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, "status", 307)

    with pytest.raises(KeyringUnavailable):
        odd.wrap(PLACE, SEED)
    assert Odd.heard == ["/v1/transit/encrypt/k"]


async def test_a_server_too_old_to_bind_the_context_is_not_started_with(
    odd: VaultKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignores what it does not know, and everything opens everywhere."""
    monkeypatch.setattr(
        Odd,
        "body",
        b'{"data": {"ciphertext": "vault:v1:AAAA", "plaintext": "' + b"A" * 43 + b'="}}',
    )
    ring = ServiceRing(odd, time.monotonic)

    with pytest.raises(StartRefused, match="does not bind"):
        await ring.prove(bytes)
    with pytest.raises(StartRefused, match="another key than it was given"):
        await ring.prove(os.urandom)
