"""A store with something sealed of every kind, through the doors that requests use."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from regcred.bootstrap.state import State, open_state
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.ports import LoginPlace, SealedLogin
from regcred.domain.secret import Secret
from regcred.domain.webhook import SECRET_PREFIX, Webhook
from regcred.settings import Settings
from regcred.usecases.kept_login import seal_place
from regcred.usecases.seal_secret import open_current
from regcred.usecases.seal_webhook import seal_webhook
from tests.tools.inside import add_login, add_project, event_of

PASSWORDS = ["Hunter2-of-one", "Hunter2-of-two"]
URL = "registry.example.com/team"


async def fill(settings: Settings) -> None:
    """Put a login, an exchanged login and a webhook into project 1, and a login into a second."""
    async with open_state(settings, exclusive=False) as state:
        first = await state.store.find_project(1)
        await _exchange(state, await add_login(state, first.id, "login", URL, PASSWORDS[0]))
        await _add_webhook(state, first.id)
        second = await add_project(state, "second")
        await add_login(state, second.id, "login", URL, PASSWORDS[1])


async def passwords(settings: Settings) -> list[str]:
    """Return what every login's secret opens to, by project."""
    async with open_state(settings, exclusive=False) as state:
        found = []
        for project in await state.store.list_projects(0, 100):
            _, secret = await open_current(state.store, state.sealer, project.id, "login")
            found.append(secret.reveal())
        return found


async def _exchange(state: State, login: RegistryCredential) -> None:
    now = state.clock()
    later = now + timedelta(hours=1)
    place = LoginPlace(str(login.project_id), str(login.id), "")
    seed = await state.store.project_seed(login.project_id)
    context = seal_place(place, 1, login.delivery)
    sealed = await state.sealer.seal(seed, context, Secret("short-lived"))
    await state.store.plan_login(place, 1, now)
    await state.store.claim_due_logins("claim", now, later, 10)
    kept = SealedLogin(1, seed, sealed, later, later)
    event = event_of(state, Action.CREDENTIAL_EXCHANGED, login.project_id, login.id)
    assert await state.store.keep_login(place, "claim", kept, event)


async def _add_webhook(state: State, project_id: UUID) -> None:
    now = state.clock()
    webhook = Webhook(state.new_id(), project_id, "https://hooks.example/in", now, now)
    secret = Secret(SECRET_PREFIX + "c2VjcmV0LW9mLWF0LWxlYXN0LTI0LWJ5dGVz")
    sealed = await seal_webhook(state.store, state.sealer, webhook, secret)
    event = event_of(state, Action.WEBHOOK_CREATED, project_id, webhook.id)
    await state.store.create_webhook(webhook, sealed, event)
