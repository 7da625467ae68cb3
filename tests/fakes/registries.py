"""Registries that answer by script: the verdict depends on the password alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from regcred.adapters.registries.messages import Finding, Handshake
from regcred.adapters.registries.registries import RealRegistries
from regcred.domain.credential import Delivery
from regcred.domain.errors import QuotaExceeded
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.ports import Clock
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import EvidenceValue, Verdict, VerdictKind

REJECTED = "a password that every registry rejects"
PUBLIC = "a password that proves nothing"
AWAY = "a password whose registry is away"
TOO_OFTEN = "a password that was tried too often"

_VERDICTS = {
    REJECTED: VerdictKind.REJECTED,
    PUBLIC: VerdictKind.PUBLIC,
    AWAY: VerdictKind.UNREACHABLE,
}


class ScriptedRegistries(RealRegistries):
    """The real providers and their rules; only what a registry would answer is a script."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, time.monotonic)
        self.asked: list[tuple[Delivery, str | None]] = []
        self.probed: list[str] = []
        self.exchanged: list[tuple[str, str]] = []
        """(user name, place) of every exchange."""

        self.life = timedelta(hours=12)
        self.away = False
        """Whether the clouds that exchange are."""

        self.exchange_says = VerdictKind.OK
        """Of every secret but those with words of their own."""

        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """Happens once while a registry or a cloud thinks."""

        self._next: list[VerdictKind] = []

    def say(self, *kinds: VerdictKind) -> None:
        """Answer the next checks so, whatever the password is."""
        self._next += kinds

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        password = secret.reveal()
        if password == TOO_OFTEN:
            raise QuotaExceeded("verifications of this registry", 7)
        self.asked.append((delivery, None if image is None else str(image)))
        if self.exchange_says is not VerdictKind.OK:
            no_login: dict[str, EvidenceValue] = {"exchanged": False, "note": "The script says no."}
            return Verdict(self.exchange_says, self._clock(), None, no_login)
        return Verdict(
            self._next.pop(0) if self._next else _VERDICTS.get(password, VerdictKind.OK),
            self._clock(),
            None if image is None else str(image),
            {"scheme": "basic", "ping_status": 401, "granted": ("pull",), "anonymous": False},
        )

    async def exchange(
        self, delivery: Delivery, secret: Secret, place: str
    ) -> FreshLogin | Verdict:
        self.exchanged.append((delivery.username, place))
        happening, self.meanwhile = self.meanwhile, None
        await (happening() if happening else asyncio.sleep(0))
        now = self._clock()
        kind = _VERDICTS.get(secret.reveal(), self.exchange_says)
        kind = VerdictKind.UNREACHABLE if self.away else kind
        if kind is not VerdictKind.OK:
            return Verdict(kind, now, None, {"note": "The script says no."})
        login = Secret(f"fresh login {len(self.exchanged)}")
        return FreshLogin("AWS", login, now, now + self.life)

    async def _run(self, handshake: Handshake, settings: Mapping[str, str]) -> Finding:
        """Answer a probe; everything before it is the real one's."""
        del settings
        self.probed.append(str(next(handshake).origin))
        return Finding(VerdictKind.OK, {"ping_status": 401, "scheme": "basic"})
