"""Open the key rings that the settings name: one kind a line, services imported where asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path

from regcred.adapters.sealing.file_keyring import FileKeyring, require_kids
from regcred.adapters.sealing.joined_rings import JoinedRings, Ring
from regcred.adapters.sealing.service_ring import KeyService, ServiceRing
from regcred.domain.errors import StartRefused
from regcred.settings import Settings


async def open_key_rings(
    settings: Settings, *, empty: bool, needed: Collection[str], now: datetime
) -> Ring:
    """Return the ring, or all of them as one.

    `needed` are the keys that something in the store is wrapped by. A ring in a file is made only
    where it is the first one and nothing was ever stored. Raise StartRefused, saying what to do;
    KeyringUnavailable when the service that is to wrap is away.
    """
    rings = each_ring(settings, make=empty and not needed, now=now)
    ring = rings[0] if len(rings) == 1 else JoinedRings(rings)
    try:
        require_kids(ring.kids, needed, "the key ring " + ",".join(settings.key_rings))
        if isinstance(rings[0], ServiceRing):
            await rings[0].prove(os.urandom)
    except BaseException:
        ring.close()
        raise
    return ring


def each_ring(settings: Settings, *, make: bool, now: datetime) -> list[Ring]:
    """Open every ring, in order; with `make`, the first one is made if it is a file's."""
    first, *others = settings.key_rings
    rings = [_open(first, settings, make=make, now=now)]
    return rings + [_open(other, settings, make=False, now=now) for other in others]


def _open(where: str, settings: Settings, *, make: bool, now: datetime) -> Ring:
    kind, _, rest = where.partition(":")
    if kind == "fd":
        return _of_descriptor(rest)
    service = _SERVICES.get(kind)
    if service is not None:
        return ServiceRing(service(rest, settings), time.monotonic)
    return FileKeyring.open_or_create(
        Path(where), store_is_empty=make, kids_in_use=(), random=os.urandom, now=now
    )


def _of_descriptor(number: str) -> Ring:
    if not (number.isascii() and number.isdigit()):
        raise StartRefused("--keyring: fd: must be followed by the number of an open descriptor")
    return FileKeyring.read_once(int(number), random=os.urandom)


def _aws(key: str, _: Settings) -> KeyService:
    from regcred.adapters.sealing.key_services.aws import AwsKey  # noqa: PLC0415  see above

    return AwsKey(key)


def _google(key: str, settings: Settings) -> KeyService:
    from regcred.adapters.sealing.key_services.google import GoogleKey  # noqa: PLC0415  see above

    return GoogleKey(key, endpoint=settings.gcpkms_endpoint)


def _vault(key: str, settings: Settings) -> KeyService:
    from regcred.adapters.sealing.key_services.vault import (  # noqa: PLC0415  see above
        VaultAccess,
        VaultKey,
    )

    access = VaultAccess(
        settings.vault_addr,
        settings.vault_namespace,
        settings.vault_ca_file,
        settings.vault_token_file,
        settings.vault_role_id,
        settings.vault_secret_id_file,
        settings.vault_kubernetes_role,
    )
    return VaultKey(key, access)


_SERVICES: Mapping[str, Callable[[str, Settings], KeyService]] = {
    "awskms": _aws,
    "gcpkms": _google,
    "vault": _vault,
}
