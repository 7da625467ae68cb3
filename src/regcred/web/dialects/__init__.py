"""Every wire language the service speaks: an explicit list, one folder each.

A dialect knows no other dialect.
"""

from __future__ import annotations

from regcred.web.dialect import Dialect
from regcred.web.dialects import gcore, native, sevalla, yotta

DIALECTS: tuple[Dialect, ...] = (
    native.DIALECT,
    gcore.DIALECT,
    yotta.DIALECT,
    sevalla.DIALECT,
)
