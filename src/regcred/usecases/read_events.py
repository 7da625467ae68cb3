"""Read what a project's people should hear of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.errors import CredentialNotFound
from regcred.domain.event import Event, EventKind
from regcred.domain.ports import EventFilter, ProjectRef, Store
from regcred.usecases.manage_projects import reach_project

_STRIDE = 200
_MOST = 10
"""Strides that a narrowed key's page looks through: then it is short, and the next goes on."""


class ReadEvents:
    """The events of a project, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        kind: EventKind | None,
        credential: str | None,
        before: int,
        limit: int,
    ) -> tuple[Sequence[Event], int | None]:
        """Return events below number `before` (0: from the newest), and where to go on, if so.

        `credential` is a name or an id; an id also finds what is told of a login that is gone. A
        narrowed key hears of the logins that it may see, and of none that is gone. Raise
        ProjectNotFound, CredentialNotFound.
        """
        project = await reach_project(self._store, caller, ref, Permission.READ)
        of = None if credential is None else await self._find(caller, project.id, credential)
        narrowed = EventFilter(kind, of)
        if not caller.image_patterns:
            found = await self._store.list_events(project.id, narrowed, before, limit + 1)
            return found[:limit], found[limit - 1].number if len(found) > limit else None
        return await self._seen(caller, project.id, narrowed, before, limit)

    async def _seen(
        self, caller: Caller, project_id: UUID, narrowed: EventFilter, before: int, limit: int
    ) -> tuple[Sequence[Event], int | None]:
        seen: list[Event] = []
        visible: dict[UUID, bool] = {}
        for _ in range(_MOST):
            stride = await self._store.list_events(project_id, narrowed, before, _STRIDE)
            unknown = {event.credential_id for event in stride} - visible.keys()
            # One read for all, and the store pauses for others: a login each would block them.
            found = await self._store.credentials_of(project_id, unknown) if unknown else ()
            visible |= dict.fromkeys(unknown, False) | {c.id: caller.may_see(c) for c in found}
            for event in stride:
                if visible[event.credential_id]:
                    seen.append(_told(caller, event))
                    if len(seen) > limit:
                        return seen[:limit], seen[limit - 1].number
            if len(stride) < _STRIDE:
                return seen, None
            before = stride[-1].number
        return seen, before

    async def _find(self, caller: Caller, project_id: UUID, credential: str) -> UUID:
        try:
            found = await self._store.find_credential(project_id, credential)
        except CredentialNotFound:
            if caller.image_patterns:
                raise
            return _gone(credential)
        if not caller.may_see(found):
            raise CredentialNotFound
        return found.id


def _told(caller: Caller, event: Event) -> Event:
    """Return an event as the caller may read it: without the names of others' images."""
    image = event.details.get("image")
    if not isinstance(image, str) or caller.may_hear_of(image):
        return event
    return replace(event, details={**event.details, "image": None})


def _gone(credential: str) -> UUID:
    """Return the id that a text spells. Raise CredentialNotFound."""
    try:
        return UUID(credential)
    except ValueError:
        raise CredentialNotFound from None
