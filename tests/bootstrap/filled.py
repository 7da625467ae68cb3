"""A store with one of everything that is sealed, written as the service writes it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.state import State, open_state
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import RegistryCredential
from regcred.domain.ports import LoginPlace
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.domain.webhook import Webhook
from regcred.settings import Settings
from regcred.usecases.kept_login import seal_place
from regcred.usecases.seal_secret import seal_for
from regcred.usecases.seal_webhook import seal_webhook
from tests.adapters.storage.samples import a_credential, new_id
from tests.bootstrap.conftest import Place
from tests.tools.inside import keeper_of
from tests.tools.programs import Finished

SECRET = "correct horse battery"


class Filled(NamedTuple):
    """What was made."""

    project: Project
    credentials: list[RegistryCredential]
    webhook: Webhook


async def fill(settings: Settings, logins: int = 3) -> Filled:
    """Make project 1 with passwords, one exchanged login and a webhook, and anchor its audit."""
    async with open_state(settings, exclusive=True) as state:
        await first_run(state)
        project = await state.store.find_project(1)
        made = [await add(state, project, f"login-{n}") for n in range(logins)]
        await _exchange(state, settings.store_directory, made[0])
        webhook = Webhook(new_id(), project.id, "https://a.example", state.clock(), state.clock())
        secret = await seal_webhook(state.store, state.sealer, webhook, Secret(SECRET))
        event = _event(state, Action.WEBHOOK_CREATED, project, str(webhook.id), 1)
        await state.store.create_webhook(webhook, secret, event)
        await keeper_of(state).link()
    return Filled(project, made, webhook)


async def add(state: State, project: Project, name: str) -> RegistryCredential:
    """Store a login as the service does."""
    login = a_credential(project.id, name, settings={"region": "eu"})
    seed = await state.store.project_seed(project.id)
    sealed = await seal_for(state.sealer, seed, login, Secret(SECRET))
    event = _event(state, Action.CREDENTIAL_CREATED, project, str(login.id), 1)
    return await state.store.create_credential(login, sealed, event)


def edit(settings: Settings, *statements: str) -> None:
    """Write into the store as someone without the keys could."""
    with closing(sqlite3.connect(settings.store_directory / "regcred.db")) as file, file:
        for statement in statements:
            file.execute(statement)


async def _exchange(state: State, directory: Path, login: RegistryCredential) -> None:
    place = LoginPlace(str(login.project_id), str(login.id), "eu-1")
    seed = await state.store.project_seed(login.project_id)
    context = seal_place(place, 1, login.delivery)
    sealed = await state.sealer.seal(seed, context, Secret(SECRET))
    with closing(sqlite3.connect(directory / "regcred.db")) as file, file:
        file.execute(
            "INSERT INTO credential_logins (project_id, credential_id, place, secret_version, "
            "seed_generation, sealed) VALUES (?, ?, ?, 1, ?, ?)",
            (*place, seed.generation, sealed),
        )


def _event(state: State, action: Action, project: Project, target: str, version: int) -> AuditEvent:
    return AuditEvent(action, project.id, "operator:cli", state.clock(), target, version)


async def in_thread(place: Place, command: str, *words: str, **options: object) -> Finished:
    """Run a command, which has an event loop of its own, beside the test's."""
    return await asyncio.to_thread(place.run, command, *words, **options)
