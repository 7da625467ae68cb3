"""Google's key service as its REST reference has it, on loopback: tokens, encrypt, decrypt.

Every checksum and the associated data are verified as Google's own does; what it answers can be
spoiled on its way.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from regcred.adapters.sealing.key_services.crc32c import crc32c
from tests.tools.programs import LOOPBACK

KEY = "projects/p-123/locations/europe-west4/keyRings/regcred/cryptoKeys/seeds"
_TOKEN = "ya29.of-a-test"


class GoogleKms:
    """A running one; `spoil` replaces fields of an answer, `refuse` answers in its place."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.spoil: dict[str, object] = {}
        self.refuse: tuple[int, dict[str, Any]] | None = None
        self._key = AESGCM(os.urandom(32))

    def answer(self, verb: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return a status and what is answered."""
        self.asked.append(verb)
        if self.refuse is not None:
            return self.refuse
        parts = {n: b64decode(v, validate=True) for n, v in asked.items() if "Crc32c" not in n}
        for name, value in parts.items():
            if int(asked[f"{name}Crc32c"]) != crc32c(value):
                return _refusal("INVALID_ARGUMENT", f"{name} does not match its checksum")
        status, answer = self._do(verb, parts)
        return status, answer | self.spoil

    def _do(self, verb: str, parts: dict[str, bytes]) -> tuple[int, dict[str, Any]]:
        bound = parts["additionalAuthenticatedData"]
        if verb == "encrypt":
            nonce = os.urandom(12)
            sealed = nonce + self._key.encrypt(nonce, parts["plaintext"], bound)
            confirmed = ("verifiedPlaintextCrc32c", "verifiedAdditionalAuthenticatedDataCrc32c")
            return 200, {
                "name": f"{KEY}/cryptoKeyVersions/1",
                **_checked("ciphertext", sealed),
                **dict.fromkeys(confirmed, True),
            }
        sealed = parts["ciphertext"]
        try:
            plaintext = self._key.decrypt(sealed[:12], sealed[12:], bound)
        except (InvalidTag, ValueError):
            return _refusal("INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.")
        return 200, {**_checked("plaintext", plaintext), "usedPrimary": True}


@contextlib.contextmanager
def google_kms(folder: Path) -> Iterator[tuple[GoogleKms, Path]]:
    """Run it until the block ends; also return a service account's file that it takes."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                said = {"access_token": _TOKEN, "expires_in": 3600, "token_type": "Bearer"}
                self._send(200, said)
                return
            place, _, verb = self.path.rpartition(":")
            if self.headers["Authorization"] != f"Bearer {_TOKEN}":
                self._send(*_refusal("UNAUTHENTICATED", "no token", 401))
            elif place != f"/v1/{KEY}":
                self._send(*_refusal("NOT_FOUND", "no such key", 404))
            else:
                self._send(*service.answer(verb, json.loads(body)))

        def _send(self, status: int, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    service = GoogleKms(f"http://{LOOPBACK}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service, _account(folder, service.url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _account(folder: Path, url: str) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "account.json"
    account = {
        "type": "service_account",
        "project_id": "p-123",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "regcred@p-123.iam.example",
        "token_uri": f"{url}/token",
    }
    file.write_text(json.dumps(account))
    return file


def _checked(name: str, value: bytes) -> dict[str, str]:
    return {name: b64encode(value).decode(), f"{name}Crc32c": str(crc32c(value))}


def _refusal(status: str, message: str, code: int = 400) -> tuple[int, dict[str, Any]]:
    return code, {"error": {"code": code, "status": status, "message": message}}
