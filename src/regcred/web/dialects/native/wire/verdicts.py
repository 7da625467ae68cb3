"""What a registry said about a login."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from regcred.domain import verdict as domain
from regcred.domain.verdict import VerdictKind
from regcred.web.dialects.native.wire.common import Password, Shape
from regcred.web.shapes import example

EvidenceValue = str | int | float | bool | None | list[str]

_VERDICT = {
    "verdict": "ok",
    "checked_at": "2026-11-21T10:00:00Z",
    "image": "registry.example.com/team/app",
    "evidence": {"scheme": "bearer", "realm_host": "auth.example.com", "manifest_status": 200},
    "next_step": "Nothing: the registry accepts the login and lets it pull this image.",
}


class Verdict(Shape):
    """One check of a login against the real registry. It never holds a secret."""

    model_config = example(**_VERDICT)

    verdict: VerdictKind
    checked_at: datetime
    image: str | None = Field(description="The image it was checked with, if any.")
    evidence: dict[str, EvidenceValue] = Field(
        description="What was seen: scheme, realm host, statuses, granted actions, times."
    )
    next_step: str = Field(description="What a person should do now, in one sentence.")

    @classmethod
    def of(cls, verdict: domain.Verdict) -> Verdict:
        """Render a verdict."""
        return cls(
            verdict=verdict.kind,
            checked_at=verdict.checked_at,
            image=verdict.image,
            evidence=_told(verdict.evidence),
            next_step=verdict.next_step,
        )


class Probe(Shape):
    """What a registry wants of a login, asked without one. `ok`: a login can be tried there."""

    model_config = example(
        registry="registry.example.com",
        verdict="ok",
        asked_at="2026-11-21T10:00:00Z",
        evidence={
            "encrypted": True,
            "ping_status": 401,
            "scheme": "bearer",
            "realm_host": "auth.example.com",
            "clock_skew_s": 0,
            "duration_ms": 100,
        },
        next_step="Store a login for it, or verify one: the registry can be asked about it.",
    )

    registry: str
    verdict: VerdictKind
    asked_at: datetime
    evidence: dict[str, EvidenceValue]
    next_step: str

    @classmethod
    def of(cls, probe: domain.Probe) -> Probe:
        """Render what was found."""
        return cls(
            registry=probe.registry,
            verdict=probe.kind,
            asked_at=probe.asked_at,
            evidence=_told(probe.evidence),
            next_step=probe.next_step,
        )


def _told(evidence: Mapping[str, domain.EvidenceValue]) -> dict[str, EvidenceValue]:
    return {n: list(value) if isinstance(value, tuple) else value for n, value in evidence.items()}


class ProbeRegistry(Shape):
    """A registry to ask."""

    model_config = example(registry_url="https://registry.example.com")

    registry_url: str
    settings: dict[str, str] = Field(default_factory=dict)


class VerifyStored(Shape):
    """How to check a stored login. Without an image only acceptance is checked, not a pull."""

    model_config = example(image="registry.example.com/team/app:1.0")

    image: str | None = None


class VerifyTypedIn(Shape):
    """A login to check that is not stored."""

    model_config = example(
        registry_url="https://registry.example.com",
        username="robot",
        password="a-token-with-pull-rights",  # noqa: S106  an example
        image="registry.example.com/team/app:1.0",
    )

    registry_url: str
    username: str
    password: Password
    provider: str = "generic"
    settings: dict[str, str] = Field(default_factory=dict)
    image: str | None = None
