"""F27 in seconds: a migration is killed at a few of its statements, and a newer schema served."""

from __future__ import annotations

import pytest

from tools.campaign import f27_migrations

pytestmark = pytest.mark.system


def test_a_killed_migration_leaves_the_old_store_or_the_new_one() -> None:
    report = f27_migrations.run(0.05)

    assert report.violations == []
    assert report.counts["kills"] >= 3
    assert report.counts["requests on a newer schema"] >= 20
    assert [control for control in report.controls if not control.caught] == []
