"""What each stored kind of sealed value is bound to: the same as where it was sealed."""

from __future__ import annotations

from regcred.domain.ports import LoginPlace, SealContext
from regcred.domain.ports.rotation import SealedRow
from regcred.usecases.kept_login import seal_place
from regcred.usecases.seal_secret import PASSWORD_FIELD
from regcred.usecases.seal_webhook import WEBHOOK_FIELD

KINDS = ("secret", "login", "webhook")
"""Every kind of `SealedRow`."""


def context_of(row: SealedRow) -> SealContext:
    """Return the place that a sealed value was sealed to."""
    if row.kind == "login":
        place = LoginPlace(row.project_id, row.owner_id, row.part)
        return seal_place(place, row.secret_version, row.delivery)
    field = WEBHOOK_FIELD if row.kind == "webhook" else PASSWORD_FIELD
    return SealContext(row.project_id, row.owner_id, field, row.secret_version, row.delivery)
