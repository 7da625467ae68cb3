"""What is told of a running service to whoever watches it: readiness, and figures to scrape."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.heartbeat import Heartbeat
from regcred.bootstrap.log_lines import ALLOW_LIST
from regcred.bootstrap.scrubber import Scrubber
from regcred.bootstrap.server import Stopping
from regcred.bootstrap.shared_answer import SharedAnswer
from regcred.bootstrap.state import State
from regcred.domain.errors import RegcredError, StoreUnavailable

if TYPE_CHECKING:
    from regcred.adapters.metrics.figures import Figures

OK = "ok"


@dataclass(slots=True)
class Watch:
    """Looks at the parts of one process, once a second at most for whoever may ask."""

    state: State
    keeper: AuditKeeper
    tasks: Mapping[str, Heartbeat]
    """What runs beside the server and the keeper, by name."""

    due: Callable[[], Awaitable[int]]
    """Counts the automatic checks that are due. Raises StoreUnavailable."""

    stopping: Stopping
    scrubber: Scrubber

    _needed: SharedAnswer[Mapping[str, str]] = field(init=False)
    _watched: SharedAnswer[Mapping[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        """Let those who ask at once share what is found."""
        self._needed = SharedAnswer(self._look_at_needed)
        self._watched = SharedAnswer(self._look_at_watched)

    async def needed(self) -> Mapping[str, str]:
        """Ask each part that a request needs: its name -> "ok", or what is wrong with it."""
        checks = await self._needed()
        return {**checks, "service": "stops"} if self.stopping.begun else checks

    async def watched(self) -> Mapping[str, str]:
        """Look at what requests do without, likewise."""
        return await self._watched()

    async def _look_at_needed(self) -> Mapping[str, str]:
        checks = {"store": OK, "keyring": OK, "migrations": OK}
        try:
            await self.state.store.check()
        except RegcredError:
            checks["store"] = "does not read and write"
        if not self.state.keyring.remote:
            try:
                await self.state.sealer.new_seed("readiness")
            except RegcredError:
                checks["keyring"] = "does not wrap a key"
        try:
            if not await self.state.store.at_head():
                checks["migrations"] = "the schema is not this program's"
        except RegcredError:
            checks["migrations"] = "not known: the store does not answer"
        return checks

    async def _look_at_watched(self) -> Mapping[str, str]:
        checks = {"audit chain": OK, "audit anchor": OK, "sealed rows": self.scrubber.standing}
        if self.keeper.edited:
            checks["audit chain"] = "rows were edited or taken out"
        elif self.keeper.heartbeat.late:
            checks["audit chain"] = "new rows are not linked"
        if self.keeper.alarms.counts["anchor"]:
            checks["audit anchor"] = "it was changed since the start: the log says how"
        try:
            if await asyncio.to_thread(self.state.anchor.load) is None:
                checks["audit anchor"] = "there is none: a store that is set back is not noticed"
        except (RegcredError, OSError):
            checks["audit anchor"] = "cannot be read"
        if self.state.keyring.remote:
            # Away for every server alike: each serves the projects whose seeds it remembers.
            away = await self.state.keyring.away()
            checks["key service"] = "does not answer: what is remembered is served" if away else OK
        for name, heartbeat in self.tasks.items():
            checks[name] = "does not come round" if heartbeat.late else OK
        return checks

    async def figures(self) -> Figures:
        """Look up what is not counted as it happens; what the store does not tell is NaN."""
        # A tenth of a second that a start without metrics need not take.
        from regcred.adapters.metrics.figures import Figures  # noqa: PLC0415  see above

        unlinked = checks = math.nan
        try:
            unlinked = max(0, await self.state.store.last_number() - self.keeper.upto)
            checks = await self.due()
        except StoreUnavailable:
            pass  # Nobody knows, and the other numbers are wanted all the more.
        return Figures(
            checks_due=checks,
            store=self.state.store.figures(),
            audit_unlinked=unlinked,
            audit_link_age=self.keeper.heartbeat.age,
            audit_alarms=self.keeper.alarms.counts,
            seal_failures=self.state.sealer.failures,
            key_services=self.state.keyring.figures(),
            turn_ages={name: heartbeat.age for name, heartbeat in self.tasks.items()},
            log_dropped=ALLOW_LIST.dropped,
            scrub_round_age=self.scrubber.round_age,
        )
