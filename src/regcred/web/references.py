"""How requests name a project or a login, and how a face names a login's registry."""

from __future__ import annotations

import re
import unicodedata
from uuid import UUID

from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import ProjectNotFound
from regcred.domain.ports import ProjectRef
from regcred.domain.text import MAX_NAME

HOME = "-"
"""The project in which the key is at home."""


def nfc(text: str) -> str:
    """Return a name as names are stored: some systems type another form of the same text."""
    # What is longer is no name, and normalising takes time that grows with the square of it.
    return unicodedata.normalize("NFC", text) if len(text) <= _LONGEST else text


_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,15}\Z")
_MAX_NUMBER = 2**53 - 1
_LONGEST = 4 * MAX_NAME
"""NFC makes three characters into one at most."""


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


def shown_registry(credential: RegistryCredential) -> str:
    """Return a login's registry for a face that must show one.

    As it was written; for a login that names none, its family's only registry, else "".
    """
    if credential.registry_url is not None:
        return credential.registry_url
    only = credential.scopes[0] if len(credential.scopes) == 1 else None
    return "" if only is None or only.pattern else str(only)
