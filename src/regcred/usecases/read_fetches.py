"""Read who fetched a login, and so who has it if it leaks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from regcred.domain.access import Caller, Permission
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import CredentialNotFound, InvalidInput
from regcred.domain.fetch import COARSE, Fetch, FetchPosition
from regcred.domain.ports import CredentialRef, ProjectRef, Store
from regcred.domain.registry import RegistryAddress, Scope
from regcred.usecases.manage_projects import reach_project

_STRIDE = 200


class Fetches(NamedTuple):
    """A page of who fetched a login, newest first."""

    items: Sequence[Fetch]
    more: FetchPosition | None
    """Where to go on; None at the end."""

    complete: bool
    """Whether nobody is missing who fetched it in the time that was asked about."""

    complete_since: datetime | None
    """From when on nobody is missing; None: from the login's beginning."""


class ReadFetches:
    """Who fetched a login."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        credential: CredentialRef,
        since: datetime | None,
        before: FetchPosition | None,
        limit: int,
    ) -> Fetches:
        """Return fetches below `before` (None: from the newest).

        With `since`, nobody is left out who got the login then or later: a fetch counts until the
        minute is over in which it would not have been recorded again. A narrowed key hears of its
        own images, and of hand-outs for no image in particular if it may have the login whole.
        Raise ProjectNotFound, CredentialNotFound.
        """
        project = await reach_project(self._store, caller, ref, Permission.READ)
        found = await self._store.find_credential(project.id, credential)
        if not caller.may_see(found):
            raise CredentialNotFound
        after = None if since is None else since - COARSE
        heard = await self._heard(caller, found, after, before, limit + 1)
        lost_at = await self._store.fetches_lost_at(project.id, found.id)
        complete_since = None if lost_at is None else lost_at + COARSE
        complete = complete_since is None or (since is not None and since >= complete_since)
        more = heard[limit - 1].position if len(heard) > limit else None
        return Fetches(heard[:limit], more, complete, complete_since)

    async def _heard(
        self,
        caller: Caller,
        credential: RegistryCredential,
        after: datetime | None,
        before: FetchPosition | None,
        wanted: int,
    ) -> Sequence[Fetch]:
        """Return so many that the caller may hear of, or all that are left."""
        # A narrowed key may have to pass many; a credential has no more than a few strides.
        step = max(wanted, _STRIDE) if caller.image_patterns else wanted
        place = (credential.project_id, credential.id)
        whole = all(map(caller.may_receive, credential.scopes))
        heard: list[Fetch] = []
        more = True
        while more and len(heard) < wanted:
            page = await self._store.list_fetches(*place, after, before, step)
            heard += [fetch for fetch in page if _may_hear_of(caller, fetch.image, whole)]
            more = len(page) == step
            before = page[-1].position if page else before
        return heard[:wanted]


def _may_hear_of(caller: Caller, image: str, whole: bool) -> bool:
    """Whether a key may know of a fetch.

    Of one by host alone, if it may pull everything there; of one by nothing but the login, if it
    may have the login `whole`, for everything that it is for.
    """
    if not caller.image_patterns:
        return True
    if not image:
        return whole
    try:
        asked = Scope.parse(image)
    except InvalidInput:
        return False  # only an edited row holds what was never asked for
    if not asked.path:
        return caller.may_receive(asked)
    return caller.may_pull(RegistryAddress(asked.host, asked.port), asked.path)
