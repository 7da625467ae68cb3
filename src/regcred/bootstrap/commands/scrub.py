"""`regcred scrub`: open every sealed row now."""

from __future__ import annotations

import asyncio
import json

from regcred.bootstrap.set_back import set_back
from regcred.bootstrap.state import open_state
from regcred.settings import Settings
from regcred.usecases.scrub_secrets import ScrubSecrets

OK, FAILED = 0, 1
_AT_ONCE = 500
_MOST = 100
"""Findings shown one by one; the rest are counted."""


def scrub(settings: Settings, output: str = "text") -> int:
    """Open everything, also beside a server, and print what does not open by id."""
    opened, wrong = asyncio.run(_all(settings))
    if output == "json":
        print(json.dumps({"ok": not wrong, "opened": opened, "wrong": wrong}))
    else:
        print(f"secrets opened       {opened}")
        for finding in wrong[:_MOST]:
            print(f"WRONG: {finding}")
        if len(wrong) > _MOST:
            print(f"WRONG: and {len(wrong) - _MOST} more")
    return FAILED if wrong else OK


async def _all(settings: Settings) -> tuple[int, list[str]]:
    opened, wrong = 0, []
    async with open_state(settings, exclusive=False) as state:
        async for step in ScrubSecrets(state.store, state.sealer).walk(_AT_ONCE):
            opened += step.opened
            wrong += list(map(str, step.broken))
        if found := await state.store.look_apart(lambda looks: set_back(looks, 0)):
            wrong.append(f"the store was set back: {found}")
    return opened, wrong
