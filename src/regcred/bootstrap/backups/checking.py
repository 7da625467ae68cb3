"""Try a backup: put it into a place of its own, open everything in it, and say what is wrong.

The drill is a real restore as far as the last step. The manifest is believed first, by the key
ring alone: a dump is a program, and one that somebody edited must never run. What is found is
told by id, never by content; what stops the drill (another key ring, another release) is refused
and named.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from regcred.adapters.sealing.key_encryption import KeyEncryption
from regcred.adapters.sealing.manifest import (
    MAX_MANIFEST,
    Manifest,
    ManifestDamaged,
    Mark,
    decode,
)
from regcred.adapters.sealing.sealer import EnvelopeSealer
from regcred.adapters.sealing.service_keys import ServiceKeys, unlock, unwrapped
from regcred.adapters.storage.sqlite import schema
from regcred.adapters.storage.sqlite.copying import SqliteCopier, faults
from regcred.adapters.storage.sqlite.place import DATABASE
from regcred.adapters.storage.sqlite.store import SqliteStore
from regcred.bootstrap.audit_links import base_of
from regcred.bootstrap.audit_walk import AuditWalk, told_of
from regcred.bootstrap.backups.making import manifest_of, sha256_of
from regcred.bootstrap.key_rings import open_key_rings
from regcred.bootstrap.set_back import set_back
from regcred.bootstrap.stores import OpenStore, restored, utc_now
from regcred.domain.errors import SealBroken, StartRefused, StoreUnavailable
from regcred.settings import Settings
from regcred.usecases.scrub_secrets import ScrubSecrets

_BATCH = 500

_Opened = Callable[[Settings, Path, "Report"], AbstractAsyncContextManager[OpenStore]]


@dataclass
class Report:
    """What a drill found."""

    manifest: Manifest
    opened: int = 0
    """Sealed rows that opened."""

    verified: int = 0
    """Audit rows that are as they were signed."""

    wrong: list[str] = field(default_factory=list)
    """Everything else, by id."""

    in_database: bool = False
    """Whether something of it was put into the database that was named."""


async def check(settings: Settings, backup: Path) -> Report:
    """Restore a backup into a temporary private place and open all of it.

    On PostgreSQL the place is the empty database that is named, and stays. Raise StartRefused for
    what is no backup, for a key ring that does not open it, and for a schema that is newer than
    this program's.
    """
    manifest, mac = _manifest(backup)
    report = Report(manifest)
    opened = _place_of(settings, report)
    keyring = await open_key_rings(settings, empty=False, needed=manifest.kids, now=utc_now())
    with closing(keyring):
        signing = await unwrapped(keyring, manifest.service_key, random=os.urandom)
        if not signing.manifests.signed_here(manifest, mac):
            report.wrong.append("the manifest was edited, or belongs to another store")
        try:
            async with opened(settings, backup, report) as store:
                await _open_all(store, keyring, report)
        except (StartRefused, StoreUnavailable) as refused:
            if not report.wrong:
                raise
            report.wrong.append(str(refused))
    return report


def _place_of(settings: Settings, report: Report) -> _Opened:
    """Return where a backup is tried. Raise StartRefused where it fits nowhere."""
    engine, named = report.manifest.engine, settings.database is not None
    if engine == SqliteCopier.engine and not named:
        return _in_a_folder
    if engine == "postgresql" and named:
        return _in_a_database
    raise StartRefused(
        f"the backup is one of {engine}: "
        + ("restore it without --database" if named else "name an empty one with --database")
    )


@asynccontextmanager
async def _in_a_folder(
    _settings: Settings, backup: Path, report: Report
) -> AsyncIterator[OpenStore]:
    with tempfile.TemporaryDirectory(prefix="regcred-check-") as made:
        place = Path(made)
        _unpack(backup, place, report)
        try:
            schema.migrate(place)
            store = SqliteStore.open(place, clock=utc_now)
        except StartRefused as refused:
            raise StartRefused(str(refused).replace(str(place / DATABASE), backup.name)) from None
        with closing(store):
            yield store


@asynccontextmanager
async def _in_a_database(
    settings: Settings, backup: Path, report: Report
) -> AsyncIterator[OpenStore]:
    with tempfile.TemporaryDirectory(prefix="regcred-check-") as made:
        # What is run is what was compared, whatever is done to the backup meanwhile.
        private = Path(made) / "copy"
        _copy(backup, private, report)
        if report.wrong:
            raise StartRefused("nothing of it was restored: an edited dump may hold any statement")
        async with restored(settings, private) as store:
            report.in_database = True
            yield store


def _manifest(backup: Path) -> tuple[Manifest, bytes]:
    path = manifest_of(backup)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST + 1)
        return decode(data[:MAX_MANIFEST])
    except FileNotFoundError:
        raise StartRefused(
            f"{backup} is no backup that `regcred backup` finished: {path.name} is not beside it"
        ) from None
    except ManifestDamaged as damage:
        raise StartRefused(f"the manifest {path} is damaged: {damage}") from None


def _unpack(backup: Path, place: Path, report: Report) -> None:
    """Put the file where it can be opened, and look at it as a file."""
    path = place / DATABASE
    _copy(backup, path, report)
    try:
        report.wrong += faults(place)
    except StartRefused as refused:
        report.wrong.append(str(refused).replace(str(path), backup.name))


def _copy(backup: Path, file: Path, report: Report) -> None:
    """Take a private copy, and compare that with the manifest."""
    manifest = report.manifest
    file.touch(mode=0o600)
    try:
        shutil.copyfile(backup, file)
    except FileNotFoundError:
        raise StartRefused(f"there is no backup at {backup}") from None
    if (file.stat().st_size, sha256_of(file)) != (manifest.size, manifest.sha256):
        report.wrong.append(f"the file is not the one that its manifest tells of: {backup.name}")


async def _open_all(store: OpenStore, keyring: KeyEncryption, report: Report) -> None:
    keys = await unlock(keyring, store, store_is_empty=False, random=os.urandom)
    store.sign_with(keys.audit_signer.sign)
    await _secrets(store, EnvelopeSealer(keyring, os.urandom, time.monotonic), report)
    await _audit(store, keys, report)


async def _secrets(store: OpenStore, sealer: EnvelopeSealer, report: Report) -> None:
    async for step in ScrubSecrets(store, sealer).walk(_BATCH):
        report.opened += step.opened
        report.wrong += map(str, step.broken)


async def _audit(store: OpenStore, keys: ServiceKeys, report: Report) -> None:
    """Verify every row, and link all of them anew but those before which rows were pruned."""
    walk, upto, reached = AuditWalk(store, keys.audit_chain), 0, None
    while reached != upto:
        reached = upto
        step = await walk.step(upto)
        upto = step.reached
        report.wrong += told_of(step)
        report.verified -= len(step.edited) + len(step.doubtful) + len(step.accepted)
    base = base_of(keys.audit_chain, await store.checkpoints())
    upto, head = 0, base.head
    marks = {base.number: head.hex()}
    told = {mark.number for mark in _marks(report.manifest)}
    while rows := await store.macs_after(upto, _BATCH):
        for number, mac in rows:
            # Without a signature it is told already: no such row verifies.
            with suppress(SealBroken):
                head = keys.audit_chain.link(head, (mac,) if number > base.number else ())
            upto = number
            if number in told and number > base.number:
                marks[number] = head.hex()
        report.verified += len(rows)
    report.wrong += _off(report.manifest, marks, upto, base.number)
    if found := await set_back(store, 0):
        report.wrong.append(f"the store was set back before it was backed up: {found}")


def _marks(manifest: Manifest) -> Sequence[Mark]:
    return [mark for mark in (manifest.audit, manifest.anchor) if mark is not None]


def _off(manifest: Manifest, marks: dict[int, str], last: int, pruned: int) -> Iterator[str]:
    end, anchor = manifest.audit, manifest.anchor
    if last != end.number or marks.get(end.number) != end.head:
        yield f"the audit does not end as the manifest says, at row {end.number}"
    if anchor is None or anchor.number < pruned:
        return
    if marks.get(anchor.number) != anchor.head:
        yield f"the audit is not the one that was anchored at row {anchor.number}"
