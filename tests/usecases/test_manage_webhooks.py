"""Webhooks: made, changed and tested by admins alone, their secret shown once."""

from __future__ import annotations

import base64
from dataclasses import replace
from uuid import UUID

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.errors import (
    AccessDenied,
    IdempotencyConflict,
    InvalidInput,
    QuotaExceeded,
    SealBroken,
    StoreUnavailable,
    TooManyWebhooks,
    VersionMismatch,
    WebhookNotFound,
)
from regcred.domain.event import EventKind
from regcred.domain.ports import SWAP_ATTEMPTS, IdempotentRequest
from regcred.domain.secret import Secret
from regcred.domain.webhook import MAX_WEBHOOKS, DeliveryStatus, Webhook
from regcred.usecases.manage_webhooks import WebhookDraft
from regcred.usecases.seal_webhook import current_webhook
from tests.usecases.world import CHECKS, HOOK, World

OTHER = "https://other.example.com:8443/x"
GIVEN = Secret("whsec_" + base64.b64encode(b"k" * 24).decode())
ONCE = IdempotentRequest("key:K", "once", b"digest")


async def secret_of(world: World, webhook: Webhook) -> str:
    """Open the stored secret as a delivery would."""
    _, secret = await current_webhook(world.store, world.sealer, world.home.id, webhook.id)
    return secret.reveal()


async def test_made_with_a_secret_that_is_shown_once(world: World) -> None:
    made = await world.webhooks.create(
        world.operator, None, WebhookDraft(HOOK, ("verdict.changed", "expiry.near"))
    )

    assert made.secret is not None
    text = made.secret.reveal()
    assert text.startswith("whsec_")
    assert len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) == 32
    assert await secret_of(world, made.webhook) == text
    assert made.webhook.kinds == (EventKind.EXPIRY_NEAR, EventKind.VERDICT_CHANGED)
    assert (made.webhook.url, made.webhook.disabled, made.replayed) == (HOOK, False, False)
    told = (await world.events(Action.WEBHOOK_CREATED))[-1]
    assert told.target == str(made.webhook.id)
    # The path may hold a token of the receiver.
    assert told.details == {"host": "hooks.example.com"}


