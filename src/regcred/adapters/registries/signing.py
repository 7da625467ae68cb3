"""Signatures that stand for a secret: the secret stays here, and what it signed is sent.

Both are made by their clouds' own libraries, which are extras of this program (`aws`, `gcp`) and
take a tenth of a second to load: `load` does it off the event loop, before the first signature.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module

from regcred.adapters.registries.messages import AWSProof, GoogleProof, UnusableKey

AWS = ("botocore.auth", "botocore.awsrequest", "botocore.credentials")
GOOGLE = ("google.auth.crypt", "google.auth.jwt")

GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
GOOGLE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
"""The narrowest with which Artifact Registry lets pull."""

MAX_PRIVATE_KEY = 2600
"""Characters of PEM: RSA of 3072 bits. Google's own keys have 2048, and one of 16384, which fits
into a secret too, takes half a minute to load, in which nothing else runs."""

_LIFETIME = 3600
_SIGNED = (b"host", b"content-type", b"x-amz-target")


async def load(modules: Iterable[str]) -> bool:
    """Import what signs, off the loop. False if this program was installed without it."""
    try:
        for name in modules:
            await asyncio.to_thread(import_module, name)
    except ImportError:
        return False
    return True


def aws_headers(
    proof: AWSProof,
    method: str,
    target: str,
    headers: Iterable[tuple[bytes, bytes]],
    content: bytes | None,
) -> list[tuple[bytes, bytes]]:
    """Return the headers of Signature Version 4 over a request."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415  an extra: see above
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415  see above
    from botocore.credentials import Credentials  # noqa: PLC0415  see above

    signed = {name.decode(): value.decode() for name, value in headers if name.lower() in _SIGNED}
    request = AWSRequest(method, f"{proof.origin}{target}", headers=signed, data=content or b"")
    token = None if proof.session_token is None else proof.session_token.reveal()
    key = Credentials(proof.username, proof.secret.reveal(), token)
    SigV4Auth(key, proof.service, proof.region).add_auth(request)
    added = set(request.headers) - set(signed)
    return [(name.encode(), str(request.headers[name]).encode()) for name in sorted(added)]


def google_assertion(proof: GoogleProof) -> str:
    """Return a service account's signed assertion for a token that may only read.

    https://developers.google.com/identity/protocols/oauth2/service-account. Raise UnusableKey.
    """
    from google.auth import crypt, jwt  # noqa: PLC0415  an extra: see above

    # What a tenant typed in makes the library fail in every way there is.
    with suppress(Exception):
        key = json.loads(proof.secret.reveal())
        if len(key["private_key"]) <= MAX_PRIVATE_KEY:
            issued_at = int(proof.issued_at.timestamp())
            claims = {
                "iss": key["client_email"],
                "scope": GOOGLE_SCOPE,
                "aud": GOOGLE_AUDIENCE,
                "iat": issued_at,
                "exp": issued_at + _LIFETIME,
            }
            signed: bytes = jwt.encode(crypt.RSASigner.from_service_account_info(key), claims)
            return signed.decode()
    raise UnusableKey("The service account's key cannot sign: its private_key is damaged or long.")
