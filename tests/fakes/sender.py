"""A sender that sends nothing: what comes of a message is a script."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from regcred.adapters.sealing.webhook_signature import sign_message
from regcred.adapters.webhooks.sender import GuardedSender
from regcred.domain.errors import QuotaExceeded
from regcred.domain.secret import Secret
from regcred.domain.webhook import DeliveryStatus, Message


class ScriptedSender(GuardedSender):
    """The real rules for addresses; only what a receiver would answer is a script."""

    def __init__(self) -> None:
        super().__init__(sign_message, time.monotonic, allow_http=("plain.example.com",))
        self.sent: list[tuple[str, Secret, Message, datetime]] = []
        self.says: DeliveryStatus | QuotaExceeded = DeliveryStatus.DELIVERED
        self.before: Callable[[], None] = lambda: None
        """Called before each answer."""

    async def send(
        self, url: str, secret: Secret, message: Message, sent_at: datetime
    ) -> DeliveryStatus:
        self.before()
        self.sent.append((url, secret, message, sent_at))
        if isinstance(self.says, QuotaExceeded):
            raise self.says
        return self.says
