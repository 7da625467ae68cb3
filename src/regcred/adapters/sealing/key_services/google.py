"""Google Cloud KMS: a symmetric key, by its resource name, over REST.

The context is the additional authenticated data. Every part carries its CRC-32C, and an answer that
does not confirm ours, or whose own does not agree, is no answer. Who may use the key is found as
every Google program finds it (application default credentials).
https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/encrypt
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Any

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services import CONNECT_SECONDS, READ_SECONDS, missing
from regcred.adapters.sealing.key_services.crc32c import crc32c
from regcred.domain.errors import KeyringUnavailable, RegcredError, SealBroken, StartRefused

SCHEME = "gcpkms"
ORIGIN = "https://cloudkms.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloudkms"
_NAME = re.compile(
    r"projects/[a-z0-9:.-]{4,64}/locations/[a-z0-9-]{1,32}"
    r"/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}\Z"
)
_OK, _BAD_REQUEST = 200, 400
_DAMAGED = "Google KMS's answer, or what it was asked, was damaged on its way"


class GoogleKey:
    """Implements KeyService. Google picks the version of the key; old ones open while enabled."""

    __slots__ = ("_name", "_origin", "_session", "kid")

    def __init__(self, name: str, *, endpoint: str | None = None) -> None:
        """Find credentials. Raise StartRefused for no key's name, or without extra or identity."""
        if not _NAME.match(name):
            raise StartRefused(
                f"{SCHEME}: must be followed by a key's resource name"
                " (projects/P/locations/L/keyRings/R/cryptoKeys/K, without a version)"
            )
        self.kid = f"{SCHEME}:{name}"
        self._name = name
        self._origin = (endpoint or ORIGIN).rstrip("/")
        self._session = _session()

    def wrap(self, context: WrapContext, plaintext: bytes) -> bytes:
        """Encrypt. Raise KeyringUnavailable."""
        bound = context.associated_data(self.kid)
        answer = self._ask("encrypt", plaintext=plaintext, additionalAuthenticatedData=bound)
        confirmed = ("verifiedPlaintextCrc32c", "verifiedAdditionalAuthenticatedDataCrc32c")
        if any(answer.get(name) is not True for name in confirmed):
            raise KeyringUnavailable(_DAMAGED)
        return _checked(answer, "ciphertext")

    def unwrap(self, context: WrapContext, wrapped: bytes) -> bytes:
        """Decrypt. Raise SealBroken, KeyringUnavailable."""
        bound = context.associated_data(self.kid)
        answer = self._ask("decrypt", ciphertext=wrapped, additionalAuthenticatedData=bound)
        return _checked(answer, "plaintext")

    def _ask(self, verb: str, **parts: bytes) -> dict[str, Any]:
        asked: dict[str, str] = {}
        for name, value in parts.items():
            asked[name] = b64encode(value).decode()
            asked[f"{name}Crc32c"] = str(crc32c(value))
        # Raised after the handler: what the libraries raise may hold the request.
        failure: RegcredError
        try:
            reply = self._session.post(
                f"{self._origin}/v1/{self._name}:{verb}",
                json=asked,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
            answer = reply.json() if reply.content else {}
            if reply.status_code == _OK and isinstance(answer, dict):
                return answer
            failure = _judged(verb, reply.status_code, answer)
        except Exception as error:  # noqa: BLE001  whatever it is, the key cannot be had
            failure = KeyringUnavailable(f"Google KMS cannot be asked ({type(error).__name__})")
        raise failure


def _session() -> Any:
    try:
        import google.auth  # noqa: PLC0415  an extra
        from google.auth.transport.requests import (  # noqa: PLC0415  an extra
            AuthorizedSession,
            Request,
        )
        from requests import Session  # noqa: PLC0415  an extra

        from regcred.adapters.sealing.key_services.bounded import bound  # noqa: PLC0415  as above
    except ImportError:
        raise StartRefused(f"{SCHEME}: {missing('gcp')}") from None
    # Raised after the handler: what the library raises may quote the file.
    credentials, kind = None, ""
    try:
        credentials, _ = google.auth.default(scopes=(_SCOPE,))
    except Exception as error:  # noqa: BLE001  a list or a folder in the file's place is no error of its own
        kind = type(error).__name__
    if credentials is None:
        raise StartRefused(
            f"{SCHEME}: no identity was found, or its file is no good ({kind}): look at"
            " GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached"
        )
    # What fetches the token is bounded as well.
    return bound(AuthorizedSession(credentials, auth_request=Request(bound(Session()))))


def _judged(verb: str, status: int, answer: object) -> RegcredError:
    """Return what a refusal means. What does not open is INVALID_ARGUMENT of decrypt alone."""
    error = answer.get("error") if isinstance(answer, dict) else None
    reason = error.get("status") if isinstance(error, dict) else None
    if verb == "decrypt" and status == _BAD_REQUEST and reason == "INVALID_ARGUMENT":
        return SealBroken("a wrapped key")
    return KeyringUnavailable(f"Google KMS refuses it (HTTP {status})")


def _checked(answer: dict[str, Any], name: str) -> bytes:
    try:
        value = b64decode(answer[name], validate=True)
        agrees = int(answer[f"{name}Crc32c"]) == crc32c(value)
    except (KeyError, TypeError, ValueError, NotBase64):
        agrees = False
        value = b""
    if not agrees:
        raise KeyringUnavailable(_DAMAGED)
    return value
