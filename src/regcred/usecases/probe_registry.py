"""Ask a registry what it wants of a login, before there is one."""

from __future__ import annotations

from collections.abc import Mapping

from regcred.domain import credential
from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.ports import Allowance, ProjectRef, Registries, Store
from regcred.domain.verdict import Probe
from regcred.usecases.manage_projects import reach_project


class ProbeRegistry:
    """Questions to registries without a login."""

    def __init__(self, store: Store, registries: Registries, allowance: Allowance) -> None:
        self._store = store
        self._registries = registries
        self._allowance = allowance

    async def __call__(
        self,
        caller: Caller,
        ref: ProjectRef | None,
        registry_url: str,
        settings: Mapping[str, str],
    ) -> Probe:
        """Ask, and record that it was asked and the verdict.

        Raise ProjectNotFound, AccessDenied, InvalidInput, QuotaExceeded.
        """
        project = await reach_project(self._store, caller, ref, Permission.VERIFY)
        credential.registry_url(registry_url)
        settings = credential.settings(settings)
        self._allowance.take(project.id)
        probe = await self._registries.probe(registry_url, settings)
        event = AuditEvent.by(
            caller,
            Action.REGISTRY_PROBED,
            project.id,
            probe.asked_at,
            verdict=str(probe.kind),
            registry=probe.registry,
        )
        await self._store.record(event)
        return probe
