"""How paths name a project, in every dialect of ours that has projects in its paths."""

from __future__ import annotations

import re
from uuid import UUID

from regcred.domain.errors import ProjectNotFound
from regcred.domain.ports import ProjectRef

HOME = "-"
"""The project in which the key is at home."""

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,15}\Z")
_MAX_NUMBER = 2**53 - 1


def project_ref(text: str) -> ProjectRef | None:
    """Return the project that a path names by id or number; None for HOME.

    Raise ProjectNotFound for everything else: what no project can be called is not found.
    """
    if text == HOME:
        return None
    if _NUMBER.match(text) and int(text) <= _MAX_NUMBER:
        return int(text)
    if _UUID.match(text):
        return UUID(text)
    raise ProjectNotFound
