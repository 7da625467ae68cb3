"""Every wire language the service speaks: an explicit list, one folder each.

A dialect knows no other dialect.
"""

from __future__ import annotations

from regcred.web.dialect import Dialect
from regcred.web.dialects import native

DIALECTS: tuple[Dialect, ...] = (native.DIALECT,)
