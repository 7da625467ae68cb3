"""What is looked up when somebody scrapes, and not counted as it happens."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from regcred.adapters.metrics.spreads import buckets
from regcred.domain.ports.measuring import KeyServiceFigures, StoreFigures


@dataclass(frozen=True, slots=True)
class Figures:
    """One look at the service; a number that nobody knows is NaN."""

    checks_due: float
    store: StoreFigures
    audit_unlinked: float
    """Audit rows that are not in the chain yet."""

    audit_link_age: float
    """Seconds since the chain was last brought up to date."""

    audit_alarms: Mapping[str, int]
    """Findings that the audit or the store was tampered with, by what they are of."""

    seal_failures: Mapping[str, int]
    """By operation."""

    key_services: Sequence[KeyServiceFigures]

    turn_ages: Mapping[str, float]
    """Seconds since what runs beside the server last came round, by its name."""

    log_dropped: int
    """Events and fields that the log did not let through."""

    scrub_round_age: float = math.nan
    """Seconds since every sealed row was opened by this process, or since its start."""

    def metrics(self) -> Iterator[Metric]:
        """Yield all of it."""
        yield GaugeMetricFamily(
            "regcred_checks_due", "Automatic checks that are due and unclaimed.", self.checks_due
        )
        yield from self._store()
        yield GaugeMetricFamily(
            "regcred_scrub_round_age_seconds",
            "Time since this process opened every sealed row, or since its start.",
            self.scrub_round_age,
        )
        yield GaugeMetricFamily(
            "regcred_audit_unlinked_rows", "Audit rows not yet in the chain.", self.audit_unlinked
        )
        yield GaugeMetricFamily(
            "regcred_audit_link_age_seconds",
            "Time since the audit chain was up to date.",
            self.audit_link_age,
        )
        alarms = CounterMetricFamily(
            "regcred_audit_alarms", "Findings of tampering, by what they are of.", labels=("of",)
        )
        for of, count in self.audit_alarms.items():
            alarms.add_metric((of,), count)
        failures = CounterMetricFamily(
            "regcred_seal_failures", "Secrets that did not seal or open.", labels=("operation",)
        )
        for operation, count in self.seal_failures.items():
            failures.add_metric((operation,), count)
        ages = GaugeMetricFamily(
            "regcred_task_turn_age_seconds",
            "Time since a background task last came round.",
            labels=("task",),
        )
        for task, age in self.turn_ages.items():
            ages.add_metric((task,), age)
        yield from (alarms, failures, ages)
        yield from self._key_services()
        yield CounterMetricFamily(
            "regcred_log_dropped", "Log events and fields not let through.", self.log_dropped
        )

    def _key_services(self) -> Iterator[Metric]:
        """Yield what key services did; which one is an address, so no label says it."""
        services = list(enumerate(self.key_services, start=1))
        calls = CounterMetricFamily(
            "regcred_key_service_calls",
            "Calls of key services, by how they ended.",
            labels=("service", "outcome"),
        )
        seconds = HistogramMetricFamily(
            "regcred_key_service_seconds", "How long key services were asked.", labels=("service",)
        )
        alone = GaugeMetricFamily(
            "regcred_key_service_left_alone",
            "1: it failed so often that it is not asked for a while.",
            labels=("service",),
        )
        for number, its in services:
            label, (*_, (_, all_calls)) = str(number), its.seconds.up_to()
            for outcome, count in (
                ("answered", all_calls - its.refused - its.failed),
                ("refused", its.refused),
                ("failed", its.failed),
            ):
                calls.add_metric((label, outcome), count)
            seconds.add_metric((label,), buckets(its.seconds), its.seconds.total)
            alone.add_metric((label,), int(its.left_alone))
        yield from (calls, seconds, alone)

    def _store(self) -> Iterator[Metric]:
        store = self.store
        for name, what, tally in (
            ("regcred_store_commit_seconds", "How long commits took.", store.commit_seconds),
            ("regcred_store_commit_writes", "Writes in one commit.", store.commit_writes),
        ):
            yield HistogramMetricFamily(name, what, buckets(tally), tally.total)
        yield GaugeMetricFamily(
            "regcred_store_waiting_writes", "Writes that wait for a commit.", store.waiting
        )
        if store.wal_bytes is not None:
            yield GaugeMetricFamily(
                "regcred_store_wal_bytes", "Size of the write-ahead log.", store.wal_bytes
            )
