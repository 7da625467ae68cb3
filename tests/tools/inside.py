"""The use cases over an opened state, for tests that need no server around them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from regcred.adapters.registries.limits import ProjectRate
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.bell import TaskBell, TaskBells
from regcred.bootstrap.state import State
from regcred.domain.ports import Registries
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.prove_login import ProveLogin
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
        ManageCredentials(store, sealer, prove, clock, state.new_id),
        VerifyCredential(store, sealer, registries, clock, allowance, exchanges),
    )
