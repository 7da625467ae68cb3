"""What goes out of one request: the only place where a secret is put on one.

The one thing you would get wrong: where it goes. A secret is for one origin, and a request to any
other is refused here, whatever the dialogue that made it believes.
"""

from __future__ import annotations

import base64
from urllib.parse import urlencode

from regcred.adapters.registries import signing
from regcred.adapters.registries.messages import Attach, AWSProof, GoogleProof, Proof, Request

_FORM = (b"Content-Type", b"application/x-www-form-urlencoded")


class ForeignOrigin(Exception):
    """A handshake asked for a secret to be sent where it is not for. Nothing was sent."""


def render(request: Request) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
    """Return the headers and body that go out. Raise ForeignOrigin."""
    proof = request.proof
    if proof is not None and proof.origin != request.origin:
        raise ForeignOrigin
    headers = [
        (b"Host", request.origin.authority.encode()),
        (b"User-Agent", b"regcred"),
        (b"Accept", ", ".join(request.accept or ("application/json",)).encode()),
        (b"Accept-Encoding", b"identity"),
        *((name.encode(), value.encode()) for name, value in request.headers),
    ]
    if proof is not None and proof.attach in _HEADERS:
        headers.append((b"Authorization", _HEADERS[proof.attach](proof)))
    content = request.content
    if request.form is not None:
        content = urlencode(dict(request.form) | _grant_fields(proof)).encode()
        headers.append(_FORM)
    if isinstance(proof, AWSProof):
        headers += signing.aws_headers(proof, request.method, request.target, headers, content)
    if content is not None:
        headers.append((b"Content-Length", str(len(content)).encode()))
    return headers, content


def _basic(proof: Proof) -> bytes:
    return b"Basic " + base64.b64encode(f"{proof.username}:{proof.secret.reveal()}".encode())


def _bearer(proof: Proof) -> bytes:
    return b"Bearer " + proof.secret.reveal().encode()


_HEADERS = {Attach.BASIC: _basic, Attach.BEARER: _bearer}


def _grant_fields(proof: Proof | None) -> dict[str, str]:
    """Return the fields of a form that prove a login: the secret ones, or what a key signed."""
    if proof is None:
        return {}
    if isinstance(proof, GoogleProof):
        return {"assertion": signing.google_assertion(proof)}
    match proof.attach:
        case Attach.PASSWORD_GRANT:
            return {"username": proof.username, "password": proof.secret.reveal()}
        case Attach.REFRESH_GRANT:
            return {"refresh_token": proof.secret.reveal()}
        case Attach.CLIENT_GRANT:
            return {"client_id": proof.username, "client_secret": proof.secret.reveal()}
        case Attach.ACCESS_TOKEN:
            return {"access_token": proof.secret.reveal()}
        case _:
            return {}
