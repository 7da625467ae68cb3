"""Signatures on messages to webhooks, against an implementation of other people."""

from __future__ import annotations

import base64
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from regcred.adapters.sealing.webhook_signature import sign_message
from regcred.domain.secret import Secret
from regcred.domain.webhook import new_secret
from tests.house.source import ROOT

CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
SECRET = new_secret(bytes(range(32)))


def test_the_specifications_own_example() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign_message(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(
    key=st.binary(min_size=24, max_size=64),
    body=st.text(max_size=200),
    message_id=st.from_regex(r"msg_[a-z0-9_]{1,40}\Z"),
    at=st.integers(0, 2**33),
)
def test_others_sign_alike(key: bytes, body: str, message_id: str, at: int) -> None:
    secret = new_secret(key)
    moment = datetime.fromtimestamp(at, UTC)

    ours = sign_message(secret, message_id, at, body.encode())
    assert ours == Webhook(secret.reveal()).sign(message_id, moment, body)


def believed(secret: Secret, body: bytes, message_id: str, at: int, signature: str) -> bool:
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }
    try:
        Webhook(secret.reveal()).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_others_believe_it_and_nothing_else() -> None:
    now = int(time.time())
    signature = sign_message(SECRET, "msg_1", now, b"{}")

    assert believed(SECRET, b"{}", "msg_1", now, signature)
    assert not believed(SECRET, b"{} ", "msg_1", now, signature)
    assert not believed(SECRET, b"{}", "msg_2", now, signature)
    assert not believed(SECRET, b"{}", "msg_1", now - 1, signature)
    assert not believed(new_secret(bytes(32)), b"{}", "msg_1", now, signature)


@pytest.mark.parametrize("body", [b"", b"{}", bytes(range(256))])
def test_one_version_and_32_bytes(body: bytes) -> None:
    version, _, mac = sign_message(SECRET, "msg_1", 1, body).partition(",")

    assert version == "v1"
    assert len(base64.b64decode(mac, validate=True)) == 32


def test_the_documents_own_lines_believe_it_too() -> None:
    text = (ROOT / "docs" / "webhooks.md").read_text()
    (lines,) = [block for block in CODE.findall(text) if "def ours" in block]
    read: dict[str, Any] = {}
    exec(lines, read)  # noqa: S102  it is this repository's own document
    now = int(time.time())
    signature = sign_message(SECRET, "msg_1", now, b"{}")

    def judged(body: bytes = b"{}", **changed: str) -> bool:
        headers = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(now),
            "webhook-signature": f"v1a,other {signature}",
        }
        changes = {f"webhook-{name}": value for name, value in changed.items()}
        told: bool = read["ours"](SECRET.reveal(), headers | changes, body)
        return told

    assert judged()
    assert not judged(b"{} ")
    assert not judged(id="msg_2")
    assert not judged(timestamp=str(now + 1))
    assert not judged(signature="v1,")
    old = str(now - 3600)
    assert not judged(timestamp=old, signature=sign_message(SECRET, "msg_1", now - 3600, b"{}"))
