"""How much the property tests try: little by default, a lot in a campaign."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.tools.missing import do_without
from tests.tools.postgres import Cluster, running
from tests.tools.programs import ProgramMissing, regcred

# Nothing timed is asserted: on a loaded machine a deadline fails tests that are right.
settings.register_profile("default", max_examples=25, deadline=None, derandomize=True)
settings.register_profile(
    "campaign",
    max_examples=1_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("REGCRED_HYPOTHESIS_PROFILE", "default"))


_LONG = ("tests/system/", "tests/campaign/", "tests/house/", "tests/adapters/storage/")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server with a migrated database `regcred`, one for each worker of the tests.

    Where it is not installed the tests are skipped, and fail where CI is true.
    """
    try:
        with running() as cluster:
            cluster.make("regcred")
            migrate = [*regcred(), "migrate", "--database", cluster.url("owner", "regcred")]
            subprocess.run(migrate, check=True, capture_output=True, timeout=60)
            yield cluster
    except ProgramMissing:
        do_without("PostgreSQL is not installed")


@pytest.fixture
async def database(cluster: Cluster) -> Cluster:
    """The server, its database empty."""
    await cluster.empty("regcred")
    return cluster


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """Put back the handlers that a command sets which runs in this process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders whose files take longest: workers get whole files.

    A long one at the end would be waited for by all who have nothing left to do.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the corpora counted, each `(what, cases, bad ones, what was bad of them)`."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "corpus" and report.when == "call":
                    what, cases, bad, of_them = value
                    so_far, so_bad = counts.get((what, of_them), (0, 0))
                    counts[what, of_them] = (so_far + cases, so_bad + bad)
    if counts:
        terminalreporter.section("corpora")
    for (what, of_them), (cases, bad) in sorted(counts.items()):
        terminalreporter.line(f"{cases:>7,} {what}: {bad:,} {of_them}")
