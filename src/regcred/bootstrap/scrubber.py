"""Open every sealed row, slowly, beside the server: what rots is found before a pull needs it.

A round walks the whole store; the next one begins an hour after it, at the earliest. Opening a
row takes some 20 microseconds, so that at the default rate the rounds cost less than a
thousandth of a core.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from regcred.bootstrap.shift import Rounds, alone
from regcred.domain.errors import KeyringUnavailable
from regcred.domain.ports.measuring import Meter
from regcred.usecases.scrub_secrets import FIRST, Broken, Place, ScrubSecrets
from regcred.web.unexpected import kind_and_place

EVERY = 3600.0
"""Seconds from one round's beginning to the next one's, if the round is over by then."""

AGAIN = 60.0
"""Seconds until a step that failed is tried again."""

LATE = 7 * 86_400.0
"""Seconds without a whole round of this process after which it says so, and daily from then on."""

_DAY = 86_400.0
_AT_ONCE = 20
"""Rows of one step: less than a millisecond, in which no request is answered."""

_MOST = 20
_log = structlog.get_logger("regcred.scrubber")


@dataclass(slots=True)
class Scrubber:
    """Takes the rounds, `rate` rows a second; 0 takes none."""

    scrub: ScrubSecrets
    meter: Meter
    rate: int
    mine: Callable[[], Awaitable[bool]] = alone
    """Whether this process is the one that scrubs now. Raises StoreUnavailable."""

    _broken: int | None = field(default=None, init=False)
    """Rows of the last whole round that did not open; None: there was none yet."""

    _rounds: Rounds = field(init=False)
    _told_at: float = field(default=0.0, init=False)
    """How old the last whole round was when that was last told."""

    def __post_init__(self) -> None:
        """Count rounds from here."""
        self._rounds = Rounds(self.mine)

    @property
    def standing(self) -> str:
        """What is known of the sealed rows: "ok", or in a few words what is wrong."""
        if self._broken:
            return f"{self._broken} sealed rows do not open"
        return "not all of them were opened for a week" if self.round_age >= LATE else "ok"

    @property
    def round_age(self) -> float:
        """Seconds since a whole round ended here, or since the start; NaN where none is taken."""
        return self._rounds.age if self.rate else math.nan

    async def run(self) -> None:
        """Take rounds until cancelled; what is found and what fails is loud."""
        loop = asyncio.get_running_loop()
        while self.rate:
            begun = loop.time()
            whole = await self.round()
            await asyncio.sleep(max(0.0, begun + EVERY - loop.time()) if whole else AGAIN)

    async def round(self) -> bool:
        """Walk all of it once, at the rate; False when another process does, or took over."""
        place: Place | None = FIRST
        opened = broken = 0
        rows = min(self.rate, _AT_ONCE)
        while place is not None:
            self._tell_if_late()
            try:
                if not await self._rounds.may_go_on():
                    return False
                step = await self.scrub.step(place, rows)
            except KeyringUnavailable as away:
                _log.warning("scrubbing waits for the key ring", reason=str(away))
                await asyncio.sleep(AGAIN)
                continue
            except Exception as error:  # noqa: BLE001  whatever it is, the scrubber lives on
                _log.error("scrubbing stands still", **kind_and_place(error))
                await asyncio.sleep(AGAIN)
                continue
            for found in step.broken:
                broken += 1
                _tell(found, broken)
            opened += step.opened
            self.meter.scrubbed(step.opened, len(step.broken))
            # A row that is found stays told until a whole round finds it whole.
            self._know(max(broken, self._broken or 0))
            place = step.next
            await asyncio.sleep(rows / self.rate)
        self._know(broken)
        self._rounds.end()
        self._told_at = 0.0
        _log.info("every sealed row was opened", count=opened)
        return True

    def _tell_if_late(self) -> None:
        age = self.round_age
        if age >= max(LATE, self._told_at + _DAY):
            self._told_at = age
            _log.warning("scrubbing is late")

    def _know(self, broken: int) -> None:
        self._broken = broken
        self.meter.scrub_failures(broken)


def _tell(found: Broken, so_far: int) -> None:
    if so_far <= _MOST:
        _log.error(
            "a sealed row does not open",
            project=found.project_id,
            reason=f"{found.kind} of {found.id}: {found.why}",
        )
