"""What an accepted rollback covers is what its row names."""

from __future__ import annotations

import orjson
import pytest

from regcred.adapters.storage.sql.acceptance import MOST, Named, acceptance, details
from regcred.domain.errors import SealBroken


def test_it_covers_the_rows_that_it_names_and_no_others() -> None:
    said = details(9, [range(n, n + 1) for n in (2, 3, 4, 7)], [range(5, 6)])

    assert said == {"last": 9, "edited": ("2-4", "7-7"), "missing": ("5-5",)}
    covers = acceptance(12, orjson.dumps(said).decode())
    assert [number for number in range(12) if number in covers.edited] == [2, 3, 4, 7]
    # Rows 10 and 11 were gone from the end.
    assert [number for number in range(14) if number in covers.missing] == [5, 10, 11]
    assert not covers.edited.unnamed


def test_of_more_than_it_can_name_it_says_up_to_where_they_are() -> None:
    said = details(1000, [range(n, n + 1) for n in range(1, 400, 2)], [])

    covers = acceptance(1001, orjson.dumps(said).decode()).edited
    assert len(covers.ranges) == MOST
    assert covers.unnamed == range(200, 400)


def test_one_of_an_earlier_release_names_none() -> None:
    covers = acceptance(6, '{"found": "its audit is older than its anchor"}')

    assert not covers.edited.ranges
    assert covers.edited.unnamed == covers.missing.unnamed == range(1, 6)


@pytest.mark.parametrize(
    ("gap", "other"), [(range(2, 7), 0), (range(1, 4), 1), (range(3, 9), 7), (range(4, 4), 0)]
)
def test_a_gap_is_covered_as_far_as_each_row_of_it_is(gap: range, other: int) -> None:
    assert Named((range(2, 4), range(4, 5)), range(5, 7)).first_other(gap) == other


def test_what_no_release_wrote_is_no_acceptance() -> None:
    with pytest.raises(SealBroken):
        acceptance(6, '{"last": 5, "edited": ["x"], "missing": []}')
