"""A cluster's token issuer: signs service-account tokens and serves the keys to verify them.

A test tool, insecure by intent: it signs whatever it is asked to, broken tokens above all.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.tools.programs import LOOPBACK

ISSUER = "https://kubernetes.default.svc.cluster.local"
AUDIENCE = "https://regcred.test/prod-1"
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

Json = dict[str, Any]


def based(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def rsa_key(_name: str = "", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the key of that name, made once: it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(algorithm: str) -> ec.EllipticCurvePrivateKey:
    """Return a key for one of ES256, ES384 and ES512."""
    return ec.generate_private_key(_CURVES[algorithm])


def rsa_jwk(key: rsa.RSAPrivateKey, kid: str, **more: Any) -> Json:
    """Return the public half as a JSON Web Key."""
    numbers = key.public_key().public_numbers()
    n = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
    return {"kty": "RSA", "kid": kid, "use": "sig", "n": based(n), "e": "AQAB", **more}


def ec_jwk(algorithm: str, kid: str, **more: Any) -> Json:
    """Return the public half as a JSON Web Key."""
    key = ec_key(algorithm)
    size, numbers = (key.key_size + 7) // 8, key.public_key().public_numbers()
    x, y = based(numbers.x.to_bytes(size)), based(numbers.y.to_bytes(size))
    return {"kty": "EC", "kid": kid, "use": "sig", "crv": _NAMES[algorithm], "x": x, "y": y, **more}


def signature(algorithm: str, key: rsa.RSAPrivateKey | None, data: bytes) -> bytes:
    """Sign as RFC 7518 says."""
    hashed = _HASHES[algorithm[2:]]
    if algorithm.startswith("RS"):
        assert key is not None
        return key.sign(data, padding.PKCS1v15(), hashed)
    signer = ec_key(algorithm)
    size = (signer.key_size + 7) // 8
    r, s = decode_dss_signature(signer.sign(data, ec.ECDSA(hashed)))
    return r.to_bytes(size) + s.to_bytes(size)


@dataclass
class Issuer:
    """One cluster. `now` is the time that tokens are made at."""

    now: datetime
    name: str = ISSUER
    kid: str = "key-1"
    key: rsa.RSAPrivateKey = field(default_factory=rsa_key)
    keys: list[Json] | None = None
    """What is published; None: the signing key alone."""

    def jwks(self) -> Json:
        """Return the key set as the API server prints it."""
        published = [rsa_jwk(self.key, self.kid, alg="RS256")] if self.keys is None else self.keys
        return {"keys": published}

    def claims(self, namespace: str = "shop", account: str = "web", **changes: Any) -> Json:
        """Return the claims of a pod's token; a change to None leaves one away."""
        now = int(self.now.timestamp())
        claims = {
            "iss": self.name,
            "aud": [AUDIENCE],
            "sub": f"system:serviceaccount:{namespace}:{account}",
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "jti": "9a1a0a3e-0000-4000-8000-000000000001",
            "kubernetes.io": {
                "namespace": namespace,
                "node": {"name": "node-7", "uid": "1"},
                "pod": {"name": f"{account}-5d9c", "uid": "2"},
                "serviceaccount": {"name": account, "uid": "3"},
            },
            **changes,
        }
        return {name: claim for name, claim in claims.items() if claim is not None}

    def token(self, *arguments: str, header: Json | None = None, **changes: Any) -> str:
        """Return a signed token; `header` adds to its header, or takes away by None."""
        return self.signed(json.dumps(self.claims(*arguments, **changes)).encode(), header)

    def signed(self, claims: bytes, header: Json | None = None) -> str:
        """Sign any bytes at all."""
        head = {"alg": "RS256", "kid": self.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        data = f"{based(json.dumps(head).encode())}.{based(claims)}"
        algorithm = head.get("alg") if head.get("alg") in ALGORITHMS else "RS256"
        return f"{data}.{based(signature(str(algorithm), self.key, data.encode()))}"


ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")


@dataclass
class Served:
    """An issuer that answers over TLS. Plant other answers by path; look at what was asked."""

    url: str
    ca: str
    """PEM of the only authority to trust."""

    planted: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hold: threading.Event | None = None
    """While it is there and not set, nothing is answered."""

    holding: threading.Event = field(default_factory=threading.Event)
    """Set once something was asked that is held back."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that distrust a certificate hang up."""


@contextlib.contextmanager
def serving(issuer: Issuer) -> Iterator[Served]:
    """Serve discovery and keys on loopback; the issuer is named after where that is."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            if served.hold is not None:
                served.holding.set()
                served.hold.wait(10)
            status, headers, body = served.planted.get(self.path) or _answer(issuer, self.path)
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = _Server((LOOPBACK, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    issuer.name = f"https://{LOOPBACK}:{server.server_address[1]}"
    served = Served(issuer.name, authority.cert_pem.bytes().decode())
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(issuer: Issuer, path: str) -> tuple[int, dict[str, str], bytes]:
    if path == "/.well-known/openid-configuration":
        document = {"issuer": issuer.name, "jwks_uri": f"{issuer.name}/openid/v1/jwks"}
        return 200, {}, json.dumps(document).encode()
    if path == "/openid/v1/jwks":
        return 200, {}, json.dumps(issuer.jwks()).encode()
    return 404, {}, b""
