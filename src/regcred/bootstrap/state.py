"""Open everything durable, in the order in which it can be trusted.

Directories, then the store's schema, then the key ring (made only beside an empty store), then
the service's own keys under it, the one that signs audit rows among them.
Whatever does not fit refuses the start and changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from regcred.adapters.sealing.anchor import FileAnchor
from regcred.adapters.sealing.audit_chain import AuditChain
from regcred.adapters.sealing.joined_rings import Ring
from regcred.adapters.sealing.private_file import make_directory
from regcred.adapters.sealing.sealer import EnvelopeSealer
from regcred.adapters.sealing.service_keys import ServiceKeys, unlock
from regcred.bootstrap.key_rings import open_key_rings
from regcred.bootstrap.stores import OpenStore, open_store, utc_now
from regcred.domain.errors import StartRefused
from regcred.domain.ports import Clock, KeyDigests, NewId, RandomBytes
from regcred.settings import Settings


@dataclass(frozen=True, slots=True)
class State:
    """What a running service, or a command of the operator, works on."""

    store: OpenStore
    keyring: Ring
    sealer: EnvelopeSealer
    keys: ServiceKeys
    anchor: FileAnchor
    clock: Clock
    new_id: NewId
    random: RandomBytes
    fresh: bool
    """Nothing was stored before: project 1 is still to be made."""

    @property
    def digests(self) -> KeyDigests:
        """Return the digests of API keys."""
        return self.keys.key_digests


def new_uuid() -> UUID:
    """Return a UUIDv7."""
    return uuid7()


@asynccontextmanager
async def open_state(settings: Settings, *, exclusive: bool) -> AsyncIterator[State]:
    """Open the store with everything it hangs on, and close it after use.

    `exclusive` takes the serving lock (a server, `init`) and makes the store where there is none;
    without it the store is opened beside a server. Raise StartRefused, saying what to do.
    """
    async with AsyncExitStack() as held:
        store = await held.enter_async_context(open_store(settings, exclusive=exclusive))
        empty = await store.is_empty()
        keyring = await open_key_rings(
            settings, empty=empty, needed=await store.kids_in_use(), now=utc_now()
        )
        held.callback(keyring.close)
        keys = await unlock(keyring, store, store_is_empty=empty, random=os.urandom)
        store.sign_with(keys.audit_signer.sign)
        yield State(
            store=store,
            keyring=keyring,
            sealer=EnvelopeSealer(keyring, os.urandom, time.monotonic),
            keys=keys,
            anchor=_open_anchor(settings, keys.audit_chain),
            clock=utc_now,
            new_id=new_uuid,
            random=os.urandom,
            fresh=not await store.list_projects(0, 1),
        )


def _open_anchor(settings: Settings, chain: AuditChain) -> FileAnchor:
    """Return the anchor. Raise StartRefused where the place that was named for it is not there.

    A disk that is not mounted would otherwise get a new anchor, and nothing be noticed.
    """
    directory = settings.anchor_file.parent
    if settings.anchor is None:
        make_directory(directory)
    elif not directory.is_dir():
        raise StartRefused(
            f"--anchor: {directory} is not there: make it (0700, this user's), or mount what it is"
        )
    return FileAnchor(settings.anchor_file, chain)
