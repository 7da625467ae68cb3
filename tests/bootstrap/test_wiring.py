"""What is put together hangs together: claims on a whole process's parts, without its web."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import islice

from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.state import open_state
from regcred.bootstrap.wiring import open_registries, wire
from regcred.domain.access import Caller, Principal, Role
from regcred.domain.credential import Draft
from regcred.domain.ports import LoginPlace
from regcred.domain.ports.measuring import UNMEASURED
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind
from regcred.usecases.kept_login import Exchangeable, NoLogin, Patience
from tests.bootstrap.conftest import Place
from tests.tools.inside import keeper_of, use_cases
from tests.tools.programs import LOOPBACK, free_port
from tests.usecases.world import HandClock

AWS = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


async def test_pulls_wait_for_half_of_the_places_that_are_set(place: Place) -> None:
    """Nobody exchanges anything here: those who wait are left waiting."""
    settings = place.settings.model_copy(update={"concurrency": 16})
    async with open_state(settings, exclusive=True) as state:
        made = await first_run(state)
        registries = open_registries(settings, state)
        parts = wire(settings, state, keeper_of(state), registries, UNMEASURED)
        exchanges = parts.renewals.exchanges
        caller = Caller(Principal("key", "test"), made.project.id, Role.ADMIN)
        draft = Draft(
            "aws", "AKIAIOSFODNN7EXAMPLE", Secret("a secret"), AWS, provider="ecr"
        )  # fmt: skip
        stored = await use_cases(state, registries).credentials.create(caller, None, draft)
        login = LoginPlace(str(made.project.id), str(stored.id), "eu-west-1")
        wanted = Exchangeable(login, 1, stored.delivery, stored.standing)
        patience = Patience(state.clock() + timedelta(minutes=1))
        pulls = [asyncio.create_task(exchanges.login(wanted, patience)) for _ in range(20)]
        async with asyncio.timeout(20):
            ended = [await one for one in islice(asyncio.as_completed(pulls), 12)]
        waiting = [pull for pull in pulls if not pull.done()]
        for pull in waiting:
            pull.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    assert len(waiting) == 8
    assert all(isinstance(one, NoLogin) for one in ended)


async def test_automatic_checks_leave_half_of_a_hosts_rate_to_people(place: Place) -> None:
    """Nobody listens at the port: what counts is who may ask."""
    settings = place.settings.model_copy(
        update={
            "verify_per_host": 8,
            "allow_networks": ["127.0.0.0/8"],
            "allow_http": [LOOPBACK],
        }
    )
    draft = Draft("hub", "puller", Secret("a password"), f"http://{LOOPBACK}:{free_port()}")
    async with open_state(settings, exclusive=True) as opened:
        clock = HandClock()
        state = replace(opened, clock=clock)
        made = await first_run(state)
        registries = open_registries(settings, state)
        caller = Caller(Principal("key", "test"), made.project.id, Role.ADMIN)
        for n in range(10):
            await use_cases(state, registries).credentials.create(
                caller, None, replace(draft, name=f"login{n}")
            )
        clock.forward(hours=27)
        parts = wire(settings, state, keeper_of(state), registries, UNMEASURED)
        checked = await parts.rechecker.turn()
        kinds = [
            (await registries.verify(draft.delivery, draft.password, None)).kind for _ in range(4)
        ]

    assert 4 <= checked < 10
    assert set(kinds) == {VerdictKind.UNREACHABLE}
