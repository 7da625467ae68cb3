"""The tenant. One level: projects do not nest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Project:
    """`number` counts from 1 and never returns; `version` is moved by people's writes."""

    id: UUID
    number: int
    name: str
    created_at: datetime
    updated_at: datetime
    version: int = 1
    require_if_match: bool = False
    """Changes to this project's credentials without If-Match are refused (428)."""
