"""Registries that answer by script: the verdict depends on the password alone."""

from __future__ import annotations

import time
from collections.abc import Mapping

from regcred.adapters.registries.exchange import Finding, Handshake
from regcred.adapters.registries.registries import RealRegistries
from regcred.domain.credential import Delivery
from regcred.domain.errors import QuotaExceeded
from regcred.domain.ports import Clock
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict, VerdictKind

REJECTED = "a password that every registry rejects"
PUBLIC = "a password that proves nothing"
TOO_OFTEN = "a password that was tried too often"

_VERDICTS = {REJECTED: VerdictKind.REJECTED, PUBLIC: VerdictKind.PUBLIC}


class ScriptedRegistries(RealRegistries):
    """The real providers and their rules; only what a registry would answer is a script."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, time.monotonic)
        self.asked: list[tuple[Delivery, str | None]] = []
        self.probed: list[str] = []

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        password = secret.reveal()
        if password == TOO_OFTEN:
            raise QuotaExceeded("verifications of this registry", 7)
        self.asked.append((delivery, None if image is None else str(image)))
        return Verdict(
            _VERDICTS.get(password, VerdictKind.OK),
            self._clock(),
            None if image is None else str(image),
            {"scheme": "basic", "ping_status": 401, "granted": ("pull",), "anonymous": False},
        )

    async def _run(self, handshake: Handshake, settings: Mapping[str, str]) -> Finding:
        """Answer a probe; everything before it is the real one's."""
        del settings
        self.probed.append(str(next(handshake).origin))
        return Finding(VerdictKind.OK, {"ping_status": 401, "scheme": "basic"})
