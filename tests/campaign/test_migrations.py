"""F27 in seconds: a migration is killed at a few of its statements, and a newer schema served."""

from __future__ import annotations

import pytest

from tests.tools.postgres import Cluster
from tools.campaign import f27_migrations, f27_postgres

pytestmark = pytest.mark.system


def test_a_killed_migration_leaves_the_old_store_or_the_new_one() -> None:
    report = f27_migrations.run(0.05)

    assert report.violations == []
    assert report.counts["kills"] >= 3
    assert report.counts["requests on a newer schema"] >= 20
    assert [control for control in report.controls if not control.caught] == []


def test_so_does_one_on_postgresql_that_loses_its_connection(cluster: Cluster) -> None:
    report = f27_postgres.run(0.01, cluster)

    assert report.violations == []
    assert report.counts["terminations"] + report.counts["kills"] >= 3
    assert report.counts["requests on a newer schema"] >= 20
    assert [control for control in report.controls if not control.caught] == []
