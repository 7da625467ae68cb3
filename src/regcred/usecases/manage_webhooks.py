"""Create, read, change and delete webhooks, and send them something to see that it arrives.

Admins alone, and only with a key that is not narrowed to images: events tell of every login of a
project. Whoever moves a webhook to another address need not know its secret, because the secret
itself is never sent: what goes out are signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from regcred.domain import webhook as rules
from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent, AuditValue
from regcred.domain.errors import (
    AccessDenied,
    IdempotencyConflict,
    StoreUnavailable,
    VersionMismatch,
    WebhookNotFound,
)
from regcred.domain.ports import (
    SWAP_ATTEMPTS,
    Allowance,
    AlreadyDone,
    Clock,
    IdempotentRequest,
    NewId,
    ProjectRef,
    RandomBytes,
    Sealer,
    Store,
    WebhookSender,
)
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.domain.webhook import SECRET_BYTES, TEST_KIND, DeliveryStatus, Message, Webhook
from regcred.usecases.manage_projects import reach_project
from regcred.usecases.seal_webhook import current_webhook, seal_webhook

_TEST_ID_BYTES = 12


@dataclass(frozen=True, slots=True)
class WebhookDraft:
    """A webhook as someone asked for it. Without a secret one is made."""

    url: str
    kinds: tuple[str, ...] = ()
    disabled: bool = False
    secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class WebhookWithSecret:
    """A webhook, and its new secret if it was made here: that is shown this once."""

    webhook: Webhook
    secret: Secret | None
    replayed: bool = False
    """An earlier request with the same Idempotency-Key had made it."""


class ManageWebhooks:
    """What admins do to their project's webhooks."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        sender: WebhookSender,
        clock: Clock,
        new_id: NewId,
        random: RandomBytes,
        allowance: Allowance,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._sender = sender
        self._clock = clock
        self._new_id = new_id
        self._random = random
        self._allowance = allowance

    async def create(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        draft: WebhookDraft,
        idempotent: IdempotentRequest | None = None,
    ) -> WebhookWithSecret:
        """Make a webhook.

        Raise ProjectNotFound, AccessDenied, InvalidInput, TooManyWebhooks, IdempotencyConflict;
        WebhookNotFound when what an earlier request made is gone.
        """
        project = await self._reach(caller, ref)
        given, now = draft.secret, self._clock()
        webhook = Webhook(
            self._new_id(),
            project.id,
            self._address(draft.url),
            now,
            now,
            kinds=rules.kinds(draft.kinds),
            disabled=draft.disabled,
        )
        secret = self._secret(given)
        sealed = await seal_webhook(self._store, self._sealer, webhook, secret)
        event = _audited(caller, Action.WEBHOOK_CREATED, webhook)
        try:
            made = await self._store.create_webhook(webhook, sealed, event, idempotent)
        except AlreadyDone as done:
            if idempotent is None or done.digest != idempotent.digest:
                raise IdempotencyConflict from done
            earlier = await self._store.find_webhook(project.id, UUID(done.resource_id))
            return WebhookWithSecret(earlier, None, replayed=True)
        return WebhookWithSecret(made, None if given else secret)

    async def get(self, caller: Caller, ref: ProjectRef | None, webhook: str) -> Webhook:
        """Raise ProjectNotFound, WebhookNotFound, AccessDenied."""
        project = await self._reach(caller, ref)
        return await self._store.find_webhook(project.id, _id(webhook))

    async def list(
        self, caller: Caller, ref: ProjectRef | None, after: str, limit: int
    ) -> Sequence[Webhook]:
        """Return the project's webhooks by id. Raise ProjectNotFound, AccessDenied."""
        project = await self._reach(caller, ref)
        return await self._store.list_webhooks(project.id, after, limit)

    async def update(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        webhook: str,
        expected_version: int | None,
        changes: Mapping[str, object],
    ) -> Webhook:
        """Change url, kinds or disabled: what `changes` holds, checked.

        A new address seals the secret again; the secret stays. Raise ProjectNotFound,
        WebhookNotFound, VersionMismatch, InvalidInput, AccessDenied, SealBroken.
        """
        project = await self._reach(caller, ref)
        for _ in range(SWAP_ATTEMPTS):
            old = await self._store.find_webhook(project.id, _id(webhook))
            _refuse_moved(old, expected_version)
            new = replace(self._changed(old, changes), updated_at=self._clock())
            sealed = None
            if new.url != old.url:
                present, secret = await current_webhook(
                    self._store, self._sealer, project.id, old.id
                )
                if present.version != old.version:
                    _refuse_moved(present, expected_version)
                    continue
                new = replace(new, secret_version=old.secret_version + 1)
                sealed = await seal_webhook(self._store, self._sealer, new, secret)
            event = _audited(
                caller,
                Action.WEBHOOK_UPDATED,
                new,
                changed=tuple(sorted(changes)),
                host_before=old.host,
            )
            # Compare-and-swap even without If-Match: two changes at once must both count.
            try:
                return await self._store.update_webhook(new, old.version, sealed, event)
            except VersionMismatch:
                if expected_version is not None:
                    raise
        raise StoreUnavailable("others change it without a pause")

    async def rotate_secret(
        self, caller: Caller, ref: ProjectRef | None, webhook: str, given: Secret | None = None
    ) -> WebhookWithSecret:
        """Sign with a new secret from now on; the old one counts no more.

        Raise ProjectNotFound, WebhookNotFound, InvalidInput, AccessDenied.
        """
        project = await self._reach(caller, ref)
        for _ in range(SWAP_ATTEMPTS):
            old = await self._store.find_webhook(project.id, _id(webhook))
            secret = self._secret(given)
            new = replace(old, secret_version=old.secret_version + 1, updated_at=self._clock())
            sealed = await seal_webhook(self._store, self._sealer, new, secret)
            event = _audited(caller, Action.WEBHOOK_UPDATED, new, changed=("secret",))
            try:
                stored = await self._store.update_webhook(new, old.version, sealed, event)
            except VersionMismatch:
                continue
            return WebhookWithSecret(stored, None if given else secret)
        raise StoreUnavailable("others change it without a pause")

    async def delete(
        self, caller: Caller, ref: ProjectRef | None, webhook: str, expected_version: int | None
    ) -> None:
        """Delete a webhook with what waits for it.

        Raise ProjectNotFound, WebhookNotFound, VersionMismatch, AccessDenied.
        """
        found = await self.get(caller, ref, webhook)
        gone = replace(found, updated_at=self._clock())
        event = _audited(caller, Action.WEBHOOK_DELETED, gone)
        await self._store.delete_webhook(found.project_id, found.id, expected_version, event)

    async def test(self, caller: Caller, ref: ProjectRef | None, webhook: str) -> DeliveryStatus:
        """Send a test message now, once, and say what came; a disabled webhook gets it too.

        It counts as a check of the project's: something goes out because a caller says so, to an
        address of their choice. Only the audit remembers it. Raise ProjectNotFound,
        WebhookNotFound, AccessDenied, QuotaExceeded, SealBroken.
        """
        project = await self._reach(caller, ref)
        found, secret = await current_webhook(self._store, self._sealer, project.id, _id(webhook))
        self._allowance.take(project.id)
        now = self._clock()
        id_ = f"msg_{found.id.hex}_test_{self._random(_TEST_ID_BYTES).hex()}"
        told = Message(id_, TEST_KIND, now, {"project": rules.told_of(project)})
        status = await self._sender.send(found.url, secret, told, now)
        at = replace(found, updated_at=self._clock())
        await self._store.record(_audited(caller, Action.WEBHOOK_TESTED, at, status=str(status)))
        return status

    async def _reach(self, caller: Caller, ref: ProjectRef | None) -> Project:
        project = await reach_project(self._store, caller, ref, Permission.ADMINISTER)
        if caller.image_patterns:
            raise AccessDenied("a key that is not narrowed to images")
        return project

    def _address(self, url: str) -> str:
        url = rules.address(url)
        self._sender.check(url)
        return url

    def _secret(self, given: Secret | None) -> Secret:
        if given is not None:
            return rules.signing_secret(given)
        return rules.new_secret(self._random(SECRET_BYTES))

    def _changed(self, old: Webhook, changes: Mapping[str, object]) -> Webhook:
        new = old
        if "url" in changes:
            new = replace(new, url=self._address(str(changes["url"])))
        if "kinds" in changes:
            wanted = changes["kinds"]
            texts = wanted if isinstance(wanted, (list, tuple)) else ()
            new = replace(new, kinds=rules.kinds(map(str, texts)))
        if "disabled" in changes:
            new = replace(new, disabled=bool(changes["disabled"]))
        return new


def _audited(caller: Caller, action: Action, of: Webhook, **details: AuditValue) -> AuditEvent:
    """Return the audit row of what was done to a webhook, which was when it was updated."""
    return AuditEvent.by(
        caller,
        action,
        of.project_id,
        of.updated_at,
        str(of.id),
        secret_version=of.secret_version,
        host=of.host,
        **details,
    )


def _id(text: str) -> UUID:
    """Return the id that a text spells in the usual form. Raise WebhookNotFound."""
    try:
        id_ = UUID(text)
    except ValueError:
        raise WebhookNotFound from None
    if str(id_) != text.lower():
        raise WebhookNotFound
    return id_


def _refuse_moved(present: Webhook, expected_version: int | None) -> None:
    if expected_version is not None and expected_version != present.version:
        raise VersionMismatch
