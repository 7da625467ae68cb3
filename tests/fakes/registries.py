"""Registries that answer by script: the verdict depends on the password alone."""

from __future__ import annotations

import time
from dataclasses import replace

from regcred.adapters.registries import providers
from regcred.adapters.registries.registries import RealRegistries
from regcred.domain.credential import Delivery, Draft
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
    """The real providers, without a network, and lenient: any settings and registry go with any."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, time.monotonic)
        self.asked: list[tuple[Delivery, str | None]] = []

    def check(self, draft: Draft) -> Draft:
        provider = providers.find(draft.provider)
        return replace(draft, scopes=provider.scopes()) if draft.registry_url is None else draft

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
