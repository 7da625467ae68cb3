"""Who asks, and what they may do.

Every use case takes a Caller first, and no data is read without the project that the Caller
names. What is not yours looks like what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import AccessDenied, ProjectNotFound
from regcred.domain.registry import ImagePattern, ImageReference, RegistryAddress, Scope


class Role(StrEnum):
    """What a key is for."""

    VIEWER = "viewer"
    PULLER = "puller"
    EDITOR = "editor"
    ADMIN = "admin"


class Permission(StrEnum):
    """One column of the table of roles (design: words and rules of the domain)."""

    READ = "read"
    WRITE = "write"
    VERIFY = "verify"
    REVEAL = "reveal"
    ADMINISTER = "administer"


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.PULLER: frozenset({Permission.READ, Permission.REVEAL}),
    Role.EDITOR: frozenset({Permission.READ, Permission.WRITE, Permission.VERIFY}),
    Role.ADMIN: frozenset(Permission),
}


class Principal(NamedTuple):
    """Who acts: `kind` is `key` or `pod`; people and CI jobs later.

    A pod's id is CLUSTER/NAMESPACE/SERVICEACCOUNT.
    """

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `project_id` is its home; an operator's key reaches all."""

    id: str
    project_id: UUID
    name: str
    role: Role
    created_at: datetime
    operator: bool = False
    image_patterns: tuple[ImagePattern, ...] = ()
    expires_at: datetime | None = None
    disabled: bool = False
    last_used_at: datetime | None = None
    version: int = 1


class Caller(NamedTuple):
    """An authenticated principal with the request it came in, on which audit rows are written."""

    principal: Principal
    project_id: UUID
    """The key's home project; a pod's only one."""

    role: Role
    operator: bool = False
    image_patterns: tuple[ImagePattern, ...] = ()
    expires_at: datetime | None = None
    request_id: str = ""
    peer: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the role grants `permission` at all."""
        return permission in GRANTS[self.role]

    def require(self, permission: Permission, project_id: UUID) -> None:
        """Pass if the caller may do this in that project.

        Raise ProjectNotFound for another's project, whatever the role, then AccessDenied.
        """
        if project_id != self.project_id and not self.operator:
            raise ProjectNotFound
        if not self.may(permission):
            raise AccessDenied(permission)

    def require_operator(self) -> None:
        """Pass if the caller runs the service. Raise AccessDenied."""
        if not (self.operator and self.role is Role.ADMIN):
            raise AccessDenied("an operator's key")

    def may_pull(self, address: RegistryAddress, repository: str | None) -> bool:
        """Whether the caller's image patterns take in this image.

        Asked by host alone (`repository` is None) the question cannot be answered here: see
        `may_receive`, which decides per login.
        """
        if not self.image_patterns or repository is None:
            return True
        return any(pattern.covers(address, repository) for pattern in self.image_patterns)

    def may_hear_of(self, image: str | None) -> bool:
        """Whether the caller may read the name of an image: a narrowed key of its own alone."""
        if image is None or not self.image_patterns:
            return True
        reference = ImageReference.parse(image)
        return self.may_pull(reference.address(), reference.repository)

    def may_receive(self, scope: Scope) -> bool:
        """Whether the caller's image patterns cover everything in `scope`."""
        return not self.image_patterns or any(
            pattern.covers_scope(scope) for pattern in self.image_patterns
        )

    def may_see(self, credential: RegistryCredential) -> bool:
        """Whether a narrowed key may know of this credential: only what it could match."""
        return not self.image_patterns or any(
            pattern.overlaps(scope)
            for pattern in self.image_patterns
            for scope in credential.scopes
        )

    def require_within(self, scopes: tuple[Scope, ...]) -> None:
        """Pass if a login of these scopes is the caller's to write. Raise AccessDenied.

        A key narrowed to some images writes logins for those alone: else it could point another
        login at them and be handed it.
        """
        if self.image_patterns and not (scopes and all(map(self.may_receive, scopes))):
            raise AccessDenied("a key that is not narrowed to other images")
