"""The service's own language: `/v1`, bearer keys, RFC 9457 problems, ETags, cursors."""

from __future__ import annotations

from regcred.web.dialect import Dialect
from regcred.web.dialects.native.application import make_app
from regcred.web.dialects.native.problems import TABLE, render

DIALECT = Dialect(
    name="native",
    prefixes=("/v1",),
    make_app=make_app,
    statuses={fact: row.status for fact, row in TABLE.items()},
    render_error=render,
)
