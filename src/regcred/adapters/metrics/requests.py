"""Answers, counted on the hot path: plain numbers there, Prometheus' words when somebody looks.

Counting costs a request one look into a dict and two additions; the client library's own counters
cost several times that. All of it happens on the event loop's thread, so there is no lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from regcred.adapters.metrics.spreads import buckets
from regcred.domain.ports.measuring import OTHER
from regcred.domain.tally import Tally
from regcred.domain.verdict import VerdictKind

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a pull out of the store to one that waits for a registry's exchange."""

_CLASSES = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")
HANDED_OUT, WITHHELD, NOTHING = "handed_out", "withheld", "nothing"


class _Answers:
    """Those of one route by one method."""

    __slots__ = ("classes", "seconds")

    def __init__(self) -> None:
        self.classes = [0] * len(_CLASSES)
        self.seconds = Tally(SECONDS)


class RequestCounts:
    """A collector for the client library, and the two calls that count."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, str], _Answers] = {}
        self._outcomes = dict.fromkeys((HANDED_OUT, WITHHELD, NOTHING), 0)
        self._withheld = dict.fromkeys((*map(str, VerdictKind), OTHER), 0)

    def answered(self, face: str, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answer."""
        its = self._answers.get((face, route, method)) or self._first(face, route, method)
        its.classes[status // 100] += 1
        its.seconds.add(seconds)

    def resolved(self, handed_out: int, withheld: Sequence[str]) -> None:
        """Count a question for logins."""
        for verdict in withheld:
            self._withheld[verdict if verdict in self._withheld else OTHER] += 1
        self._outcomes[HANDED_OUT if handed_out else WITHHELD if withheld else NOTHING] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted."""
        labels = ("face", "route", "method")
        requests = CounterMetricFamily(
            "regcred_requests", "Answers, by the class of their status.", labels=(*labels, "status")
        )
        seconds = HistogramMetricFamily(
            "regcred_request_seconds", "How long answers took.", labels=labels
        )
        for where, its in self._answers.copy().items():
            for name, count in zip(_CLASSES, its.classes, strict=True):
                if count:
                    requests.add_metric((*where, name), count)
            seconds.add_metric(where, buckets(its.seconds), its.seconds.total)
        resolves = CounterMetricFamily(
            "regcred_resolves", "Questions for logins, by what they got.", labels=("outcome",)
        )
        for outcome, count in self._outcomes.items():
            resolves.add_metric((outcome,), count)
        withheld = CounterMetricFamily(
            "regcred_logins_withheld", "Logins kept back from pulls.", labels=("verdict",)
        )
        for verdict, count in self._withheld.items():
            withheld.add_metric((verdict,), count)
        yield from (requests, seconds, resolves, withheld)

    def _first(self, face: str, route: str, method: str) -> _Answers:
        """Return where a kind of answer is counted that was not seen before."""
        # Clients make methods up; routes and faces are the program's own.
        method = method if method in METHODS else OTHER
        return self._answers.setdefault((face, route, method), _Answers())
