"""`regcred scrub`: open every sealed row now, and verify the audit."""

from __future__ import annotations

import asyncio
import json

from regcred.bootstrap.audit_walk import AuditWalk
from regcred.bootstrap.set_back import set_back
from regcred.bootstrap.state import State, open_state
from regcred.domain.errors import StartRefused
from regcred.settings import Settings
from regcred.usecases.scrub_secrets import ScrubSecrets

OK, FAILED = 0, 1
_AT_ONCE = 500
_MOST = 100
"""Findings shown one by one; the rest are counted."""


def scrub(settings: Settings, output: str = "text") -> int:
    """Open and verify everything, also beside a server, and print what is wrong by id."""
    opened, audited, wrong = asyncio.run(_all(settings))
    if output == "json":
        told = {"ok": not wrong, "opened": opened, "audit_rows_upto": audited, "wrong": wrong}
        print(json.dumps(told))
    else:
        print(f"secrets opened       {opened}")
        print(f"audit verified       up to row {audited}")
        for finding in wrong[:_MOST]:
            print(f"WRONG: {finding}")
        if len(wrong) > _MOST:
            print(f"WRONG: and {len(wrong) - _MOST} more")
    return FAILED if wrong else OK


async def _all(settings: Settings) -> tuple[int, int, list[str]]:
    opened, wrong = 0, []
    async with open_state(settings, exclusive=False) as state:
        async for step in ScrubSecrets(state.store, state.sealer).walk(_AT_ONCE):
            opened += step.opened
            wrong += list(map(str, step.broken))
        if found := await state.store.look_apart(lambda looks: set_back(looks, 0)):
            wrong.append(f"the store was set back: {found}")
        audited, off = await _audit(state)
    return opened, audited, wrong + off


async def _audit(state: State) -> tuple[int, list[str]]:
    """Verify the audit: its last row's number, and what is wrong with it."""
    anchored, wrong = None, []
    try:
        anchored = state.anchor.known()
    except StartRefused as refused:
        wrong.append(str(refused))
    upto, off = await AuditWalk(state.store, state.keys.audit_chain).whole(anchored)
    return upto, wrong + off
