"""What pullers ask for and get: resolve, explain, and docker's credential helper protocol."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from regcred.domain.ports import Candidate
from regcred.domain.pullers import Behaviour
from regcred.domain.registry import ImageReference
from regcred.domain.selection import matched_scope
from regcred.usecases.explain_image import Explanation, Ranked
from regcred.web.dialects.native.wire.common import Password, Shape
from regcred.web.shapes import example

_IMAGE = "registry.example.com/team/app:1.0"
_REFERENCE = {
    "registry": "registry.example.com",
    "repository": "team/app",
    "tag": "1.0",
    "digest": None,
}
_CREDENTIAL = {"id": "019a9c1e-0000-7000-8000-0000000000c1", "name": "ci-pull"}


class CredentialName(Shape):
    """Which credential."""

    id: UUID
    name: str

    @classmethod
    def of(cls, candidate: Candidate) -> CredentialName:
        """Render a candidate's identity."""
        return cls(id=UUID(candidate.id), name=candidate.name)


class Reference(Shape):
    """An image reference as docker reads it."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def of(cls, reference: ImageReference) -> Reference:
        """Render a reference."""
        return cls(
            registry=reference.registry,
            repository=reference.repository,
            tag=reference.tag,
            digest=reference.digest,
        )


class AskResolve(Shape):
    """The image to pull."""

    model_config = example(image=_IMAGE, client="containerd")

    image: str
    client: str = Field(default="", json_schema_extra={"maxLength": 64})
    force: bool = Field(default=False, description="Hand out withheld logins too.")


class Login(Shape):
    """A login to try."""

    credential: CredentialName
    registry: str
    username: str
    password: str
    expires_at: datetime | None


class Withheld(Shape):
    """A login kept back, and the verdict that did it."""

    credential: CredentialName
    verdict: str
    reason: str = Field(
        default="", description="Why the stored secret could not be exchanged for a login."
    )


class Resolution(Shape):
    """The logins for an image, in the order to try them."""

    model_config = example(
        reference=_REFERENCE,
        logins=[
            {
                "credential": _CREDENTIAL,
                "registry": "registry.example.com",
                "username": "robot",
                "password": "a-token-with-pull-rights",
                "expires_at": None,
            }
        ],
        withheld=[],
    )

    reference: Reference
    logins: list[Login]
    withheld: list[Withheld]


class AskExplain(Shape):
    """The image to explain."""

    model_config = example(image=_IMAGE)

    image: str


class RankedCandidate(Shape):
    """A login at the image's registry: its place, and the rule that gave it."""

    credential: CredentialName
    rank: int | None = Field(description="1 is tried first; null: does not cover the image.")
    rule: str
    scope: str
    withheld: bool
    reason: str = Field(
        default="", description="Why the stored secret could not be exchanged for a login."
    )

    @classmethod
    def of(cls, ranked: Ranked) -> RankedCandidate:
        """Render a ranked login."""
        return cls(
            credential=CredentialName.of(ranked.candidate),
            rank=ranked.rank,
            rule=ranked.rule,
            scope=str(matched_scope(ranked.candidate)),
            withheld=ranked.withheld,
            reason=ranked.reason,
        )


class Tried(Shape):
    """A login that a client would try, and the key under which it knows it."""

    credential: CredentialName
    as_: str = Field(alias="as")


class ClientBehaviour(Shape):
    """What one client does with the image."""

    tried: list[Tried]
    anonymous: bool = Field(description="Whether it (also) pulls without a login.")
    notes: list[str]

    @classmethod
    def of(cls, behaviour: Behaviour) -> ClientBehaviour:
        """Render a client's behaviour."""
        return cls(
            tried=[
                Tried.model_validate(
                    {"credential": CredentialName.of(a.candidate), "as": a.known_as}
                )
                for a in behaviour.tried
            ],
            anonymous=behaviour.anonymous,
            notes=list(behaviour.notes),
        )


class Explained(Shape):
    """Which login an image gets, by which rule, and what each client does. No secrets."""

    model_config = example(
        reference=_REFERENCE,
        candidates=[
            {
                "credential": _CREDENTIAL,
                "rank": 1,
                "rule": "exact host, covers path team",
                "scope": "registry.example.com/team",
                "withheld": False,
                "reason": "",
            }
        ],
        clients={
            "docker": {
                "tried": [{"credential": _CREDENTIAL, "as": "registry.example.com"}],
                "anonymous": False,
                "notes": [],
            }
        },
    )

    reference: Reference
    candidates: list[RankedCandidate]
    clients: dict[str, ClientBehaviour]

    @classmethod
    def of(cls, explanation: Explanation) -> Explained:
        """Render an explanation."""
        return cls(
            reference=Reference.of(explanation.reference),
            candidates=[RankedCandidate.of(ranked) for ranked in explanation.candidates],
            clients={
                name: ClientBehaviour.of(behaviour)
                for name, behaviour in explanation.clients.items()
            },
        )


class DockerLogin(Shape):
    """A login in docker's credential helper protocol."""

    model_config = example(
        ServerURL="https://index.docker.io/v1/",
        Username="robot",
        Secret="a-token-with-pull-rights",  # noqa: S106  an example
    )

    ServerURL: str
    Username: str
    Secret: Password
