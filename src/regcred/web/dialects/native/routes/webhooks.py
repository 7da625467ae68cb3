"""Webhooks: where a project's events are sent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from regcred.web.dialects.native.paths import Position, ProjectPath, WebhookPath
from regcred.web.dialects.native.wire.common import Listing
from regcred.web.dialects.native.wire.webhooks import (
    MadeWebhook,
    NewWebhook,
    RotateSecret,
    Webhook,
    WebhookPage,
    WebhookPatch,
    WebhookTest,
)
from regcred.web.routing import Call, StrictRoute, mark_replayed, rendered

router = APIRouter(
    route_class=StrictRoute, tags=["webhooks"], prefix="/v1/projects/{project}/webhooks"
)


@router.get("", operation_id="listWebhooks", response_model=WebhookPage)
async def list_webhooks(
    call: Call, project: ProjectPath, page: Annotated[Listing, Query()]
) -> Response:
    """List a project's webhooks by id, without their secrets."""
    position = Position(call, project, "webhooks")
    rows = await call.services.webhooks.list(
        call.caller, project, position.text(page.cursor), page.limit + 1
    )
    rows, cursor = position.cut(rows, page, lambda webhook: str(webhook.id))
    return rendered(WebhookPage(items=[Webhook.of(row) for row in rows], next_cursor=cursor))


@router.post("", operation_id="createWebhook", response_model=MadeWebhook, status_code=201)
async def create_webhook(call: Call, project: ProjectPath, body: NewWebhook) -> Response:
    """Have events sent somewhere. The secret is in this answer and never again."""
    made = await call.services.webhooks.create(
        call.caller, project, body.draft(), call.idempotent()
    )
    answer = rendered(MadeWebhook.made(made), 201, version=made.webhook.version)
    return mark_replayed(answer, replayed=made.replayed)


@router.get("/{webhook}", operation_id="getWebhook", response_model=Webhook)
async def get_webhook(call: Call, project: ProjectPath, webhook: WebhookPath) -> Response:
    """Show a webhook without its secret, and what came of the last attempt."""
    found = await call.services.webhooks.get(call.caller, project, webhook)
    return rendered(Webhook.of(found), version=found.version)


@router.patch("/{webhook}", operation_id="updateWebhook", response_model=Webhook)
async def update_webhook(
    call: Call, project: ProjectPath, webhook: WebhookPath, body: WebhookPatch
) -> Response:
    """Move, narrow, disable or re-enable a webhook. What waits is dropped when it is disabled."""
    expected = await call.expected_version(lambda: _version(call, project, webhook))
    changed = await call.services.webhooks.update(
        call.caller, project, webhook, expected, body.changes()
    )
    return rendered(Webhook.of(changed), version=changed.version)


@router.delete("/{webhook}", operation_id="deleteWebhook", status_code=204)
async def delete_webhook(call: Call, project: ProjectPath, webhook: WebhookPath) -> Response:
    """Send nothing more there."""
    expected = await call.expected_version(lambda: _version(call, project, webhook))
    await call.services.webhooks.delete(call.caller, project, webhook, expected)
    return Response(status_code=204)


@router.post(
    "/{webhook}:rotate-secret", operation_id="rotateWebhookSecret", response_model=MadeWebhook
)
async def rotate_webhook_secret(
    call: Call, project: ProjectPath, webhook: WebhookPath, body: RotateSecret | None = None
) -> Response:
    """Sign with a new secret from now on. It is in this answer and never again."""
    given = None if body is None else body.secret
    rotated = await call.services.webhooks.rotate_secret(call.caller, project, webhook, given)
    return rendered(MadeWebhook.made(rotated), version=rotated.webhook.version)


@router.post("/{webhook}:test", operation_id="testWebhook", response_model=WebhookTest)
async def test_webhook(call: Call, project: ProjectPath, webhook: WebhookPath) -> Response:
    """Send one test message now and say what came. Every outcome is a 200."""
    status = await call.services.webhooks.test(call.caller, project, webhook)
    return rendered(WebhookTest.of(status))


async def _version(call: Call, project: ProjectPath, webhook: str) -> int:
    return (await call.services.webhooks.get(call.caller, project, webhook)).version
