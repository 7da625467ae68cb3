"""A PostgreSQL primary and its standby, which take each other's place as often as it is told."""

from __future__ import annotations

import itertools
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.tools.postgres import Cluster
from tests.tools.programs import wait_for

DURABLE = ("-c", "fsync=on", "-c", "synchronous_commit=on")
_STREAMS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = '{}'"
_numbers = itertools.count(1)


class Pair:
    """Two servers at two addresses that stay; which of them is the primary does not."""

    def __init__(self, folder: Path) -> None:
        """Start the first, and the second as its synchronous standby."""
        self._folder = folder
        self._held = False
        self.primary = Cluster(_open(folder / "primary"), *DURABLE)
        self.standby = Cluster(_open(folder / "standby"), *DURABLE, of=self.primary)
        self.wait_for_standby(synchronous=True)

    def wait_for_standby(self, *, synchronous: bool) -> None:
        """Return once the standby has all that is committed, and a COMMIT waits for it or not."""
        self._name_standbys(self.primary, "*" if synchronous else "")
        streams = _STREAMS.format("sync" if synchronous else "async")
        wait_for(lambda: int(self.primary.run_sql(streams)) == 1)
        if synchronous:
            # What it has of one commit it has of all before.
            self.primary.run_sql("CREATE TABLE waited (); DROP TABLE waited")

    def fail_over(self) -> None:
        """End the primary as a machine ends, and promote the standby: back when that serves."""
        self.primary.kill()
        if self._held:
            self.standby.start()
        # It has no standby of its own yet that a COMMIT could wait for.
        self._name_standbys(self.standby, "")
        self.standby.run_sql("SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self) -> None:
        """Make a standby anew where the server that was killed had been."""
        port = self.standby.port
        shutil.rmtree(self.standby.folder)
        folder = _open(self._folder / f"standby{next(_numbers)}")
        self.standby = Cluster(folder, *DURABLE, of=self.primary, port=port)
        self.wait_for_standby(synchronous=True)

    def hold_standby(self) -> None:
        """Stop the standby until it is needed, so that it falls behind; no COMMIT waits for it."""
        self.wait_for_standby(synchronous=False)
        self.standby.stop()
        self._held = True

    def stop(self) -> None:
        """End both."""
        self.standby.stop(signal.SIGQUIT)
        self.primary.stop(signal.SIGQUIT)

    def _name_standbys(self, server: Cluster, names: str) -> None:
        server.run_sql(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        server.run_sql("SELECT pg_reload_conf()")


@contextmanager
def paired() -> Iterator[Pair]:
    """Run both until the block ends, and leave nothing. Raise ProgramMissing."""
    with ExitStack() as held:
        folder = Path(tempfile.mkdtemp(prefix="regcred-pair-"))
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)
        pair = Pair(folder)
        held.callback(pair.stop)
        yield pair


def _open(folder: Path) -> Path:
    folder.mkdir()
    return folder
