"""What each stored kind of sealed value is bound to: the same as where it was sealed."""

from __future__ import annotations

from regcred.domain.credential import Delivery
from regcred.domain.ports import LoginPlace, SealContext
from regcred.domain.ports.sealed_rows import SealedKind, SealedRow
from regcred.usecases.kept_login import seal_place
from regcred.usecases.seal_secret import PASSWORD_FIELD
from regcred.usecases.seal_webhook import WEBHOOK_FIELD


def context_of(row: SealedRow, delivery: Delivery) -> SealContext:
    """Return the place that a row whose delivery could be read was sealed to."""
    if row.kind is SealedKind.LOGIN:
        place = LoginPlace(row.project_id, row.owner_id, row.part)
        return seal_place(place, row.secret_version, delivery)
    field = PASSWORD_FIELD if row.kind is SealedKind.PASSWORD else WEBHOOK_FIELD
    return SealContext(row.project_id, row.owner_id, field, row.secret_version, delivery)
