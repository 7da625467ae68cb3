"""What a token server answers: the token, and what it says about the rights it carries."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from regcred.domain.errors import InvalidInput
from regcred.domain.secret import Secret

_ACTIONS = ("pull", "push", "delete", "*")
# RFC 6750 section 2.1, and nothing that could end a header.
_B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*\Z")
_JWT_PARTS = 3


@dataclass(frozen=True, slots=True)
class Token:
    """A short-lived token. `actions(repository)` is what it says of itself, if it says anything."""

    secret: Secret

    def actions(self, repository: str) -> tuple[str, ...] | None:
        """Return the actions granted on a repository; None if the token is opaque.

        Read without checking the signature: only the registry can do that, and it is asked too.
        """
        access = _claims(self.secret).get("access")
        if not isinstance(access, list):
            return None
        granted = {
            action
            for entry in access
            if isinstance(entry, dict)
            and (entry.get("type"), entry.get("name")) == ("repository", repository)
            and isinstance(entry.get("actions"), list)
            for action in entry["actions"]
            if isinstance(action, str)
        }
        return tuple(action for action in _ACTIONS if action in granted)


def read_token(body: bytes) -> Token | None:
    """Return the token of a token server's answer, `token` before `access_token`; None for none."""
    answer = _object(body)
    secret = read_bearer(answer.get("token") or answer.get("access_token"))
    return None if secret is None else Token(secret)


def read_bearer(text: object) -> Secret | None:
    """Return what may stand behind `Bearer`, None for anything else."""
    if not isinstance(text, str) or not _B64TOKEN.match(text):
        return None
    try:
        return Secret(text, field="token")
    except InvalidInput:
        return None


def expiry_of(token: Secret) -> datetime | None:
    """Return when a JWT says that it ends; None if it is opaque, or says nothing."""
    seconds = _claims(token).get("exp")
    if not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _claims(token: Secret) -> dict[str, object]:
    parts = token.reveal().split(".")
    if len(parts) != _JWT_PARTS:
        return {}
    try:
        return _object(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}


def _object(text: bytes) -> dict[str, object]:
    """Return the JSON object in `text`, an empty one for all else. Bounded by who read it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
