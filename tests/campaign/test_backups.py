"""F19 in seconds: a backup of the real server while it is written to."""

from __future__ import annotations

import pytest

from tools.campaign import f19_backups

pytestmark = pytest.mark.system


def test_backups_under_load_hold_what_was_acknowledged_and_a_plain_copy_is_caught() -> None:
    report = f19_backups.run(0.05)

    assert report.violations == []
    assert report.counts["backups"] == 1
    assert report.counts["logins fetched from a restored store"] > 0
    assert [control for control in report.controls if not control.caught] == []
