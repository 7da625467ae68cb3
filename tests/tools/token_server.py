"""A registry's token server, as small as the protocol allows. A test tool: insecure by intent.

It keeps every Authorization it sees and everyone's password in memory, which no real server may
do, so that tests can ask what was sent to it. Both ways of the protocol are here: GET with Basic,
and the OAuth2 POST (form bodies may be chunked, as podman sends them), with refresh tokens.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.tools.programs import LOOPBACK, free_port, http_status

_LIFETIME_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as it came."""

    method: str
    authorization: str | None
    parameters: dict[str, list[str]]
    chunked: bool
    status: int


@dataclass(slots=True)
class TokenServer:
    """Who may log in, who may do what, and what was asked. Change the tables at any time."""

    service: str = "regcred-tests"
    issuer: str = "regcred-tests-issuer"
    users: dict[str, str] = field(default_factory=dict)
    """Password by user."""

    rights: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Actions by repository by user; anything else is granted nothing."""

    public: set[str] = field(default_factory=set)
    """Repositories that anyone may pull."""

    seen: list[Seen] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    _refresh: dict[str, str] = field(default_factory=dict)
    _key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )

    @property
    def realm(self) -> str:
        """Return the URL that registries send clients to."""
        return f"http://{LOOPBACK}:{self.port}/token"

    @property
    def with_authorization(self) -> list[Seen]:
        """Return the requests that carried a password or a token."""
        secret = {"password", "refresh_token"}
        return [one for one in self.seen if one.authorization or secret & one.parameters.keys()]

    def certificate(self) -> bytes:
        """Return the PEM certificate by which a registry knows this server's tokens."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.issuer)])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    @contextlib.contextmanager
    def serving(self) -> Iterator[TokenServer]:
        """Serve on loopback, in a thread, until the block ends."""
        app = Starlette(routes=[Route("/token", self._answer, methods=["GET", "POST"])])
        server = uvicorn.Server(
            uvicorn.Config(
                app, host=LOOPBACK, port=self.port, log_config=None, lifespan="off", ws="none"
            )
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            if http_status(self.port, "/") is None:
                raise RuntimeError("the token server did not start")
            yield self
        finally:
            server.should_exit = True
            thread.join(10)

    async def _answer(self, request: Request) -> JSONResponse:
        if request.method == "GET":
            parameters = parse_qs(request.url.query)
        else:
            parameters = parse_qs((await request.body()).decode())
        status, answer = self._decide(request, parameters)
        self.seen.append(
            Seen(
                request.method,
                request.headers.get("authorization"),
                parameters,
                request.headers.get("transfer-encoding") == "chunked",
                status,
            )
        )
        return JSONResponse(answer, status)

    def _decide(
        self, request: Request, parameters: dict[str, list[str]]
    ) -> tuple[int, dict[str, Any]]:
        try:
            user = self._who(request, parameters)
        except _WrongLogin:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect login"}]}
        scopes = [one for text in parameters.get("scope", ()) for one in text.split()]
        token = self._token(user, [self._granted(user, scope) for scope in scopes])
        answer: dict[str, Any] = {
            "token": token,
            "access_token": token,
            "expires_in": _LIFETIME_SECONDS,
            "issued_at": datetime.now(UTC).isoformat(),
        }
        offline = parameters.get("offline_token") == ["true"]
        if user and (offline or parameters.get("access_type") == ["offline"]):
            answer["refresh_token"] = secrets.token_urlsafe(24)
            self._refresh[answer["refresh_token"]] = user
        return 200, answer

    def _who(self, request: Request, parameters: dict[str, list[str]]) -> str:
        """Return the user; "" is anyone. Raise _WrongLogin."""
        grant = parameters.get("grant_type", [""])[0]
        if grant == "refresh_token":
            known = self._refresh.get(parameters.get("refresh_token", [""])[0])
            if known is None:
                raise _WrongLogin
            return known
        if grant == "password":
            pair = (parameters.get("username", [""])[0], parameters.get("password", [""])[0])
        elif header := request.headers.get("authorization"):
            pair = _basic(header)
        else:
            return ""
        if pair[0] not in self.users or self.users[pair[0]] != pair[1]:
            raise _WrongLogin
        return pair[0]

    def _granted(self, user: str, scope: str) -> dict[str, Any]:
        # A repository may hold a colon (host:port), so the outer two colons are the ones.
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        allowed = set(self.rights.get(user, {}).get(name, set()))
        if name in self.public:
            allowed.add("pull")
        return {
            "type": kind,
            "name": name,
            "actions": [action for action in actions.split(",") if action in allowed],
        }

    def _token(self, user: str, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": user,
            "aud": self.service,
            "iat": now,
            "nbf": now - 10,
            "exp": now + _LIFETIME_SECONDS,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        header = {"typ": "JWT", "alg": "RS256", "kid": self._libtrust_id()}
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64url(signature)).decode()

    def _libtrust_id(self) -> str:
        """Name the key as Distribution 2.x looks it up (libtrust's fingerprint)."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
        return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


class _WrongLogin(Exception):
    """Nobody has this login."""


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _WrongLogin from None
    if scheme.lower() != "basic" or not colon:
        raise _WrongLogin
    return user, password
