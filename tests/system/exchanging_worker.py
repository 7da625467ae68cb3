"""One of several processes that renew exchanged logins on one store, as a test starts them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

from regcred.adapters.registries.registries import RealRegistries
from regcred.bootstrap.bell import TaskBell
from regcred.bootstrap.first_run import make_first_project
from regcred.bootstrap.renewals import Renewals
from regcred.bootstrap.state import State, open_state
from regcred.domain.access import Caller, Principal, Role
from regcred.domain.credential import Draft
from regcred.domain.secret import Secret
from regcred.settings import Settings
from tests.tools.inside import PLENTY, use_cases
from tests.tools.minter import HOST, USER
from tests.tools.programs import LOOPBACK


def fill(folder: Path, tokens: Sequence[str]) -> None:
    """Make a store with one login for each token; every one is due."""

    async def work() -> None:
        async with open_state(Settings(data=folder), exclusive=True) as state:
            made = await make_first_project(
                state.store, state.sealer, state.digests, state.clock, state.new_id, state.random
            )
            using = use_cases(state, _registries(state, "http://127.0.0.1:1"))
            caller = Caller(Principal("test", "fill"), made.project.id, Role.ADMIN, operator=True)
            await asyncio.gather(
                *(
                    using.credentials.create(
                        caller,
                        None,
                        Draft(
                            f"login-{number}",
                            USER,
                            Secret(token),
                            f"https://{HOST}/r{number}",
                            provider="digitalocean",
                        ),
                    )
                    for number, token in enumerate(tokens)
                )
            )

    asyncio.run(work())


def renew(folder: Path, cloud: str) -> None:
    """Renew what is due until nothing is, and leave how much that left in `left.json`."""

    async def work() -> None:
        async with open_state(Settings(data=folder), exclusive=False) as state:
            exchanges = use_cases(state, _registries(state, cloud)).exchanges
            renewals = Renewals(exchanges, TaskBell())
            while await renewals.turn():
                pass
            left = len(await exchanges.claim_due(PLENTY))
            (folder / "left.json").write_text(json.dumps(left))

    asyncio.run(work())


def _registries(state: State, cloud: str) -> RealRegistries:
    return RealRegistries(
        state.clock,
        time.monotonic,
        allow_networks=("127.0.0.0/8",),
        allow_http=(LOOPBACK,),
        exchange_rate=PLENTY,
        endpoints={"digitalocean": cloud},
    )
