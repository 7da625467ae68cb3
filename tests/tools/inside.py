"""The use cases over an opened state, for tests that need no server around them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from regcred.adapters.registries.limits import ProjectRate
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.bell import TaskBell, TaskBells
from regcred.bootstrap.state import State
from regcred.bootstrap.waves import Wave
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import RegistryCredential, derive_scopes
from regcred.domain.ports import Registries
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.seal_secret import seal_for
from regcred.usecases.verify_credential import VerifyCredential

PLENTY = 1_000_000


@dataclass(frozen=True, slots=True)
class UseCases:
    """What tests do to credentials."""

    exchanges: ExchangeLogins
    credentials: ManageCredentials
    verify: VerifyCredential


def keeper_of(state: State) -> AuditKeeper:
    """Return what keeps the audit's chain."""
    return AuditKeeper(state.store, state.keys.audit_chain, state.anchor, state.clock)


def use_cases(state: State, registries: Registries) -> UseCases:
    """Wire them as the service does, without its quotas."""
    store, sealer, clock = state.store, state.sealer, state.clock
    allowance = ProjectRate(PLENTY, time.monotonic)
    exchanges = ExchangeLogins(
        store, sealer, registries, clock, state.random, allowance, TaskBell(), TaskBells()
    )
    prove = ProveLogin(store, registries, allowance, exchanges)
    return UseCases(
        exchanges,
        ManageCredentials(store, sealer, prove, clock, state.new_id, Wave),
        VerifyCredential(store, sealer, registries, clock, allowance, exchanges),
    )


async def add_project(state: State, name: str) -> Project:
    """Store a project."""
    now = state.clock()
    project = Project(state.new_id(), 0, name, now, now)
    seed = await state.sealer.new_seed(str(project.id))
    created = event_of(state, Action.PROJECT_CREATED, project.id)
    return await state.store.create_project(project, seed, created)


async def add_login(
    state: State, project_id: UUID, name: str, url: str, password: str
) -> RegistryCredential:
    """Store a login whose secret nothing exchanges."""
    now = state.clock()
    login = RegistryCredential(
        state.new_id(), 0, project_id, name, "generic", "robot", now, now,
        registry_url=url, scopes=derive_scopes(url),
    )  # fmt: skip
    seed = await state.store.project_seed(project_id)
    sealed = await seal_for(state.sealer, seed, login, Secret(password))
    created = event_of(state, Action.CREDENTIAL_CREATED, project_id, login.id)
    return await state.store.create_credential(login, sealed, created)


def event_of(
    state: State, action: Action, project_id: UUID, target: UUID | None = None
) -> AuditEvent:
    """Return what is audited of a project, or of a first version of something in it."""
    version = None if target is None else 1
    return AuditEvent(action, project_id, "test", state.clock(), str(target or project_id), version)
