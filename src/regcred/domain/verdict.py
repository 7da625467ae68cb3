"""What a registry said about a login, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class VerdictKind(StrEnum):
    """One word for one outcome of the real exchange with a registry."""

    OK = "ok"
    REJECTED = "rejected"
    DENIED = "denied"
    MISSING = "missing"
    PUBLIC = "public"
    EXPIRED = "expired"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    UNTRUSTED_REALM = "untrusted_realm"
    NOT_A_REGISTRY = "not_a_registry"
    UNSUPPORTED = "unsupported"


DEAD = frozenset({VerdictKind.REJECTED, VerdictKind.EXPIRED})
"""The registry looked at the login and turned it away."""

ACCEPTED = frozenset({VerdictKind.OK, VerdictKind.MISSING, VerdictKind.DENIED})
"""The registry looked at the login and did not turn it away. `public` proves nothing."""

WORKING = ACCEPTED | {VerdictKind.PUBLIC}
"""What no check says of a login that is wrong."""

PROVEN = frozenset({VerdictKind.OK, VerdictKind.MISSING})
"""What `verify=require` takes for a login that works.

`denied` is not among them (the login cannot pull what it was checked against), nor is `public`
(nothing was proven).
"""

WITHHOLD_AFTER = timedelta(minutes=1)
"""Two refusals this far apart are one dead login; one alone may be a registry's bad moment."""

EvidenceValue = str | int | float | bool | None | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's outcome. `evidence` holds statuses, hosts and times, and never a secret."""

    kind: VerdictKind
    checked_at: datetime
    image: str | None = None
    evidence: Mapping[str, EvidenceValue] = field(default_factory=dict)

    @property
    def by_the_cloud(self) -> bool:
        """Whether it is the cloud's, that exchanged nothing: the registry was not asked."""
        return self.evidence.get("exchanged") is False

    @property
    def wakes(self) -> bool:
        """Whether an exchange that failed before would work now.

        Not where the cloud accepted the secret and still gave no login for it.
        """
        return self.kind in WORKING and not self.by_the_cloud

    @property
    def next_step(self) -> str:
        """What a person should do now, in one sentence."""
        if self.kind is VerdictKind.OK and self.image is None:
            return (
                "The registry accepts the login; that alone does not prove a pull. "
                "Verify again with an image to prove one."
            )
        if self.kind is VerdictKind.OK and self.evidence.get("could_push"):
            return (
                "The login lets this image be pulled, and could push as well: "
                "replace it with one that may only pull."
            )
        if self.by_the_cloud:
            return str(self.evidence["note"])
        return _NEXT_STEPS[self.kind]

    @property
    def reason(self) -> str:
        """Why it is what it is, in one sentence: the note, else what to do."""
        return str(self.evidence.get("note") or self.next_step)


_NEXT_STEPS = {
    VerdictKind.OK: "Nothing: the registry accepts the login and lets it pull this image.",
    VerdictKind.REJECTED: (
        "Wrong username or secret: create a new token at the registry and replace the password."
    ),
    VerdictKind.DENIED: (
        "The login is real but may not pull this repository: grant it pull rights there, or use "
        "another login."
    ),
    VerdictKind.MISSING: (
        "The login may pull here, but this repository or tag does not exist: check the image name."
    ),
    VerdictKind.PUBLIC: (
        "Anyone can pull this image, so it proves nothing about the login: "
        "verify with a private image."
    ),
    VerdictKind.EXPIRED: (
        "The login has expired: renew it at the registry and replace the password."
    ),
    VerdictKind.RATE_LIMITED: "The registry is limiting requests: wait, then verify again.",
    VerdictKind.UNREACHABLE: (
        "The registry did not answer: check the address, the network, and whether the operator "
        "allows this network."
    ),
    VerdictKind.UNTRUSTED_REALM: (
        "The registry names a token server that is not trusted, so the login was not sent: read "
        "the note. If all that is wrong is that it is another host, and that host is right, pin "
        "it in the credential's settings as `realm`."
    ),
    VerdictKind.NOT_A_REGISTRY: "No registry answers at this address: check the registry URL.",
    VerdictKind.UNSUPPORTED: "The registry asks for a kind of login that regcred does not speak.",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """What a registry wants of a login, asked without one. `ok` means that one can be tried."""

    registry: str
    """`host[:port]`, as images name it."""

    kind: VerdictKind
    asked_at: datetime
    evidence: Mapping[str, EvidenceValue] = field(default_factory=dict)

    @property
    def next_step(self) -> str:
        """What a person should do now, in one sentence."""
        return _NEXT_STEPS_OF_A_PROBE.get(self.kind) or _NEXT_STEPS[self.kind]


_NEXT_STEPS_OF_A_PROBE = {
    VerdictKind.OK: "Store a login for it, or verify one: the registry can be asked about it.",
    VerdictKind.PUBLIC: "Verify a login with an image: some registries ask for one only inside.",
    VerdictKind.RATE_LIMITED: "The registry is limiting requests: wait, then ask again.",
    VerdictKind.UNTRUSTED_REALM: (
        "No login would be sent to the token server that the registry names: read the note. If "
        "all that is wrong is that it is another host, and that host is right, pin it as `realm`."
    ),
    VerdictKind.UNSUPPORTED: "No login could be tried: read the note.",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the verdicts so far say of a credential's present secret. A new secret resets it."""

    last: VerdictKind | None = None
    last_at: datetime | None = None
    dead_since: datetime | None = None
    """When the present unbroken run of refusals began."""

    dead_last: datetime | None = None
    """The newest refusal of that run."""

    def after(self, verdict: Verdict) -> Standing:
        """Return the standing once `verdict` is known.

        Only an answer about the login itself moves the run of refusals: a registry that could
        not be reached, limits or confuses says nothing about the login.
        """
        since, last = self.dead_since, self.dead_last
        if verdict.kind in DEAD:
            since, last = since or verdict.checked_at, verdict.checked_at
        elif verdict.kind in ACCEPTED:
            since = last = None
        return Standing(verdict.kind, verdict.checked_at, since, last)

    @property
    def withheld(self) -> bool:
        """Whether the login is kept back from pullers: refused twice, a minute apart or more."""
        return (
            self.dead_since is not None
            and self.dead_last is not None
            and self.dead_last - self.dead_since >= WITHHOLD_AFTER
        )
