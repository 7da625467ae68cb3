"""Short ways to ask: a checker of registries on this machine, and drafts to ask it about."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from regcred.adapters.registries.registries import RealRegistries
from regcred.domain.credential import Draft
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict
from tests.adapters.registries.scripted import LOOPBACK

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
USER, PASSWORD = "puller", "canary-p4ss:word"


def registries(**more: object) -> RealRegistries:
    """Return a checker that may reach this machine, over http too."""
    settings: dict[str, object] = {
        "allow_networks": ("127.0.0.0/8",),
        "allow_http": (LOOPBACK, "localhost"),
        **more,
    }
    return RealRegistries(lambda: NOW, time.monotonic, **settings)  # type: ignore[arg-type]  # tests vary one keyword at a time


def draft(
    registry_url: str | None,
    *,
    username: str = USER,
    password: str = PASSWORD,
    provider: str = "generic",
    **settings: str,
) -> Draft:
    return Draft(
        "a login", username, Secret(password), registry_url, provider=provider, settings=settings
    )


async def ask(asked: RealRegistries, about: Draft, image: str | None = None) -> Verdict:
    reference = None if image is None else ImageReference.parse(image)
    return await asked.verify(about.delivery, about.password, reference)
