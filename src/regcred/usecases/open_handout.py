"""The logins of one hand-out: each opened once for its registry, as far as there is room.

All of them stand in one body, which is made in one go while every other request waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from regcred.domain.errors import InvalidInput
from regcred.domain.handout import Entry, Opened
from regcred.domain.ports import Candidate
from regcred.domain.registry import RegistryAddress, Scope
from regcred.usecases.kept_login import Patience
from regcred.usecases.open_login import OpenLogin, Withheld

MAX_BYTES = 1024 * 1024
"""Of passwords in one hand-out, each once for each scope: what a Kubernetes Secret holds."""


@dataclass(slots=True)
class Opening:
    """One hand-out under way."""

    project_id: str
    force: bool
    patience: Patience
    open: OpenLogin
    opened: dict[tuple[str, str], Opened | None] = field(default_factory=dict)
    withheld: dict[tuple[str, str], str] = field(default_factory=dict)
    """(name, verdict) -> the reason, if an exchange failed."""

    versions: dict[str, int] = field(default_factory=dict)
    _counted: set[tuple[str, Scope | None]] = field(default_factory=set)
    _size: int = 0

    async def entry(
        self, candidate: Candidate, scope: Scope | None, address: RegistryAddress | None
    ) -> Entry:
        """Return a login at a scope. Raise InvalidInput, and what OpenLogin raises."""
        place = (candidate.id, str(address or ""))
        if place not in self.opened:
            self.opened[place] = await self._opened(candidate, address)
        opened = self.opened[place]
        if opened is not None:
            self._count((candidate.id, scope), opened)
        return Entry(candidate.id, candidate.name, scope, opened)

    def _count(self, where: tuple[str, Scope | None], opened: Opened) -> None:
        if where not in self._counted:
            self._counted.add(where)
            self._size += opened.size
        if self._size > MAX_BYTES:
            raise InvalidInput(
                "credential",
                "must narrow what is handed out (or image must): these passwords are more than "
                f"{MAX_BYTES} bytes",
            )

    async def _opened(self, candidate: Candidate, address: RegistryAddress | None) -> Opened | None:
        self.versions[candidate.id] = candidate.secret_version
        if candidate.standing.withheld and not self.force:
            self.withheld.setdefault((candidate.name, str(candidate.standing.last)), "")
            return None
        login = await self.open(self.project_id, candidate, address, self.patience)
        if isinstance(login, Withheld):
            self.withheld.setdefault((candidate.name, login.verdict), login.reason)
            return None
        return Opened(login.username, login.password, login.expires_at)
