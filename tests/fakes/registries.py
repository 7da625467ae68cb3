"""Registries that answer by script: the verdict depends on the password alone."""

from __future__ import annotations

from regcred.domain.credential import Delivery, Draft
from regcred.domain.errors import InvalidInput, QuotaExceeded
from regcred.domain.ports import Clock
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict, VerdictKind

REJECTED = "a password that every registry rejects"
PUBLIC = "a password that proves nothing"
TOO_OFTEN = "a password that was tried too often"

_VERDICTS = {REJECTED: VerdictKind.REJECTED, PUBLIC: VerdictKind.PUBLIC}


class ScriptedRegistries:
    """Implements Registries without a network."""

    providers = frozenset({"generic", "docker_hub"})

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.asked: list[tuple[Delivery, str | None]] = []

    def check(self, draft: Draft) -> Draft:
        if draft.provider not in self.providers:
            raise InvalidInput("provider", "must be one of: docker_hub, generic")
        return draft

    def family(self, delivery: Delivery) -> str:
        at_hub = delivery.provider == "generic" and delivery.scopes == ("docker.io",)
        return "docker_hub" if at_hub else delivery.provider

    def fitting(self, slug: str, registry_url: str | None) -> str:
        elsewhere = registry_url not in {None, "docker.io"}
        return "generic" if slug == "docker_hub" and elsewhere else slug

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
