"""F18 in seconds: each call of a few operations fails, and a small disk is filled."""

from __future__ import annotations

import pytest

from tools.campaign import f18_disk

pytestmark = pytest.mark.system


def test_what_the_disk_refuses_is_a_503_and_what_was_acknowledged_stays() -> None:
    report = f18_disk.run(0.001)

    assert report.violations == []
    assert report.counts["faults"] > 50
    assert report.counts["faces"] == len(f18_disk.FACES)
    assert [control for control in report.controls if not control.caught] == []
