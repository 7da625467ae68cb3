"""Signatures on messages to webhooks, as the Standard Webhooks specification has them.

The signed bytes are `id.timestamp.body`: none of our ids holds a dot, so they read in one way.
"""

from __future__ import annotations

import base64

from regcred.adapters.sealing.mac import Mac
from regcred.domain.secret import Secret
from regcred.domain.webhook import SECRET_PREFIX


def sign_message(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`; `timestamp` is in seconds since 1970."""
    key = base64.b64decode(secret.reveal().removeprefix(SECRET_PREFIX), validate=True)
    mac = Mac(key).of(f"{message_id}.{timestamp}.".encode() + body)
    return "v1," + base64.b64encode(mac).decode()
