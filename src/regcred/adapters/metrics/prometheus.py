"""The port `Meter`, made real: counters in a registry of its own, and their text to scrape.

The one thing you would get wrong: labels. Every one has a fixed set of values, so that neither a
tenant's words nor their number ever reach whoever scrapes.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric

from regcred import __version__
from regcred.adapters.metrics.figures import Figures
from regcred.adapters.metrics.requests import RequestCounts
from regcred.domain.event import Event, EventKind
from regcred.domain.ports.measuring import OTHER, Trigger
from regcred.domain.verdict import VerdictKind

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Up to the deadline of a check."""


class PrometheusMeter:
    """Counts in memory, since the start of the process."""

    def __init__(self, providers: Collection[str]) -> None:
        """Take the slugs that may be labels."""
        self._providers = frozenset(providers)
        # When a series began is nobody's question, and would double them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the client's own gap
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
        self._events = Counter(
            "regcred_events", "Events that were stored.", ("kind",), registry=registry
        )
        self._exchanges = Counter(
            "regcred_exchanges",
            "Exchanges of stored secrets for logins, by what came of them.",
            ("provider", "outcome"),
            registry=registry,
        )
        self._scrubbed = Counter(
            "regcred_scrubbed",
            "Sealed rows that were opened to see whether they do.",
            registry=registry,
        )
        self._scrub_failures = Gauge(
            "regcred_scrub_failures", "Sealed rows that are known not to open.", registry=registry
        )
        for kind in EventKind:
            self._events.labels(str(kind))
        build = Gauge(
            "regcred_build_info",
            "1; which program this is.",
            ("version", "python"),
            registry=registry,
        )
        build.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=registry)
        counts = RequestCounts()
        registry.register(counts)
        self.answered = counts.answered
        self.resolved = counts.resolved

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

    def scrubbed(self, opened: int, broken: int) -> None:
        """Count sealed rows that were tried."""
        self._scrubbed.inc(opened + broken)

    def scrub_failures(self, broken: int) -> None:
        """Tell how many sealed rows are known not to open."""
        self._scrub_failures.set(broken)

    def exposition(self, figures: Figures) -> tuple[str, bytes]:
        """Return what was counted and what was looked up as (content type, text)."""
        looked_up = CollectorRegistry()
        looked_up.register(_Fixed(figures))
        return CONTENT_TYPE_LATEST, generate_latest(self._registry) + generate_latest(looked_up)


class _Fixed:
    """A collector of one look."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        return self._figures.metrics()
