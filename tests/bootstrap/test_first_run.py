"""What the first start says is ready to paste, and its key is an operator's."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

import pytest

from regcred.adapters.sealing.service_keys import ServiceKeys
from regcred.bootstrap.first_run import first_commands, make_first_project, make_operator_key
from regcred.bootstrap.waves import Wave
from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.errors import ProjectNotFound
from regcred.domain.token import ApiToken
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.lock_out import LockOut
from tests.adapters.storage.samples import ALL_AUDIT, Clock, a_project
from tests.fakes.sealer import PlainSealer
from tests.fakes.store import MemoryStore

PROGRAMS = Path("/opt/regcred/bin")
DIGESTS = ServiceKeys.derive(bytes(32), os.urandom).key_digests


@pytest.mark.parametrize(
    "search_path",
    [
        "",
        "/usr/bin",
        "/usr/bin:/opt/regcred",
        "/opt/regcred/binaries:/usr/bin",
        "/opt/regcred/bin/x",
    ],
)
def test_commands_that_path_does_not_lead_to_come_with_a_line_for_it(search_path: str) -> None:
    said = first_commands("http://127.0.0.1:8080", PROGRAMS, search_path)

    assert '\n  export PATH="/opt/regcred/bin:$PATH"\n' in said
    assert said.index("export PATH") < said.index("regcred login")


@pytest.mark.parametrize("search_path", ["/opt/regcred/bin", "/usr/bin:/opt/regcred/bin:/bin"])
def test_commands_that_are_on_path_come_without(search_path: str) -> None:
    said = first_commands("http://127.0.0.1:8080", PROGRAMS, search_path)

    assert "PATH" not in said
    assert "  regcred login --url http://127.0.0.1:8080 " in said


async def test_the_first_project_has_a_key_that_may_everything() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    made = await make_first_project(
        store, PlainSealer(), DIGESTS, clock, lambda: UUID(int=7), os.urandom
    )

    caller = await Authenticate(store, DIGESTS, clock, LockOut(store, clock), Wave)(
        made.key.reveal(), request_id="r", peer="192.0.2.1"
    )

    assert (made.project.number, made.project.name) == (1, "default")
    assert (caller.project_id, caller.role, caller.operator) == (UUID(int=7), Role.ADMIN, True)
    rows = await store.list_audit(UUID(int=7), ALL_AUDIT, 0, 10)
    assert [(row.event.action, row.event.principal) for row in rows] == [
        (Action.KEY_CREATED, "operator:cli"),
        (Action.PROJECT_CREATED, "operator:cli"),
    ]
    assert made.key.reveal() not in repr((made, rows))


async def test_a_key_is_made_in_no_project_that_is_not_there() -> None:
    clock = Clock()
    with pytest.raises(ProjectNotFound):
        await make_operator_key(MemoryStore(clock), DIGESTS, clock, os.urandom, a_project())


async def test_every_key_is_another() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    made = await make_first_project(
        store, PlainSealer(), DIGESTS, clock, lambda: UUID(int=7), os.urandom
    )
    second = await make_operator_key(store, DIGESTS, clock, os.urandom, made.project)

    assert ApiToken.parse(second.reveal()).id != ApiToken.parse(made.key.reveal()).id
