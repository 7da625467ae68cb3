"""Start on a data folder as the service does, in this process, and read all that is in it.

What a start refuses and what does not open is kept as the error it was: whether that is right is
the asking module's to judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from structlog.testing import capture_logs

from regcred.bootstrap.state import State, open_state
from regcred.domain.errors import RegcredError
from regcred.domain.ports import Candidate, CredentialFilter, SealContext
from regcred.domain.registry import RegistryAddress
from regcred.settings import Settings
from regcred.usecases.seal_secret import PASSWORD_FIELD
from tests.tools.inside import keeper_of
from tools.campaign.story import PRESENT, Thing, host_of

_PAGE = 200


@dataclass
class Reading:
    """What was found in a folder."""

    refused: BaseException | None = None
    """Why it does not start; then nothing else is known."""

    found: dict[Thing, str] = field(default_factory=dict)
    errors: dict[Thing, BaseException] = field(default_factory=dict)
    """What is there and cannot be had, by the error that says so."""

    where: dict[str, str] = field(default_factory=dict)
    """For each login that opened, where it is for and as whom: `scope user`."""

    audited: set[str] = field(default_factory=set)
    logged: list[MutableMapping[str, Any]] = field(default_factory=list)


Also = Callable[[State, "Reading"], Awaitable[None]]
"""What else to look at in a store that was started."""


async def read(
    data: Path, things: list[Thing] | None = None, *, also: Also | None = None
) -> Reading:
    """Start on `data`, its audit checked as a start does, and read every thing, or `things`."""
    reading = Reading()
    with capture_logs() as reading.logged:
        try:
            async with open_state(Settings(data=data), exclusive=True) as state:
                await keeper_of(state).check(accept_rollback=False)
                await _read(state, reading, things)
                if also is not None:
                    await also(state, reading)
        except Exception as error:  # noqa: BLE001  the module judges which errors may be
            reading.refused = error
    return reading


async def _read(state: State, reading: Reading, things: list[Thing] | None) -> None:
    store = state.store
    rows = await store._all("SELECT request_id, last_request_id FROM audit_events")  # noqa: SLF001  no page at a time
    reading.audited = {one for row in rows for one in row}
    for project in await store.list_projects(0, _PAGE):
        logins = await had(reading, ("project", project.name), _logins(state, project.id))
        names = [thing[1] for thing in things if thing[0] == "login"] if things else logins or []
        for name in names:
            await had(reading, ("login", name), _login(state, reading, project.id, name))
        for row in await store._all(  # noqa: SLF001  likewise
            "SELECT c.name, u.name FROM uses u JOIN credentials c"
            " ON c.project_id = u.project_id AND c.id = u.credential_id"
        ):
            reading.found["use", row[0], row[1]] = PRESENT
        for row in await store._all("SELECT name FROM api_keys"):  # noqa: SLF001  likewise
            reading.found["key", row[0]] = PRESENT


async def had(reading: Reading, thing: Thing, coming: Awaitable[Any]) -> Any:
    """Return what comes, or keep the error of a thing that cannot be had and return None."""
    try:
        return await coming
    except Exception as error:  # noqa: BLE001  the module judges which errors may be
        reading.errors[thing] = error
        return None


async def _logins(state: State, project_id: UUID) -> list[str]:
    names: list[str] = []
    after = 0
    while page := await state.store.list_credentials(project_id, CredentialFilter(), after, _PAGE):
        names += [credential.name for credential in page]
        after = page[-1].number
    return names


async def _login(state: State, reading: Reading, project_id: UUID, name: str) -> None:
    """Find a login as a pull does, and open it."""
    address = RegistryAddress(host_of(name))
    found = await state.store.read_for_resolve(None, project_id, address, "app")
    for candidate in found.candidates[:1]:
        password = await open_login(state, str(project_id), candidate)
        reading.found["login", name] = password
        reading.where[name] = f"{candidate.matched} {candidate.delivery.username}"


async def open_login(state: State, project_id: str, candidate: Candidate) -> str:
    """Return a login's password. Raise SealBroken."""
    context = SealContext(
        project_id, candidate.id, PASSWORD_FIELD, candidate.secret_version, candidate.delivery
    )
    return (await state.sealer.open(candidate.seed, context, candidate.sealed)).reveal()


def typed(error: BaseException) -> bool:
    """Whether an error is one that the product means to raise."""
    return isinstance(error, RegcredError)


def read_now(data: Path, things: list[Thing] | None = None, *, also: Also | None = None) -> Reading:
    """Do `read` in an event loop of its own."""
    return asyncio.run(read(data, things, also=also))
