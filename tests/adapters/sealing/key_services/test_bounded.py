"""A key service, or somebody in its place, that answers too much or never ends."""

from __future__ import annotations

import gzip
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from requests import Session
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services.aws import AwsKey
from regcred.adapters.sealing.key_services.bounded import MAX_ANSWER, bound
from regcred.adapters.sealing.key_services.google import GoogleKey
from regcred.adapters.sealing.key_services.vault import VaultAccess, VaultKey
from regcred.domain.errors import KeyringUnavailable
from tests.adapters.sealing.key_services.test_aws import ARN
from tests.adapters.sealing.samples import PROJECT, SEED

PLACE = WrapContext("seed", PROJECT, 1)
Answering = Callable[[bytes, bytes], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Serve one answer, then a drip of `more` that never ends; return where."""
    with ExitStack() as held:

        def serve(first: bytes, more: bytes) -> str:
            listening = held.enter_context(socket.create_server(("127.0.0.1", 0)))
            ended = threading.Event()

            def run() -> None:
                with suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(first)
                        while more and not ended.wait(0.02):
                            connection.sendall(more)

            thread = threading.Thread(target=run)
            thread.start()
            held.callback(thread.join)
            held.callback(ended.set)
            return f"http://127.0.0.1:{listening.getsockname()[1]}"

        yield serve


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["status", "header", "to the end", "length", "chunk"],
)
def test_an_answer_that_drips_is_given_up_on(answering: Answering, first: bytes) -> None:
    where = answering(first, b"1")

    with bound(Session(), seconds=0.2) as session, pytest.raises((RequestException, HTTPError)):
        session.get(where, timeout=10)


@pytest.mark.parametrize("length", [MAX_ANSWER, MAX_ANSWER + 1])
def test_an_answer_is_read_up_to_a_size(answering: Answering, length: int) -> None:
    where = answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + bytes(length), b""
    )

    with bound(Session()) as session:
        if length > MAX_ANSWER:
            with pytest.raises(OSError, match="too large"):
                session.get(where)
        else:
            assert session.get(where).content == bytes(length)


def test_an_answer_is_not_unpacked(answering: Answering) -> None:
    body = gzip.compress(bytes(1000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"

    with bound(Session()) as session, pytest.raises(OSError, match="encoding"):
        session.get(answering(head % len(body) + body, b""))


def test_google_is_asked_past_a_proxy(
    google_key: GoogleKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")

    assert google_key.unwrap(PLACE, google_key.wrap(PLACE, SEED)) == SEED


def test_vault_is_asked_past_a_proxy(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """HTTP 400 is the server's own word: no proxy answers at that port."""
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    (tmp_path / "token").write_text("t")
    key = VaultKey("transit/k", VaultAccess(answering(refusal, b""), token_file=tmp_path / "token"))

    with pytest.raises(KeyringUnavailable, match="HTTP 400"):
        key.wrap(PLACE, SEED)


def test_the_authority_that_was_named_is_the_one_that_is_believed(tmp_path: Path) -> None:
    access = VaultAccess("https://127.0.0.1:9", ca_file=tmp_path, token_file=tmp_path / "token")
    client = VaultKey("transit/k", access)._client

    assert client.session.verify == str(tmp_path)


class _Amazon(BaseHTTPRequestHandler):
    """A machine's own service, which says who it is, and a key service that refuses."""

    def do_PUT(self) -> None:
        self._answer(200, "token")

    def do_GET(self) -> None:
        role = {
            "Code": "Success",
            "Expiration": "2999-01-01T00:00:00Z",
            "AccessKeyId": "A",
            "SecretAccessKey": "S",
            "Token": "T",
        }
        self._answer(200, "role" if self.path.endswith("/") else json.dumps(role))

    def do_POST(self) -> None:
        self._answer(400, '{"__type": "AccessDeniedException"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, text: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def test_amazon_is_asked_past_a_proxy_and_so_is_who_we_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Amazon) as amazon:
        where = f"http://127.0.0.1:{amazon.server_port}"
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", where)
        threading.Thread(target=amazon.serve_forever, args=(0.01,), daemon=True).start()
        try:
            key = AwsKey(ARN, endpoint=where)
            with pytest.raises(KeyringUnavailable, match="AccessDeniedException"):
                key.wrap(PLACE, SEED)
        finally:
            amazon.shutdown()
