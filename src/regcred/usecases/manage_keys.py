"""Create, read, change and delete API keys.

A key never makes a stronger one: not for more projects, more images, or a longer life than its
own (security facts, A04).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from regcred.domain import text
from regcred.domain.access import ApiKey, Caller, Permission, Role
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.errors import (
    AccessDenied,
    IdempotencyConflict,
    InvalidInput,
    StoreUnavailable,
    VersionMismatch,
)
from regcred.domain.ports import (
    SWAP_ATTEMPTS,
    AlreadyDone,
    Clock,
    IdempotentRequest,
    KeyDigests,
    ProjectRef,
    RandomBytes,
    Store,
    StoredKey,
)
from regcred.domain.registry import ImagePattern
from regcred.domain.secret import Secret
from regcred.domain.token import RANDOM_BYTES, ApiToken
from regcred.usecases.authenticate import require_genuine
from regcred.usecases.manage_projects import reach_project

MAX_PATTERNS = 64


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """A key as someone asked for it. `expires_at` None means the asking key's own expiry."""

    name: str
    role: Role
    image_patterns: tuple[str, ...] = ()
    expires_at: datetime | None = None
    operator: bool = False


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key with its text, which is shown this once; a replayed request has none."""

    key: ApiKey
    text: Secret | None


class ManageKeys:
    """What admins do to their project's keys."""

    def __init__(
        self, store: Store, digests: KeyDigests, clock: Clock, random: RandomBytes
    ) -> None:
        self._store = store
        self._digests = digests
        self._clock = clock
        self._random = random

    async def create(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        draft: KeyDraft,
        idempotent: IdempotentRequest | None = None,
    ) -> CreatedKey:
        """Make a key. Raise InvalidInput, AccessDenied, ProjectNotFound, IdempotencyConflict."""
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        if draft.operator:
            caller.require_operator()
        now = self._clock()
        token = ApiToken.mint(self._random(RANDOM_BYTES))
        key = ApiKey(
            token.id,
            project.id,
            text.name(draft.name),
            draft.role,
            now,
            operator=draft.operator,
            image_patterns=_patterns(caller, draft.image_patterns),
            expires_at=_expiry(caller, draft.expires_at, now),
        )
        event = AuditEvent.by(
            caller,
            Action.KEY_CREATED,
            project.id,
            now,
            key.id,
            secret_version=key.version,
            role=str(key.role),
        )
        try:
            stored = self._stamped(key, self._digests.digest(token.secret))
            made = await self._store.create_key(stored, event, idempotent)
        except AlreadyDone as done:
            if idempotent is None or done.digest != idempotent.digest:
                raise IdempotencyConflict from done
            earlier = await self._store.find_key(project.id, done.resource_id)
            return CreatedKey(earlier.key, None)
        return CreatedKey(made, Secret(token.reveal(), field="key"))

    async def get(self, caller: Caller, ref: ProjectRef | None, key_id: str) -> ApiKey:
        """Raise ProjectNotFound, KeyNotFound."""
        return (await self._find(caller, ref, key_id)).key

    async def own(self, caller: Caller) -> ApiKey:
        """Return the key that the caller came with."""
        return (await self._store.find_key(caller.project_id, caller.principal.id)).key

    async def list(
        self, caller: Caller, ref: ProjectRef | None, after: str, limit: int
    ) -> Sequence[ApiKey]:
        """Return the project's keys by id. Raise ProjectNotFound."""
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        return await self._store.list_keys(project.id, after, limit)

    async def update(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        key_id: str,
        expected_version: int | None,
        changes: dict[str, object],
    ) -> ApiKey:
        """Change name, image_patterns, expires_at or disabled: what `changes` holds, checked.

        Raise ProjectNotFound, KeyNotFound, VersionMismatch, InvalidInput, AccessDenied,
        SealBroken.
        """
        for _ in range(SWAP_ATTEMPTS):
            stored = await self._find(caller, ref, key_id)
            # A change stamps the row anew, which must not make an edit behind our back genuine.
            require_genuine(stored, self._digests)
            old = stored.key
            if old.operator:
                caller.require_operator()
            if expected_version not in (None, old.version):
                raise VersionMismatch
            now = self._clock()
            new = replace(_changed(caller, old, changes, now), version=old.version + 1)
            event = AuditEvent.by(
                caller,
                Action.KEY_UPDATED,
                old.project_id,
                now,
                old.id,
                secret_version=new.version,
                changed=tuple(sorted(changes)),
            )
            # Compare-and-swap even without If-Match: two changes at once must both count, or a
            # rename could enable again what was disabled a moment ago.
            try:
                return await self._store.update_key(
                    self._stamped(new, stored.digest), old.version, event
                )
            except VersionMismatch:
                if expected_version is not None:
                    raise
        raise StoreUnavailable("others change it without a pause")

    async def delete(
        self, caller: Caller, ref: ProjectRef | None, key_id: str, expected_version: int | None
    ) -> None:
        """Revoke a key: the very next request with it is refused.

        Raise ProjectNotFound, KeyNotFound, VersionMismatch, AccessDenied.
        """
        key = await self.get(caller, ref, key_id)
        if key.operator:
            caller.require_operator()
        event = AuditEvent.by(caller, Action.KEY_DELETED, key.project_id, self._clock(), key.id)
        await self._store.delete_key(key.project_id, key.id, expected_version, event)

    async def _find(self, caller: Caller, ref: ProjectRef | None, key_id: str) -> StoredKey:
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        return await self._store.find_key(project.id, key_id)

    def _stamped(self, key: ApiKey, digest: bytes) -> StoredKey:
        return StoredKey(key, digest, self._digests.stamp(key, digest))


