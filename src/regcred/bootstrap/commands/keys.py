"""`regcred keys`: what hangs on which key, and how another one takes its place."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.rewrapping import Rewrapping
from regcred.adapters.sealing.ring_changes import add_key, make_primary, remove_key
from regcred.bootstrap.commands.key_status import KeyStatus, key_statuses
from regcred.bootstrap.commands.rotations import held, now_and_then, say
from regcred.bootstrap.first_run import OPERATOR
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.stores import utc_now
from regcred.domain.errors import StartRefused
from regcred.domain.ports.leases import Lease
from regcred.settings import Settings
from regcred.usecases.reseal_project import Moved, ResealProject, lease_name
from regcred.usecases.rewrap_keys import NAME as REWRAP
from regcred.usecases.rewrap_keys import RewrapKeys, Rewrapped
from regcred.usecases.verify_keys import Verified, VerifyKeys

OK, FAILED = 0, 1

REST = 0.02
"""Seconds after each commit: on SQLite a server's writes wait for ours, and come in between."""

SETTLE = 60.0
"""Seconds for which requests that read the old seed may still store something under it."""

KEEP = 20.0
"""Seconds after which the lease is renewed meanwhile: a third of it."""


def status(settings: Settings, output: str = "text") -> int:
    """Show every key, what hangs on it and whether it can be had; 1 if one is missing or away."""
    found = asyncio.run(key_statuses(settings))
    if output == "json":
        print(json.dumps({"keys": [key.as_json() for key in found]}))
    else:
        _table(found)
    return OK if all(key.well for key in found) else FAILED


def verify(settings: Settings, output: str = "text") -> int:
    """Open everything that is wrapped or sealed, and tell how many; 1 if something does not."""

    async def walk() -> Verified:
        async with open_state(settings, exclusive=False) as state:
            return await VerifyKeys(state.store, _wrapping(state), state.sealer)(
                now_and_then(_opened)
            )

    found = asyncio.run(walk())
    if output == "json":
        print(json.dumps({"opened": found.opened, "broken": found.broken}))
    else:
        print(", ".join(f"{count} {kind}s" for kind, count in found.opened.items()) + " open")
    for broken in found.broken:
        say(f"WRONG: {broken}")
    return FAILED if found.broken else OK


def rotate(settings: Settings, step: str = "both") -> int:
    """Make a key in the ring's file (`prepare`), have it wrap (`promote`), or both."""
    path = ring_file(settings)
    if step == "both" and settings.database:
        raise StartRefused(
            "several servers may use this database, and each must be able to read a key before it"
            " wraps: run `regcred keys rotate --prepare` first (docs/keys.md)"
        )
    waiting = FileKeyring.load(path, random=os.urandom).waiting
    if step == "promote" and waiting is None:
        raise StartRefused("no key waits to become primary: run `regcred keys rotate --prepare`")
    if waiting is None:
        waiting = add_key(path, random=os.urandom, now=utc_now())
        say(f"{waiting} was made. Back up {path} anew: what it wraps opens with it alone")
    if step == "prepare":
        say("Copy the file to every server, then run `regcred keys rotate --promote`")
    else:
        make_primary(path, waiting)
        copy = " copy the file to every server again, then" if step == "promote" else ""
        say(f"{waiting} wraps from now on. Next:{copy} regcred keys rewrap")
    print(waiting)
    return OK


def rewrap(settings: Settings) -> int:
    """Wrap everything by the primary key, beside a running service; goes on where it stopped."""

    async def run() -> Rewrapped:
        async with open_state(settings, exclusive=False) as state, held(state, REWRAP) as lease:
            rewrapping = RewrapKeys(state.store, _wrapping(state), state.clock, OPERATOR, _rest)
            return await rewrapping(lease, state.keyring.kids, now_and_then(_wrapped))

    done = asyncio.run(run())
    print(f"{done.seeds} seeds and {done.service_keys} service keys wrapped anew")
    for broken in done.broken:
        say(f"does not open: {broken}")
    return FAILED if done.broken else OK


