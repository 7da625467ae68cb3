"""What whoever pulls asks, and what they get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from regcred.domain.access import Caller
from regcred.domain.handout import IDENTITY_TOKEN
from regcred.domain.ports import Candidate, ProjectRef
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.usecases.open_login import Login, Withheld


class Question(NamedTuple):
    """What is asked for: an image, or (repository None) a registry by host alone."""

    address: RegistryAddress
    repository: str | None
    text: str
    """For the audit row: the image without tag and digest, or the host."""


class Presented(NamedTuple):
    """The request around a question, as it came in."""

    key: str | None
    """An API key, or a pod's service-account token."""

    project: ProjectRef | None
    client: str
    request_id: str
    peer: str
    node: str = ""
    namespace: str = ""
    """Where the logins go, as the client says; "" if it does not."""

    admit: Callable[[Caller], None] = lambda _caller: None
    """Raises QuotaExceeded if the caller must wait; asked once it is known who that is."""


class Room(NamedTuple):
    """What the client can take: what it cannot is neither opened nor recorded as handed out."""

    logins: int
    """At most so many, the best first."""

    identity_tokens: bool
    """Whether it knows what to do with the user name `<token>`."""

    def takes(self, candidate: Candidate) -> bool:
        """Whether the client can use this login."""
        return self.identity_tokens or candidate.delivery.username != IDENTITY_TOKEN


PLENTY = Room(logins=256, identity_tokens=True)
"""More than any one read finds."""


class Resolution(NamedTuple):
    """The logins to try, in order, and those kept back."""

    logins: Sequence[Login]
    withheld: Sequence[Withheld]
    caller_ends: datetime | None
    """When whoever asked may ask no longer; None: never."""


# A pure function of text that many nodes ask about again and again.
# Small: what strangers ask fills it too, before anyone looks at a key.
@lru_cache(maxsize=2048)
def question_for_image(text: str) -> tuple[ImageReference, Question]:
    """Return the reference and the question it asks. Raise InvalidReference, InvalidInput."""
    reference = ImageReference.parse(text)
    address = RegistryAddress.parse(reference.registry)
    asked = f"{reference.registry}/{reference.repository}"
    return reference, Question(address, reference.repository, asked)
