"""A tally as the client library takes a histogram."""

from __future__ import annotations

from regcred.domain.tally import Tally


def buckets(tally: Tally) -> list[tuple[str, float]]:
    """Return (bound, values up to it) for every bound, infinity last."""
    *bounded, (_, count) = tally.up_to()
    return [*((str(float(bound)), so_far) for bound, so_far in bounded), ("+Inf", count)]
