"""Back a store up while it is served: one file, and beside it what that file must be."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from regcred import __version__
from regcred.adapters.sealing.anchor import Anchor, Comparison, compare
from regcred.adapters.sealing.audit_chain import AuditChain
from regcred.adapters.sealing.manifest import Manifest, Mark
from regcred.adapters.sealing.private_file import create_private, written_private
from regcred.adapters.sealing.service_keys import PURPOSE
from regcred.adapters.storage.copies import Copier, Copy
from regcred.bootstrap.audit_links import base_of
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.stores import copier
from regcred.settings import Settings

WHAT, WHAT_MANIFEST = "backup", "backup's manifest"
MANIFEST = ".json"
"""What a manifest's name has after the whole name of its file."""

_BATCH = 1000


class Backup(NamedTuple):
    """A backup that is durable."""

    file: Path
    manifest: Manifest
    as_anchored: bool
    """False: the store's audit was not the one that was anchored."""


async def back_up(settings: Settings, destination: Path) -> Backup:
    """Copy the store into the private directory `destination`, under a name of its own.

    Raise StartRefused, StoreUnavailable, SealBroken for an audit row that was never signed or a
    service's key that is gone, and OSError. Whatever was there stays, and a backup that failed
    leaves nothing.
    """
    async with open_state(settings, exclusive=False) as state:
        return await _make(state, copier(settings), destination)


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_of(backup: Path) -> Path:
    """Return where the manifest of a backup's file is."""
    return backup.with_name(backup.name + MANIFEST)


async def _make(state: State, engine: Copier, destination: Path) -> Backup:
    now, suffix = state.clock(), state.random(8).hex()
    path = destination / f"regcred-{_stamp(now)}{engine.suffix}"
    # Before the copy: what is anchored by now is in it, unless the store was set back.
    anchored = state.anchor.known()
    with written_private(path, what=WHAT, suffix=suffix) as partial:
        async with engine.copied(partial) as copy:
            end, at_anchor = await _links(copy, state.keys.audit_chain, anchored)
            contents = await copy.contents()
            service_key = await copy.service_key(PURPOSE)
        manifest = Manifest(
            file=path.name,
            engine=engine.engine,
            size=partial.stat().st_size,
            sha256=sha256_of(partial),
            product=__version__,
            schema=contents.schema,
            created_at=now,
            kids=contents.kids,
            audit=end,
            anchor=anchored and Mark(anchored.upto, anchored.head.hex()),
            counts=contents.counts,
            service_key=service_key,
        )
    # Last: a backup is one once its manifest is there.
    encoded = state.keys.manifests.encode(manifest)
    try:
        create_private(manifest_of(path), encoded, what=WHAT_MANIFEST, suffix=suffix)
    except BaseException:
        path.unlink()
        raise
    return Backup(path, manifest, at_anchor)


async def _links(copy: Copy, chain: AuditChain, anchored: Anchor | None) -> tuple[Mark, bool]:
    """Return the end of the copy's chain, and whether it passes through what was anchored."""
    upto, _, head, _ = base_of(chain, await copy.checkpoints())
    passes = anchored is None or anchored.upto <= upto
    while rows := await copy.macs_after(upto, _BATCH):
        for number, mac in rows:
            upto, head = number, chain.link(head, (mac,))
            if anchored is not None and anchored.upto == upto:
                passes = compare(anchored, head, upto) is Comparison.OK
    return Mark(upto, head.hex()), passes


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%S.%fZ")