async def test_made_with_a_secret_that_was_given(world: World) -> None:
    made = await world.webhooks.create(
        world.operator, None, WebhookDraft(HOOK, disabled=True, secret=GIVEN)
    )

    assert made.secret is None
    assert made.webhook.disabled
    assert await secret_of(world, made.webhook) == GIVEN.reveal()


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (WebhookDraft("ftp://hooks.example.com"), "url"),
        (WebhookDraft("http://hooks.example.com"), "url"),
        (WebhookDraft(HOOK, ("nonsense",)), "kinds"),
        (WebhookDraft(HOOK, secret=Secret("whsec_AAAA")), "secret"),
    ],
)
async def test_what_breaks_a_rule_is_not_made(
    world: World, draft: WebhookDraft, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.webhooks.create(world.operator, None, draft)

    assert refused.value.violations[0].field == field
    assert await world.webhooks.list(world.operator, None, "", 10) == []


async def test_http_where_the_operator_allows_it(world: World) -> None:
    made = await world.webhook("http://plain.example.com:8080/x")

    assert made.url == "http://plain.example.com:8080/x"


async def test_there_is_an_end_to_their_number(world: World) -> None:
    for _ in range(MAX_WEBHOOKS):
        await world.webhook()

    with pytest.raises(TooManyWebhooks):
        await world.webhook()


async def test_a_repeated_request_makes_one_and_shows_no_secret(world: World) -> None:
    draft = WebhookDraft(HOOK)
    made = await world.webhooks.create(world.operator, None, draft, ONCE)
    again = await world.webhooks.create(world.operator, None, draft, ONCE)

    assert (again.webhook, again.secret, again.replayed) == (made.webhook, None, True)
    assert len(await world.webhooks.list(world.operator, None, "", 10)) == 1
    with pytest.raises(IdempotencyConflict):
        await world.webhooks.create(world.operator, None, draft, replace(ONCE, digest=b"other"))


async def test_a_repeated_request_does_not_bring_back_what_was_deleted(world: World) -> None:
    made = await world.webhooks.create(world.operator, None, WebhookDraft(HOOK), ONCE)
    await world.webhooks.delete(world.operator, None, str(made.webhook.id), None)

    with pytest.raises(WebhookNotFound):
        await world.webhooks.create(world.operator, None, WebhookDraft(HOOK), ONCE)


@pytest.mark.parametrize("role", Role)
async def test_admins_alone_and_not_with_a_narrowed_key(world: World, role: Role) -> None:
    id_ = str((await world.webhook()).id)
    narrowed = await world.caller(role, "reg.example.com/team")
    whole = await world.caller(role)

    for who in [narrowed] if role is Role.ADMIN else [narrowed, whole]:
        acts = [
            world.webhooks.create(who, None, WebhookDraft(HOOK)),
            world.webhooks.get(who, None, id_),
            world.webhooks.list(who, None, "", 10),
            world.webhooks.update(who, None, id_, None, {"disabled": True}),
            world.webhooks.rotate_secret(who, None, id_),
            world.webhooks.test(who, None, id_),
            world.webhooks.delete(who, None, id_, None),
        ]
        for act in acts:
            with pytest.raises(AccessDenied):
                await act
    assert world.sender.sent == []


@pytest.mark.parametrize(
    "odd", ["", "x", "{{{}}}", "urn:uuid:{}", "019a9c1e-ffff-7fff-bfff-ffffffffffff", "no-hyphens"]
)
async def test_an_id_has_one_spelling(world: World, odd: str) -> None:
    id_ = str((await world.webhook()).id)
    spelled = id_.replace("-", "") if odd == "no-hyphens" else odd.format(id_)

    with pytest.raises(WebhookNotFound):
        await world.webhooks.get(world.operator, None, spelled)
    assert (await world.webhooks.get(world.operator, None, id_.upper())).url == HOOK


async def test_listed_by_id(world: World) -> None:
    made = [await world.webhook() for _ in range(3)]

    assert await world.webhooks.list(world.operator, None, str(made[0].id), 10) == made[1:]


async def test_moved_elsewhere_it_keeps_its_secret_under_a_new_seal(world: World) -> None:
    """Nothing is disclosed by it: the secret itself is never sent."""
    made = await world.webhook()
    secret = await secret_of(world, made)
    moved = await world.webhooks.update(world.operator, None, str(made.id), 1, {"url": OTHER})

    assert (moved.url, moved.version, moved.secret_version) == (OTHER, 2, 2)
    assert await secret_of(world, moved) == secret
    told = (await world.events(Action.WEBHOOK_UPDATED))[-1]
    assert told.secret_version == 2
    assert told.details == {
        "host": "other.example.com:8443",
        "host_before": "hooks.example.com",
        "changed": ("url",),
    }


async def test_a_row_edited_to_go_elsewhere_does_not_open(world: World) -> None:
    made = await world.webhook()
    world.store.edit_webhook(replace(made, url=OTHER))

    with pytest.raises(SealBroken):
        await world.webhooks.test(world.operator, None, str(made.id))
    with pytest.raises(SealBroken):
        await world.webhooks.update(world.operator, None, str(made.id), None, {"url": HOOK})
    assert world.sender.sent == []


async def test_a_secret_of_another_version_never_agrees(world: World) -> None:
    made = await world.webhook()
    world.store.edit_webhook(replace(made, secret_version=2))

    with pytest.raises(SealBroken):
        await world.webhooks.test(world.operator, None, str(made.id))


async def test_kinds_and_disabling_change_without_a_new_seal(world: World) -> None:
    made = await world.webhook(kinds=("expiry.near",))
    changes = {"kinds": ["allowance.low"], "disabled": True}
    changed = await world.webhooks.update(world.operator, None, str(made.id), None, changes)
    everything = await world.webhooks.update(
        world.operator, None, str(made.id), None, {"kinds": []}
    )

    assert changed.kinds == (EventKind.ALLOWANCE_LOW,)
    assert changed.disabled
    assert (everything.kinds, everything.secret_version, everything.version) == ((), 1, 3)


@pytest.mark.parametrize(
    "changes", [{"url": "http://hooks.example.com"}, {"url": ""}, {"kinds": ["x"]}]
)
async def test_a_change_that_breaks_a_rule_changes_nothing(
    world: World, changes: dict[str, object]
) -> None:
    made = await world.webhook()

    with pytest.raises(InvalidInput):
        await world.webhooks.update(world.operator, None, str(made.id), None, changes)
    assert await world.webhooks.get(world.operator, None, str(made.id)) == made


async def test_a_change_to_what_moved_on_is_refused(world: World) -> None:
    id_ = str((await world.webhook()).id)

    with pytest.raises(VersionMismatch):
        await world.webhooks.update(world.operator, None, id_, 2, {"disabled": True})
    with pytest.raises(VersionMismatch):
        await world.webhooks.delete(world.operator, None, id_, 2)


@pytest.mark.parametrize("expected", [None, 1])
@pytest.mark.parametrize("moment", ["update_webhook", "webhook_secret"])
async def test_two_changes_at_once_both_count_or_one_is_refused(
    world: World, moment: str, expected: int | None
) -> None:
    made = await world.webhook()
    id_ = str(made.id)

    async def other() -> None:
        await world.webhooks.update(world.operator, None, id_, None, {"kinds": ["expiry.near"]})

    world.store.before[moment] = [other]
    change = world.webhooks.update(world.operator, None, id_, expected, {"url": OTHER})
    if expected is not None:
        with pytest.raises(VersionMismatch):
            await change
        return
    changed = await change

    assert (changed.url, changed.kinds) == (OTHER, (EventKind.EXPIRY_NEAR,))
    assert await secret_of(world, changed)


async def test_a_move_beside_a_rotation_takes_the_new_secret_along(world: World) -> None:
    made = await world.webhook()
    id_ = str(made.id)
    rotated = []

    async def other() -> None:
        rotated.append(await world.webhooks.rotate_secret(world.operator, None, id_))

    world.store.before["webhook_secret"] = [other]
    changed = await world.webhooks.update(world.operator, None, id_, None, {"url": OTHER})

    assert rotated[0].secret is not None
    assert await secret_of(world, changed) == rotated[0].secret.reveal()


async def test_changes_without_a_pause_are_an_end(world: World) -> None:
    id_ = str((await world.webhook()).id)
    acts = [
        lambda: world.webhooks.update(world.operator, None, id_, None, {"disabled": False}),
        lambda: world.webhooks.rotate_secret(world.operator, None, id_),
    ]

    async def other() -> None:
        found = await world.webhooks.get(world.operator, None, id_)
        world.store.edit_webhook(replace(found, version=found.version + 1))

    for act in acts:
        world.store.before["update_webhook"] = [other] * SWAP_ATTEMPTS
        with pytest.raises(StoreUnavailable):
            await act()


@pytest.mark.parametrize("given", [None, GIVEN])
async def test_a_rotated_secret_counts_at_once(world: World, given: Secret | None) -> None:
    made = await world.webhook()
    old = await secret_of(world, made)
    rotated = await world.webhooks.rotate_secret(world.operator, None, str(made.id), given)

    present = await secret_of(world, made)
    assert present != old
    if given is None:
        assert rotated.secret is not None
        assert present == rotated.secret.reveal()
    else:
        assert rotated.secret is None
        assert present == given.reveal()
    assert (rotated.webhook.version, rotated.webhook.secret_version) == (2, 2)
    told = (await world.events(Action.WEBHOOK_UPDATED))[-1]
    assert told.details == {"host": "hooks.example.com", "changed": ("secret",)}


async def test_a_bad_secret_rotates_nothing(world: World) -> None:
    made = await world.webhook()

    with pytest.raises(InvalidInput):
        await world.webhooks.rotate_secret(world.operator, None, str(made.id), Secret("x"))
    assert await world.webhooks.get(world.operator, None, str(made.id)) == made


async def test_deleted(world: World) -> None:
    made = await world.webhook()
    await world.webhooks.delete(world.operator, None, str(made.id), 1)

    with pytest.raises(WebhookNotFound):
        await world.webhooks.get(world.operator, None, str(made.id))
    assert [e.target for e in await world.events(Action.WEBHOOK_DELETED)] == [str(made.id)]


@pytest.mark.parametrize("status", DeliveryStatus)
@pytest.mark.parametrize("disabled", [True, False])
async def test_a_test_is_sent_now_and_says_what_came(
    world: World, status: DeliveryStatus, disabled: bool
) -> None:
    made = await world.webhook(disabled=disabled)
    world.sender.says = status

    assert await world.webhooks.test(world.operator, None, str(made.id)) is status
    await world.webhooks.test(world.operator, None, str(made.id))

    (url, secret, message, sent_at), second = world.sender.sent
    assert (url, sent_at) == (HOOK, world.clock())
    assert secret.reveal() == await secret_of(world, made)
    assert message.kind == "webhook.test"
    assert message.data == {
        "project": {"id": str(world.home.id), "number": 1, "name": "home"},
    }
    assert "." not in message.id
    assert second[2].id != message.id
    told = (await world.events(Action.WEBHOOK_TESTED))[-1]
    assert told.details == {"host": "hooks.example.com", "status": str(status)}
    # Nothing of the webhook moves, whatever the receiver said.
    assert await world.webhooks.get(world.operator, None, str(made.id)) == made


async def test_a_test_beyond_the_quota_is_refused(world: World) -> None:
    made = await world.webhook()
    world.sender.says = QuotaExceeded("messages to webhooks", 7)

    with pytest.raises(QuotaExceeded):
        await world.webhooks.test(world.operator, None, str(made.id))


async def test_a_test_counts_as_a_check_of_the_project(world: World) -> None:
    made = await world.webhook()
    for _ in range(CHECKS - 1):
        world.allowance.take(world.home.id)
    await world.webhooks.test(world.operator, None, str(made.id))

    with pytest.raises(QuotaExceeded) as refused:
        await world.webhooks.test(world.operator, None, str(made.id))
    with pytest.raises(WebhookNotFound):
        await world.webhooks.test(world.operator, None, str(UUID(int=1)))

    assert (refused.value.what, refused.value.retry_after) == ("checks for this project", 2)
    assert len(world.sender.sent) == len(await world.events(Action.WEBHOOK_TESTED)) == 1
    # Deliveries are the service's own doing, and go on.
    await world.happen()
    (claimed,) = await world.deliveries.claim(10)
    assert await world.deliveries.deliver(claimed) is DeliveryStatus.DELIVERED


async def test_a_foreign_webhook_is_a_missing_one(world: World) -> None:
    second = await world.project()
    foreign = await world.webhooks.create(world.operator, second.id, WebhookDraft(HOOK))
    admin = await world.caller(Role.ADMIN)
    id_ = str(foreign.webhook.id)

    for act in (
        world.webhooks.get(admin, None, id_),
        world.webhooks.update(admin, None, id_, None, {"disabled": True}),
        world.webhooks.rotate_secret(admin, None, id_),
        world.webhooks.test(admin, None, id_),
        world.webhooks.delete(admin, None, id_, None),
    ):
        with pytest.raises(WebhookNotFound):
            await act
    assert await world.webhooks.get(world.operator, second.id, id_) == foreign.webhook
    assert world.sender.sent == []
