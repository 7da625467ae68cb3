"""What a registry that answers 401 wants of a login: which kind, and sent where.

The one thing you would get wrong: no realm is returned before RealmRule has passed it, so who
holds a Demand may ask there.
"""

from __future__ import annotations

from dataclasses import dataclass

from regcred.adapters.registries.challenge import Challenge, Malformed, parse_challenges
from regcred.adapters.registries.messages import Finding, Reply
from regcred.adapters.registries.origins import Origin
from regcred.adapters.registries.realm import RealmRule, UntrustedRealm
from regcred.domain.verdict import EvidenceValue, VerdictKind

UNREADABLE = "The registry asks for a login without a readable word about which kind."
_SEVERAL = "The registry names more than one token server."


class Unusable(Exception):
    """No login can be sent. `finding` says why."""

    def __init__(self, kind: VerdictKind, note: str, **evidence: EvidenceValue) -> None:
        self.finding = Finding(kind, {**evidence, "note": note})
        super().__init__(note)


@dataclass(frozen=True, slots=True)
class TokenServer:
    """Where tokens are issued, and what the registry calls itself there."""

    origin: Origin
    target: str
    service: str | None


@dataclass(frozen=True, slots=True)
class Demand:
    """A login that can be sent: to the token server if there is one (Bearer), else Basic."""

    token_server: TokenServer | None = None

    @property
    def evidence(self) -> dict[str, EvidenceValue]:
        """Return what is worth telling of it."""
        if self.token_server is None:
            return {"scheme": "basic"}
        return {"scheme": "bearer", "realm_host": self.token_server.origin.authority}


def read_demand(reply: Reply, realms: RealmRule) -> Demand:
    """Read a 401's challenges. Bearer goes before Basic, as clients have it. Raise Unusable."""
    try:
        challenges = parse_challenges(reply.all("www-authenticate"))
    except Malformed:
        challenges = ()
    bearers = [challenge for challenge in challenges if challenge.scheme == "bearer"]
    if len(bearers) > 1:
        raise Unusable(VerdictKind.UNTRUSTED_REALM, _SEVERAL)
    if bearers:
        return Demand(_token_server(bearers[0], realms))
    if any(challenge.scheme == "basic" for challenge in challenges):
        return Demand()
    raise Unusable(VerdictKind.UNSUPPORTED, UNREADABLE)


def _token_server(challenge: Challenge, realms: RealmRule) -> TokenServer:
    try:
        origin, target = realms.judge(_realm(challenge))
        return TokenServer(origin, target, challenge.parameter("service"))
    except UntrustedRealm as refusal:
        host = {} if refusal.host is None else {"realm_host": refusal.host}
        kind = VerdictKind.UNTRUSTED_REALM
        raise Unusable(kind, refusal.note, scheme="bearer", **host) from None
    except Malformed:
        raise Unusable(VerdictKind.UNSUPPORTED, UNREADABLE, scheme="bearer") from None


def _realm(challenge: Challenge) -> str:
    try:
        realm = challenge.parameter("realm")
    except Malformed:
        raise UntrustedRealm("The challenge names its realm twice.") from None
    if not realm:
        raise UntrustedRealm("The challenge names no realm.")
    return realm
