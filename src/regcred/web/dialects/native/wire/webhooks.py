"""Webhooks. A signing secret stands in exactly one answer: the one that made it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, PlainValidator, WithJsonSchema

from regcred.domain import webhook as domain
from regcred.domain.event import EventKind
from regcred.domain.secret import Secret
from regcred.domain.webhook import DeliveryStatus
from regcred.usecases.manage_webhooks import WebhookDraft, WebhookWithSecret
from regcred.web.dialects.native.wire.common import Page, Shape
from regcred.web.errors import rule
from regcred.web.shapes import example, patch_example

REPLAYED = (
    "This Idempotency-Key made the webhook before; its secret was shown then, if it was made here."
)
GIVEN = "The secret is the one that was given."

WEBHOOK = {
    "id": "019a9c1e-0000-7000-8000-000000000009",
    "url": "https://hooks.example.com/regcred",
    "kinds": ["verdict.changed"],
    "disabled": False,
    "created_at": "2026-11-21T10:00:00Z",
    "updated_at": "2026-11-21T10:00:00Z",
    "version": 1,
    "last_status": "delivered",
    "last_at": "2026-11-21T10:05:00Z",
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105  an example


def _kind(value: object) -> str:
    if not isinstance(value, str) or value not in set(EventKind):
        raise rule(f"must be of {', '.join(EventKind)}")
    return value


def _secret(value: object) -> Secret:
    if not isinstance(value, str):
        raise rule("must be text")
    return Secret(value, field="secret")


Kind = Annotated[
    str,
    PlainValidator(_kind),
    WithJsonSchema({"type": "string", "enum": [str(kind) for kind in EventKind]}),
]
_Kinds: list[Kind] = Field(
    default_factory=list, description="What it is told of. Empty: of everything."
)
SigningSecret = Annotated[
    Secret,
    PlainValidator(_secret),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "pattern": "^whsec_[A-Za-z0-9+/]+={0,2}$",
            "description": "24 to 64 bytes in base64 after `whsec_`. Left away, one is made.",
            "examples": [_SECRET],
        }
    ),
]


class Webhook(Shape):
    """An address that a project's events go to, without its secret."""

    model_config = example(**WEBHOOK)

    id: UUID
    url: str
    kinds: list[EventKind] = Field(description="What it is told of. Empty: of everything.")
    disabled: bool = Field(description="Nothing is sent. A receiver's 410 sets it.")
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the ETag.")
    last_status: DeliveryStatus | None = Field(description="What came of the last attempt.")
    last_at: datetime | None

    @classmethod
    def of(cls, webhook: domain.Webhook) -> Webhook:
        """Render a webhook."""
        return cls(
            id=webhook.id,
            url=webhook.url,
            kinds=list(webhook.kinds),
            disabled=webhook.disabled,
            created_at=webhook.created_at,
            updated_at=webhook.updated_at,
            version=webhook.version,
            last_status=webhook.last_status,
            last_at=webhook.last_at,
        )


class WebhookPage(Page[Webhook]):
    """A project's webhooks by id."""


class MadeWebhook(Webhook):
    """A webhook with its new signing secret, shown this once."""

    model_config = example(
        **WEBHOOK | {"last_status": None, "last_at": None}, secret=_SECRET, note=None
    )

    secret: str | None = Field(description="What to verify signatures with; null says `note` why.")
    note: str | None

    @classmethod
    def made(cls, made: WebhookWithSecret) -> MadeWebhook:
        """Render a new secret; it leaves here and nowhere else."""
        shown = Webhook.of(made.webhook).model_dump()
        if made.secret is None:
            return cls(**shown, secret=None, note=REPLAYED if made.replayed else GIVEN)
        return cls(**shown, secret=made.secret.reveal(), note=None)


class NewWebhook(Shape):
    """A webhook to make."""

    model_config = example(url="https://hooks.example.com/regcred", kinds=["verdict.changed"])

    url: str = Field(
        json_schema_extra={"minLength": 1, "maxLength": 2048},
        description="https, without user information or fragment. http only where the operator "
        "allows it for the host.",
    )
    kinds: list[Kind] = _Kinds
    disabled: bool = False
    secret: SigningSecret | None = None

    def draft(self) -> WebhookDraft:
        """Return what the use case takes."""
        return WebhookDraft(self.url, tuple(self.kinds), self.disabled, self.secret)


class WebhookPatch(Shape):
    """What to change of a webhook (JSON merge patch; nothing here can be null)."""

    model_config = patch_example(disabled=False)

    url: str = Field(default="", json_schema_extra={"minLength": 1, "maxLength": 2048})
    kinds: list[Kind] = _Kinds
    disabled: bool = False

    def changes(self) -> dict[str, object]:
        """Return what was given."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class RotateSecret(Shape):
    """Which secret to sign with from now on; without one, a new one is made."""

    model_config = example()

    secret: SigningSecret | None = None


class WebhookTest(Shape):
    """What came of a test message."""

    model_config = example(status="delivered")

    status: DeliveryStatus

    @classmethod
    def of(cls, status: DeliveryStatus) -> WebhookTest:
        """Render a status."""
        return cls(status=status)
