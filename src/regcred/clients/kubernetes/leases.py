"""A Lease (coordination.k8s.io/v1), changed only from the version that was read."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import lightkube
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from regcred.clients.kubernetes.refusals import asking, or_none


class Claim(NamedTuple):
    """A lease as it stands. `kept` is the object to send back changed."""

    holder: str
    renewed: str
    seconds: int
    kept: Lease


class Leases:
    """One Lease, changed only from the version that was read. Raises as Cluster does."""

    def __init__(self, client: lightkube.Client, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    def read(self) -> Claim | None:
        """Return the lease, None when nobody made one yet."""
        with asking(f"get leases in {self._namespace}", self._namespace, self._name):
            found = or_none(lambda: self._client.get(Lease, self._name, namespace=self._namespace))
        if found is None:
            return None
        spec = found.spec or LeaseSpec()
        return Claim(
            spec.holderIdentity or "", str(spec.renewTime), spec.leaseDurationSeconds or 0, found
        )

    def make(self, holder: str, seconds: int, now: datetime) -> None:
        """Make the lease; a conflict when somebody else did."""
        made = Lease(
            metadata=ObjectMeta(name=self._name, namespace=self._namespace),
            spec=LeaseSpec(
                holderIdentity=holder,
                leaseDurationSeconds=seconds,
                acquireTime=_micro(now),
                renewTime=_micro(now),
                leaseTransitions=0,
            ),
        )
        with asking(f"create leases in {self._namespace}", self._namespace, self._name):
            self._client.create(made)

    def write(self, claim: Claim, holder: str, seconds: int, now: datetime) -> None:
        """Take, renew or give up a lease that was read; a conflict when it was changed since."""
        spec = claim.kept.spec or LeaseSpec()
        if holder and claim.holder != holder:
            spec.acquireTime = _micro(now)
            spec.leaseTransitions = (spec.leaseTransitions or 0) + 1
        spec.holderIdentity = holder
        spec.leaseDurationSeconds = seconds
        spec.renewTime = _micro(now)
        claim.kept.spec = spec
        meta = claim.kept.metadata or ObjectMeta()
        named = meta.namespace or "", meta.name or ""
        with asking(f"update leases in {self._namespace}", *named):
            self._client.replace(claim.kept)


def _micro(now: datetime) -> datetime:
    """Return a time that is written with a fraction: the API server's MicroTime demands one."""
    return now.replace(microsecond=now.microsecond or 1)
