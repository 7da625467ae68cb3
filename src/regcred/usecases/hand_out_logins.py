"""Hand out logins to keep: pull secrets, auth files and what else is written down by who reads it.

The order of steps is resolve's: who may, which logins, opened, and the audit row before the answer
leaves. What a client has already is not handed out again, and leaves no row; it is used all the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Reveal
from regcred.domain.errors import (
    CredentialNotFound,
    InvalidInput,
    LoginsWithheld,
    LoginUnavailable,
    NoLogin,
    RegcredError,
)
from regcred.domain.handout import AskedImage, Entry, Filled, Form, Gathered, unserved
from regcred.domain.ports import (
    Candidate,
    Clock,
    CredentialFilter,
    KeyDigests,
    ProjectRef,
    Registries,
    Sealer,
    Store,
)
from regcred.domain.registry import ImageReference, RegistryAddress, Scope
from regcred.domain.selection import in_order, matched_scope, rank
from regcred.usecases.authenticate import caller_still
from regcred.usecases.exchange_logins import PATIENCE, ExchangeLogins
from regcred.usecases.kept_login import Patience
from regcred.usecases.manage_projects import reach_project
from regcred.usecases.open_handout import Opening
from regcred.usecases.open_login import OpenLogin

MOST = 500
"""Logins in one hand-out: each is opened for it."""

MOST_NAMED, MOST_IMAGES = 100, 32


class Asking(NamedTuple):
    """Which logins are asked for: those named, those that images get, or (neither) all."""

    credentials: Sequence[str] = ()
    images: Sequence[str] = ()
    force: bool = False
    """Withheld ones too."""

    node: str = ""
    namespace: str = ""
    """Where the logins go, as the client says; "" if it does not."""


class HandedOut(NamedTuple):
    """A form filled in, and what was kept back from it."""

    filled: Filled
    withheld: Sequence[tuple[str, str]]
    """(name, verdict)."""

    unchanged: bool
    """The client has it already: nothing was handed out."""


class HandOutLogins:
    """Fills in forms with logins."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        clock: Clock,
        registries: Registries,
        exchanges: ExchangeLogins,
        digests: KeyDigests,
    ) -> None:
        self._store = store
        self._digests = digests
        self._clock = clock
        self._open = OpenLogin(sealer, registries, exchanges)

    async def __call__(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        asking: Asking,
        form: Form,
        client: str,
        has_already: Callable[[str, Filled], bool],
    ) -> HandedOut:
        """Return the form filled in, once its audit row is durable.

        `has_already` says whether the client showed that it has just this of the project with
        this id, and is called once. Raise InvalidInput, InvalidReference, CredentialNotFound,
        LoginUnavailable (there are logins, but none could be got), LoginsWithheld, NoLogin
        (nothing would stand in the form), ProjectNotFound, AccessDenied, SealBroken,
        KeyringUnavailable, StoreUnavailable, NotAuthenticated (its key was withdrawn while it
        waited for an exchange).
        """
        patience = Patience(self._clock() + PATIENCE)
        while True:
            project = await reach_project(self._store, caller, ref, Permission.REVEAL)
            _require_few(asking)
            opening = Opening(str(project.id), asking.force, patience, self._open)
            gathered = await self._gathered(caller, project.id, asking, opening)
            if not patience.waited:
                break
            # As for resolve: what was read before the wait decides nothing.
            patience.waited = False
            caller = await caller_still(caller, self._store, self._digests, self._clock())
        if not any(entry.opened for entry in gathered.entries):
            raise _nothing(opening)
        filled = form(gathered)
        if not filled.used:
            raise _nothing(opening, filled.left_out)
        filled = replace(filled, left_out=(*filled.left_out, *unserved(gathered, filled)))
        unchanged = has_already(opening.project_id, filled)
        record = self._store.record_use if unchanged else self._store.record_reveal
        for reveal in self._reveals(caller, asking, gathered.images, filled, client, opening):
            await record(reveal)
        return HandedOut(filled, tuple(opening.withheld), unchanged)

    def _reveals(
        self,
        caller: Caller,
        asking: Asking,
        images: Sequence[AskedImage],
        filled: Filled,
        client: str,
        opening: Opening,
    ) -> Iterator[Reveal]:
        """Yield what goes out for each image that was named, so that fetches say which."""
        used = dict.fromkeys(entry.credential_id for entry in filled.used)
        of_images = {image.name: {e.credential_id for e in image.entries} for image in images}
        now = self._clock()
        for image, theirs in (of_images or {"": {*used}}).items():
            ids = [id_ for id_ in used if id_ in theirs]
            if not ids:
                continue
            yield Reveal(
                opening.project_id,
                str(caller.principal),
                image,
                client,
                caller.peer,
                tuple((id_, opening.versions[id_]) for id_ in ids),
                asking.node,
                asking.namespace,
                now,
                caller.request_id,
            )

    async def _gathered(
        self, caller: Caller, project_id: UUID, asking: Asking, opening: Opening
    ) -> Gathered:
        ids = await self._named(caller, project_id, asking.credentials)
        if asking.images:
            return await self._of_images(caller, project_id, asking.images, ids, opening)
        return await self._of_project(caller, project_id, ids, opening)

    async def _named(
        self, caller: Caller, project_id: UUID, names: Sequence[str]
    ) -> list[UUID] | None:
        """Return the ids of logins that were named, None if none was. Raise CredentialNotFound."""
        if not names:
            return None
        found = [await self._store.find_credential(project_id, name) for name in names]
        if not all(map(caller.may_see, found)):
            raise CredentialNotFound
        return [credential.id for credential in found]

    async def _of_project(
        self, caller: Caller, project_id: UUID, ids: list[UUID] | None, opening: Opening
    ) -> Gathered:
        if ids is None:
            ids = await self._receivable(caller, project_id)
        read = await self._store.read_logins(project_id, ids)
        scoped = in_order(c for c in read if c.matched and caller.may_receive(matched_scope(c)))
        entries = []
        for candidate in (*scoped, *(c for c in read if not c.matched)):
            scope = matched_scope(candidate) if candidate.matched else None
            address = _only_address(scope)
            entries.append(await opening.entry(candidate, scope, address))
        return Gathered(tuple(entries))

    async def _receivable(self, caller: Caller, project_id: UUID) -> list[UUID]:
        """Return the ids of all logins that this key may have whole. Raise InvalidInput."""
        found: list[UUID] = []
        after, more = 0, True
        while more:
            page = await self._store.list_credentials(
                project_id, CredentialFilter(), after, MOST + 1
            )
            found += [c.id for c in page if any(map(caller.may_receive, c.scopes))]
            if len(found) > MOST:
                raise InvalidInput(
                    "credential",
                    f"must narrow what is handed out (or image must): these are more than {MOST} "
                    "logins",
                )
            more = len(page) > MOST
            after = page[-1].number if page else after
        return found

    async def _of_images(
        self,
        caller: Caller,
        project_id: UUID,
        texts: Sequence[str],
        ids: list[UUID] | None,
        opening: Opening,
    ) -> Gathered:
        """Gather what resolve would hand out for each image, at the image's own registry."""
        wanted = None if ids is None else {str(id_) for id_ in ids}
        images: dict[str, AskedImage] = {}
        ranked: dict[tuple[str, Scope | None], tuple[Candidate, Entry]] = {}
        found = 0
        for text in texts:
            reference = ImageReference.parse(text)
            address = reference.address()
            entries = []
            for candidate in await self._for_image(caller, project_id, reference, address):
                if wanted is not None and candidate.id not in wanted:
                    continue
                scope = Scope(address.host, address.port, matched_scope(candidate).path)
                entry = await opening.entry(candidate, scope, address)
                entries.append(entry)
                ranked.setdefault((candidate.id, scope), (candidate, entry))
            image = AskedImage(reference, tuple(entries))
            images.setdefault(image.name, image)
            found += len(entries)
            if found > MOST:
                raise InvalidInput(
                    "image", f"must be fewer: these have more than {MOST} logins, image by image"
                )
        return Gathered(_best_first(ranked.values()), tuple(images.values()))

    async def _for_image(
        self, caller: Caller, project_id: UUID, reference: ImageReference, address: RegistryAddress
    ) -> Sequence[Candidate]:
        if not caller.may_pull(address, reference.repository):
            return ()
        # No key is read: the caller stands, and one revoked meanwhile would find no project.
        read = await self._store.read_for_resolve(None, project_id, address, reference.repository)
        return rank(read.candidates)


def _require_few(asking: Asking) -> None:
    for field_, given, most in (
        ("credential", asking.credentials, MOST_NAMED),
        ("image", asking.images, MOST_IMAGES),
    ):
        if len(given) > most:
            raise InvalidInput(field_, f"must be given at most {most} times")


def _nothing(opening: Opening, left_out: Sequence[tuple[str, str]] = ()) -> RegcredError:
    """Return why nothing is handed out: an empty form would replace what a client has."""
    for (name, _), reason in opening.withheld.items():
        if reason:
            return LoginUnavailable(name, reason)
    return LoginsWithheld(tuple(opening.withheld)) if opening.withheld else NoLogin(left_out)


def _only_address(scope: Scope | None) -> RegistryAddress | None:
    return None if scope is None or scope.pattern else RegistryAddress(scope.host, scope.port)


def _best_first(ranked: Iterable[tuple[Candidate, Entry]]) -> tuple[Entry, ...]:
    pairs = list(ranked)
    order = {id(candidate): at for at, candidate in enumerate(in_order(c for c, _ in pairs))}
    return tuple(entry for _, entry in sorted(pairs, key=lambda pair: order[id(pair[0])]))
