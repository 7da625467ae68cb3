from __future__ import annotations

import pytest

from tools.campaign import f08_canary
from tools.campaign.canary.marks import ENCODINGS, MarkScanner, Mint, inflated

pytestmark = pytest.mark.system


def test_secrets_stand_nowhere_but_where_they_are_sealed() -> None:
    report = f08_canary.run(0.03)

    assert report.violations == []
    assert report.good, report.controls
    assert {one.what for one in report.controls} == {f"a leak into {s}" for s in f08_canary.SINKS}
    assert report.counts["canaries"] > 100
    assert report.counts["shown where they should be"] >= 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_form_is_found_and_nothing_where_nothing_is(encoding: str) -> None:
    secret = Mint(1).secret()
    leak = b"before " + ENCODINGS[encoding](secret) + b" after"

    assert MarkScanner(Mint(1)).scan("sink", leak)
    assert MarkScanner(Mint(2)).scan("sink", leak) == []


def test_a_stream_that_is_cut_short_or_damaged_is_read_as_far_as_it_goes() -> None:
    whole = ENCODINGS["zlib"]("x" * 4000)

    assert list(inflated(b"x\x9c" + whole[:-6])) != []
    assert list(inflated(b"\x78\x9c" + b"\xff" * 40)) == []
