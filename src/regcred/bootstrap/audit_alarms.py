"""What is found wrong with the audit, said loudly, and counted for whoever reads no log."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

_log = structlog.get_logger("regcred.audit")


class AuditAlarms:
    """One process's findings since its start."""

    def __init__(self) -> None:
        self._counts = {"rows": 0, "anchor": 0, "store": 0}

    @property
    def counts(self) -> Mapping[str, int]:
        """How often something was found, by what it was found of."""
        return self._counts

    def edited(self, reason: str, count: int = 1) -> None:
        """Tell that audit rows were edited or taken out, and nobody accepted it."""
        self._counts["rows"] += 1
        _log.error("the audit was edited", reason=reason, count=count)

    def anchor_changed(self, reason: str) -> None:
        """Tell that the anchor is not what it should be."""
        self._counts["anchor"] += 1
        _log.error("the audit anchor was changed", reason=reason)

    def set_back(self, reason: str) -> None:
        """Tell that the store is older than its audit says."""
        self._counts["store"] += 1
        _log.error("the store was set back", reason=reason)
