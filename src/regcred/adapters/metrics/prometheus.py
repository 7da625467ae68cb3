"""The port `Meter`, made real: counters in a registry of its own, and their text to scrape.

The one thing you would get wrong: labels. Every one has a fixed set of values, so that neither a
tenant's words nor their number ever reach whoever scrapes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from regcred.domain.event import Event, EventKind
from regcred.domain.ports.measuring import Trigger
from regcred.domain.verdict import VerdictKind

OTHER = "other"
"""The label of a provider that is not known here."""

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Up to the deadline of a check."""


class PrometheusMeter:
    """Counts in memory, since the start of the process."""

    def __init__(self, providers: Collection[str]) -> None:
        """Take the slugs that may be labels."""
        self._providers = frozenset(providers)
        self._registry = registry = CollectorRegistry()
        self._verifications = Counter(
            "regcred_verifications",
            "Checks of logins, by what their registries said.",
            ("provider", "verdict", "trigger"),
            registry=registry,
        )
        self._seconds = Histogram(
            "regcred_verification_seconds",
            "How long checks of logins took.",
            ("provider",),
            registry=registry,
            buckets=_SECONDS,
        )
        self._due = Gauge(
            "regcred_checks_due", "Automatic checks that are due and unclaimed.", registry=registry
        )
        self._events = Counter(
            "regcred_events", "Events that were stored.", ("kind",), registry=registry
        )
        self._exchanges = Counter(
            "regcred_exchanges",
            "Exchanges of stored secrets for logins, by what came of them.",
            ("provider", "outcome"),
            registry=registry,
        )
        for kind in EventKind:
            self._events.labels(str(kind))

    def verified(
        self, provider: str, verdict: VerdictKind, trigger: Trigger, seconds: float
    ) -> None:
        """Count a check of a login."""
        label = provider if provider in self._providers else OTHER
        self._verifications.labels(label, str(verdict), str(trigger)).inc()
        self._seconds.labels(label).observe(seconds)

    def exchanged(self, provider: str, failure: VerdictKind | None) -> None:
        """Count an exchange of a stored secret."""
        label = provider if provider in self._providers else OTHER
        self._exchanges.labels(label, str(failure or VerdictKind.OK)).inc()

    def told(self, events: Iterable[Event]) -> None:
        """Count events that were stored."""
        for event in events:
            self._events.labels(str(event.kind)).inc()

    def exposition(self, due: float) -> tuple[str, bytes]:
        """Return everything as (content type, text); `due` automatic checks are due now."""
        self._due.set(due)
        return CONTENT_TYPE_LATEST, generate_latest(self._registry)
