"""What the domain needs from the outside world, as protocols that adapters implement.

Three rules hold for every port. Data is read only inside a project that the caller names. A
write takes the AuditEvent that commits with it, so that a change without its trace cannot be
written. Methods are `async` because a store may be far away; the embedded one answers reads
without ever suspending.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from regcred.domain.ports.pods import PodRead as PodRead
from regcred.domain.ports.pods import PodStamps as PodStamps
from regcred.domain.ports.pods import PodTokens as PodTokens
from regcred.domain.ports.pods import StoredCluster as StoredCluster
from regcred.domain.ports.pods import StoredWorkload as StoredWorkload
from regcred.domain.ports.registries import UNKNOWN_PLACE as UNKNOWN_PLACE
from regcred.domain.ports.registries import Allowance as Allowance
from regcred.domain.ports.registries import Families as Families
from regcred.domain.ports.registries import Family as Family
from regcred.domain.ports.registries import Registries as Registries
from regcred.domain.ports.sealing import Cursors as Cursors
from regcred.domain.ports.sealing import KeyDigests as KeyDigests
from regcred.domain.ports.sealing import SealContext as SealContext
from regcred.domain.ports.sealing import SealedLogin as SealedLogin
from regcred.domain.ports.sealing import SealedSecret as SealedSecret
from regcred.domain.ports.sealing import Sealer as Sealer
from regcred.domain.ports.sealing import StoredKey as StoredKey
from regcred.domain.ports.sealing import WrappedSeed as WrappedSeed
from regcred.domain.ports.store import Store as Store
from regcred.domain.ports.values import SWAP_ATTEMPTS as SWAP_ATTEMPTS
from regcred.domain.ports.values import AlreadyDone as AlreadyDone
from regcred.domain.ports.values import AuditFilter as AuditFilter
from regcred.domain.ports.values import Candidate as Candidate
from regcred.domain.ports.values import Creation as Creation
from regcred.domain.ports.values import CredentialFilter as CredentialFilter
from regcred.domain.ports.values import CredentialRef as CredentialRef
from regcred.domain.ports.values import DueCheck as DueCheck
from regcred.domain.ports.values import EventFilter as EventFilter
from regcred.domain.ports.values import IdempotentRequest as IdempotentRequest
from regcred.domain.ports.values import KeptLogin as KeptLogin
from regcred.domain.ports.values import LoginPlace as LoginPlace
from regcred.domain.ports.values import Planned as Planned
from regcred.domain.ports.values import ProjectRef as ProjectRef
from regcred.domain.ports.values import ResolveQuestion as ResolveQuestion
from regcred.domain.ports.values import ResolveRead as ResolveRead
from regcred.domain.ports.waves import Gather as Gather
from regcred.domain.ports.waves import Gathering as Gathering
from regcred.domain.ports.waves import Waiting as Waiting
from regcred.domain.ports.webhooks import Claimed as Claimed
from regcred.domain.ports.webhooks import WebhookSender as WebhookSender
from regcred.domain.ports.wrong_keys import Count as Count
from regcred.domain.ports.wrong_keys import WrongKeys as WrongKeys
from regcred.domain.ports.wrong_keys import WrongKeyStore as WrongKeyStore

Clock = Callable[[], datetime]
"""Returns now, aware, in UTC, to the microsecond."""

NewId = Callable[[], UUID]
"""Returns a fresh UUIDv7."""

RandomBytes = Callable[[int], bytes]
"""Returns that many bytes from the system's secure source."""


class Bell(Protocol):
    """Wakes those who wait in this process. Those in others look now and then."""

    def ring(self) -> None:
        """Wake everyone who waits now."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after so many seconds."""
        ...


class PlaceBells(Protocol):
    """A bell for each place at which logins are got; one wakes nobody who waits for another."""

    def ring(self, place: LoginPlace) -> None:
        """Wake everyone who waits for the place now."""
        ...

    async def wait(self, place: LoginPlace, seconds: float) -> None:
        """Return when the place's bell rings, or after so many seconds."""
        ...
