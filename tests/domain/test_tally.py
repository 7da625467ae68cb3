"""How values are spread."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.tally import Tally

BOUNDS = (0.5, 1.0, 10.0)


@given(st.lists(st.floats(min_value=0, max_value=1e6)))
def test_every_value_is_counted_up_to_each_bound_that_is_not_less(values: list[float]) -> None:
    tally = Tally(BOUNDS)
    for value in values:
        tally.add(value)

    assert tally.up_to() == [
        (bound, sum(value <= bound for value in values)) for bound in (*BOUNDS, math.inf)
    ]
    assert math.isclose(tally.total, sum(values))