def _changed(caller: Caller, key: ApiKey, changes: dict[str, object], now: datetime) -> ApiKey:
    """Return `key` with `changes`. None stands for no patterns and for no expiry of its own."""
    enabled = key.disabled and not changes.get("disabled", True)
    if "name" in changes:
        key = replace(key, name=text.name(str(changes["name"])))
    if "image_patterns" in changes:
        patterns = changes["image_patterns"]
        patterns = patterns if isinstance(patterns, (list, tuple)) else ()
        key = replace(key, image_patterns=_patterns(caller, tuple(map(str, patterns))))
    if "expires_at" in changes:
        wanted = changes["expires_at"]
        wanted = wanted if isinstance(wanted, datetime) else None
        key = replace(key, expires_at=_expiry(caller, wanted, now))
    if "disabled" in changes:
        key = replace(key, disabled=bool(changes["disabled"]))
    if enabled or "expires_at" in changes:
        _refuse_stronger(caller, key)
    return key


def _refuse_stronger(caller: Caller, key: ApiKey) -> None:
    """Refuse to give life to a key that reaches more images, or lives longer, than the caller's.

    Weakening such a key (its name, fewer images, disabling, deleting) needs no such check.
    """
    _refuse_wider(caller, key.image_patterns)
    if caller.expires_at and (key.expires_at is None or key.expires_at > caller.expires_at):
        raise AccessDenied("a key that lives longer")


def _refuse_wider(caller: Caller, patterns: tuple[ImagePattern, ...]) -> None:
    if caller.image_patterns and not (patterns and all(map(caller.may_receive, patterns))):
        raise AccessDenied("a key that is not narrowed to fewer images")


def _patterns(caller: Caller, texts: tuple[str, ...]) -> tuple[ImagePattern, ...]:
    if len(texts) > MAX_PATTERNS:
        raise InvalidInput("image_patterns", f"must be at most {MAX_PATTERNS}")
    patterns = tuple(
        ImagePattern.parse(pattern, field=f"image_patterns.{n}") for n, pattern in enumerate(texts)
    )
    _refuse_wider(caller, patterns)
    return patterns


def _expiry(caller: Caller, wanted: datetime | None, now: datetime) -> datetime | None:
    if wanted is not None and wanted <= now:
        raise InvalidInput("expires_at", "must be in the future")
    if caller.expires_at is None:
        return wanted
    if wanted is not None and wanted > caller.expires_at:
        raise AccessDenied("a key that lives longer")
    return wanted or caller.expires_at