def reseal(settings: Settings, project: str, settle: float = SETTLE) -> int:
    """Give a project another seed, seal all it has anew, and destroy the old seed."""

    async def run() -> tuple[Moved, int]:
        async with open_state(settings, exclusive=False) as state:
            found = await state.store.find_project(_ref(project))
            async with held(state, lease_name(found.id)) as lease:
                run = ResealProject(
                    state.store, _wrapping(state), state.sealer, state.clock, OPERATOR, _rest
                )
                seed = await run.begin(lease, found.id)
                words = now_and_then(_moved)
                moved = await run.move(lease, found.id, seed, words)
                say(f"{moved.rows} sealed anew; waiting {settle:g} s for requests under way")
                await _settle(run, lease, settle)
                late = await run.move(lease, found.id, seed, words)
                moved.rows += late.rows
                return moved, await run.destroy(lease, found.id, seed)

    moved, destroyed = asyncio.run(run())
    print(f"{moved.rows} sealed anew, {destroyed} old seeds destroyed")
    for broken in moved.broken:
        say(f"does not open, and keeps its old seed: {broken}")
    return FAILED if moved.broken else OK


async def _settle(run: ResealProject, lease: Lease, seconds: float) -> None:
    """Wait, and keep the lease all the while. Raise LeaseLost."""
    while seconds > 0:
        await asyncio.sleep(min(seconds, KEEP))
        await run.keep(lease)
        seconds -= KEEP


def remove(settings: Settings, kid: str) -> int:
    """Take a key out of the ring's file once nothing in the store needs it."""
    path = ring_file(settings)
    key = {key.kid: key for key in asyncio.run(key_statuses(settings))}.get(kid)
    if key is None or not key.removable:
        raise StartRefused(
            f"{kid} stays: it is not there, or something may need it (`regcred keys status`)"
        )
    asyncio.run(_require_all_to_open(settings, kid))
    remove_key(path, kid)
    say(f"{kid} is gone from {path}. Backups of the store from before {key.unused_since} need it")
    return OK


async def _require_all_to_open(settings: Settings, kid: str) -> None:
    """Pass if everything that is wrapped opens, by other keys. Raise StartRefused.

    What does not open now may be what only this key, or a copy of its ring, can still mend.
    """
    async with open_state(settings, exclusive=False) as state:
        verify = VerifyKeys(state.store, _wrapping(state), state.sealer)
        broken = (await verify.wrapped(now_and_then(_opened))).broken
        if broken or kid in await state.store.kids_in_use():
            found = broken[0] if broken else "something was wrapped by it just now"
            raise StartRefused(f"{kid} stays: {found} (`regcred keys verify`)")


async def _rest() -> None:
    await asyncio.sleep(REST)


def _opened(found: Verified) -> str:
    return f"{found.opened.total()} opened so far"


def _wrapped(done: Rewrapped) -> str:
    return f"{done.seeds} seeds wrapped so far"


def _moved(moved: Moved) -> str:
    return f"{moved.rows} sealed anew so far"


def _wrapping(state: State) -> Rewrapping:
    return Rewrapping(state.keyring, state.random)


def ring_file(settings: Settings) -> Path:
    """Return the file of the ring that wraps. Raise StartRefused if a service does."""
    first = settings.key_rings[0]
    if str(settings.keyring_file) != first:
        raise StartRefused(
            f"{first} wraps, and its keys are not made here: name the next key behind it on every"
            " server, then before it, then run `regcred keys rewrap` (docs/keys.md)"
        )
    return settings.keyring_file


def _ref(project: str) -> UUID | int:
    try:
        return int(project) if project.isascii() and project.isdigit() else UUID(project)
    except ValueError:
        raise StartRefused("a project is named by its number or its id") from None


def _table(found: list[KeyStatus]) -> None:
    rows = [("KEY", "SEEDS", "SERVICE KEYS", "STATE"), *(key.as_row() for key in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        print("  ".join([*cells, row[3]]))


COMMANDS: Mapping[str, Callable[..., int]] = {
    "keys_status": status,
    "keys_verify": verify,
    "keys_rotate": rotate,
    "keys_rewrap": rewrap,
    "keys_reseal": reseal,
    "keys_remove": remove,
}
