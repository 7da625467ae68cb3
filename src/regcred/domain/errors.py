"""Every fact that can stand between a caller and what they asked for.

One page, one base class, data as attributes. Nothing here knows a status code or a wire
language: each dialect has a table from these classes to its own answers, and a test that the
table is complete. No message ever holds a value that a caller sent as a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from regcred.domain.use import Use
    from regcred.domain.verdict import Verdict


class RegcredError(Exception):
    """Something the domain refuses, stated as a fact."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one field broke. `field` is a dotted path; neither part echoes the value."""

    field: str
    rule: str


class InvalidInput(RegcredError):
    """What was sent breaks one or more named rules."""

    def __init__(self, field: str, rule: str, *more: Violation) -> None:
        self.violations = (Violation(field, rule), *more)
        super().__init__("; ".join(f"{v.field}: {v.rule}" for v in self.violations))

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> InvalidInput:
        """Raise several violations as one. `violations` is never empty."""
        first, *rest = violations
        return cls(first.field, first.rule, *rest)


class InvalidReference(InvalidInput):
    """A text that is no image reference by the grammar of distribution/reference."""

    def __init__(self, rule: str) -> None:
        super().__init__("image", rule)


class MalformedRequest(RegcredError):
    """The request could not be read at all (broken JSON, a body where none is allowed …)."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field}: {rule}")


class NotAuthenticated(RegcredError):
    """No key, or one that does not open anything; or a pod's token that is not believed.

    `reason` is one of `missing`, `malformed`, `unknown`, `expired`, `disabled`, `token`,
    `misplaced` (a pod's token where none is taken). Expired and disabled are said only to someone
    who holds the right secret. `why` is for the log alone, in fixed words: whoever sends a token
    learns nothing from it of the clusters that we know.
    """

    def __init__(self, reason: str, why: str = "") -> None:
        self.reason = reason
        self.why = why
        super().__init__(_REASONS[reason])


_REASONS = {
    "missing": "no API key was sent",
    "malformed": "that is not a regcred API key: its form or checksum is wrong",
    "unknown": "this API key is unknown or was revoked",
    "expired": "this API key has expired",
    "disabled": "this API key is disabled",
    "misplaced": "service-account tokens are taken by resolve, docker's get and kubelet-credential "
    "alone: send an API key here",
    "token": "this service-account token is not accepted: its issuer, audience, signature or times "
    "are not what a cluster of this service has (the service's log says which)",
}


class AccessDenied(RegcredError):
    """The caller is known, and may not do this. `needs` names the missing permission."""

    def __init__(self, needs: str, whose: str = "this key's role") -> None:
        self.needs = needs
        super().__init__(f"{whose} does not allow it: needs {needs}")


class NotFound(RegcredError):
    """No such thing, or not yours: the two are one answer. `kind` names the noun."""

    kind = "resource"

    def __init__(self) -> None:
        super().__init__(f"no such {self.kind}")


class ProjectNotFound(NotFound):
    """No project of that id or number that this caller may see."""

    kind = "project"


class CredentialNotFound(NotFound):
    """No credential of that id or name in this project."""

    kind = "credential"


class KeyNotFound(NotFound):
    """No API key of that id in this project."""

    kind = "key"


class UseNotFound(NotFound):
    """The credential has no such use."""

    kind = "use"


class WebhookNotFound(NotFound):
    """No webhook of that id in this project."""

    kind = "webhook"


class ClusterNotFound(NotFound):
    """The operator has set up no cluster of that name."""

    kind = "cluster"


class WorkloadNotFound(NotFound):
    """No workload of that id in this project."""

    kind = "workload"


class NameTaken(RegcredError):
    """Another thing of this `kind` in the same place has this name; `said` tells it otherwise."""

    def __init__(self, kind: str, said: str = "") -> None:
        self.kind = kind
        super().__init__(said or f"another {kind} has this name")


class VersionMismatch(RegcredError):
    """The thing moved on since the caller read it (If-Match failed)."""

    def __init__(self) -> None:
        super().__init__("it was changed since you read it: read it again, then repeat the change")


class VersionRequired(RegcredError):
    """The project demands If-Match on changes, and none came."""

    def __init__(self) -> None:
        super().__init__("this project demands If-Match: send the ETag that the native API shows")


class CredentialInUse(RegcredError):
    """Deployments refer to the credential; `uses` says which."""

    def __init__(self, uses: Sequence[Use]) -> None:
        self.uses = tuple(uses)
        super().__init__(f"in use by {len(self.uses)}")


class ProjectNotEmpty(RegcredError):
    """The project still holds credentials."""

    def __init__(self) -> None:
        super().__init__("the project still holds credentials: delete them first")


class ClusterInUse(RegcredError):
    """Projects let service accounts of the cluster pull."""

    def __init__(self) -> None:
        super().__init__("workloads of projects name this cluster: withdraw them first")


class TooManyWebhooks(RegcredError):
    """The project has as many webhooks as one may have."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"a project has at most {most} webhooks: delete one first")


class IdempotencyConflict(RegcredError):
    """The Idempotency-Key was used before for a different request."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for a different request")


class CredentialRejected(RegcredError):
    """Saving was tied to a check (`verify=require`) and the registry did not accept the login."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        super().__init__(f"not stored: the registry's verdict is {verdict.kind}")


class QuotaExceeded(RegcredError):
    """A bounded thing is used up for now. `retry_after` is in whole seconds."""

    def __init__(self, what: str, retry_after: int) -> None:
        self.what = what
        self.retry_after = retry_after
        super().__init__(f"too many {what}: try again in {retry_after} s")


class LoginUnavailable(RegcredError):
    """A stored secret could not be exchanged for a login; `reason` is a sentence."""

    def __init__(self, credential: str, reason: str) -> None:
        self.credential = credential
        self.reason = reason
        super().__init__(f"the credential {credential} has no login now: {reason}")


class NoLogin(RegcredError):
    """Nothing can be handed out: no login fits, or (`left_out`: name, why) the form takes none."""

    def __init__(self, left_out: Sequence[tuple[str, str]] = ()) -> None:
        self.left_out = tuple(left_out)
        why = f"; left out: {_named(left_out)}" if left_out else ""
        super().__init__(f"there is no login to hand out{why}")


class LoginsWithheld(RegcredError):
    """Nothing can be handed out: there are logins, and all are `withheld` (name, verdict)."""

    def __init__(self, withheld: Sequence[tuple[str, str]]) -> None:
        self.withheld = tuple(withheld)
        super().__init__(f"every login is withheld: {_named(withheld)}")


class SealBroken(RegcredError):
    """A sealed value does not open: it was moved, edited, rolled back or damaged."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} does not open: it was moved, edited or damaged")


class KeyringUnavailable(RegcredError):
    """The key-encryption key cannot be had now; nothing sealed can be written or opened."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"key ring unavailable: {why}")


class StoreUnavailable(RegcredError):
    """The store did not take or answer the request; nothing was acknowledged."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"store unavailable: {why}")


class StartRefused(RegcredError):
    """The service will not start on what it found; the text says what to do."""


_MOST_NAMED = 20


def _named(pairs: Sequence[tuple[str, str]]) -> str:
    """Return `name (why), …` in a length that a person reads."""
    more = [f"and {len(pairs) - _MOST_NAMED} more"] if len(pairs) > _MOST_NAMED else []
    return ", ".join([*(f"{name} ({why})" for name, why in pairs[:_MOST_NAMED]), *more])
