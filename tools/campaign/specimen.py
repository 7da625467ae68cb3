"""A store to damage: written by the real server, killed with its log full, all of it anchored."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tools.campaign.client import Client
from tools.campaign.installation import Installation
from tools.campaign.reading import Reading, read_now
from tools.campaign.story import Actor

BACKUP = "backup.db"
"""A copy as `VACUUM INTO` makes it, beside the store."""

_ANCHORED_SECONDS = 1.5
"""After so long the audit's head is in the anchor (AuditKeeper.EVERY, and time to write it)."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A data folder, and what is in it."""

    data: Path
    key: str
    whole: Reading
    """What is read of it as it is."""

    tokens: dict[str, str]
    """Texts of keys that are there, by name."""

    def copy(self, to: Path) -> Path:
        """Copy it, log and all, to where it can be damaged."""
        return Path(shutil.copytree(self.data, to))


def make(folder: Path, seed: str, *, acts: int, logins: int) -> Specimen:
    """Have clients write, wait until the audit is anchored, and kill the server."""
    installation = Installation(folder / "service")
    tokens = asyncio.run(_fill(installation, seed, acts, logins))
    data = installation.service.data
    # Read in a copy: whoever opens a store last moves its log, which stays here to be damaged.
    work = Path(shutil.copytree(data, folder / "read"))
    with closing(sqlite3.connect(work / "store" / "regcred.db")) as database:
        database.execute("VACUUM INTO ?", (str(data / "store" / BACKUP),))
    whole = read_now(work)
    if whole.refused is not None or whole.errors:
        raise RuntimeError(f"the specimen itself does not open: {whole.refused} {whole.errors}")
    return Specimen(data, installation.key, whole, tokens)


async def _fill(installation: Installation, seed: str, acts: int, logins: int) -> dict[str, str]:
    daemon = installation.start()
    try:
        await installation.ready()
        actor = Actor("c", Client(installation.port, installation.key), seed, most=logins)
        for _ in range(acts):
            await actor.act()
        await asyncio.sleep(_ANCHORED_SECONDS)
        # Nothing of these dies, so they stay in the log.
        for _ in range(logins // 2):
            await actor.act("create")
        await asyncio.sleep(_ANCHORED_SECONDS)
        await actor.client.close()
    finally:
        daemon.kill()
    return {
        name: text for name, (_, text) in actor.tokens.items() if ("key", name) in actor.present
    }
