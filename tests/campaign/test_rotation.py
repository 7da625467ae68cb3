"""F11 in seconds: keys change beside the real server, and one of two rotators is killed."""

from __future__ import annotations

import pytest

from tools.campaign import f11_rotation

pytestmark = pytest.mark.system


def test_keys_change_without_a_failed_read_or_a_lost_write_and_the_control_is_caught() -> None:
    report = f11_rotation.run(0.002)

    assert report.violations == []
    assert report.counts["seeds wrapped anew"] == 20
    assert report.counts["rows sealed anew"] == 200
    assert report.counts["reads"] > 200
    assert [control for control in report.controls if not control.caught] == []
