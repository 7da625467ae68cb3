"""The `auths` of docker and of containers/image, wherever they stand.

A value is never part of a reason: base64 that cannot be read may well be a password typed there.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping

from regcred.clients.importing.found import (
    IDENTITY_TOKEN_USER,
    SESSION,
    Found,
    NotImportable,
    Skipped,
    Source,
    place,
    session_of_docker,
    short_lived,
    usable,
)
from regcred.clients.wiring.json_object import DECODER, field

OURS = "regcred"
OURS_KEEPS = "regcred's own helper keeps it: it is here already"
"""Of a credential helper by this suffix: what it keeps need not be imported."""

_EMPTY = "it is empty: a credential helper kept the login, and what pulls here gets none"
_FIELDS = ("auth", "username", "password", "identitytoken", "registrytoken")


def document(text: str, *, trailing: bool = False) -> dict[str, object]:
    """Return a JSON object. Raise NotImportable, which never quotes it.

    `trailing` allows text after it, as docker does.
    """
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value = DECODER.raw_decode(text, start)[0] if trailing else DECODER.decode(text)
    except json.JSONDecodeError as broken:
        raise NotImportable(f"broken JSON at line {broken.lineno}, column {broken.colno}") from None
    except (RecursionError, ValueError):
        raise NotImportable("JSON that is nested too deep or holds a number too long") from None
    if not isinstance(value, dict):
        raise NotImportable("its JSON is no object")
    return value


def table(holder: Mapping[str, object], name: str) -> dict[str, object]:
    """Return an object that may be missing. Raise NotImportable if it is anything else."""
    value = holder.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotImportable(f"its {name} is no object")
    return value


def go_table(holder: Mapping[str, object], name: str) -> dict[str, object]:
    """Return what Go reads as such an object: its keys match in any case. Raise NotImportable."""
    return table({name: field(holder, name)}, name)


def read_auths(
    auths: Mapping[str, object],
    where: str,
    *,
    paths_after_scheme: bool = False,
    helper: object = None,
) -> Iterator[Found | Skipped]:
    """Yield what each entry holds.

    `helper`: the suffix of one that may keep what an empty entry stands for, and was not asked.
    """
    for key, value in auths.items():
        source, entry = Source(where, key), value
        if isinstance(value, dict):
            entry = {name: field(value, name) for name in _FIELDS}
        if session_of_docker(key):
            yield Skipped(source, SESSION, broken=False)
            continue
        if entry is None or (isinstance(entry, dict) and not any(entry.values())):
            yield Skipped(source, kept_by(helper) if helper else _EMPTY, broken=False)
            continue
        try:
            yield checked(_login(entry, source, paths_after_scheme))
        except NotImportable as why:
            yield Skipped(source, str(why))


def kept_by(helper: object) -> str:
    """Return why nothing is imported of what a helper that was not asked keeps."""
    if helper == OURS:
        return OURS_KEEPS
    return f"docker-credential-{helper} keeps it (--use-helpers asks it)"


def checked(found: Found) -> Found | Skipped:
    """Return a login, or why it is not worth storing. Raise NotImportable if it is none."""
    usable(found)
    instead = short_lived(found)
    return Skipped(found.source, instead, broken=False) if instead else found


def _login(entry: object, source: Source, paths_after_scheme: bool) -> Found:
    if not isinstance(entry, dict):
        raise NotImportable("it is no object")
    for name in _FIELDS:
        if not isinstance(entry.get(name) or "", str):
            raise NotImportable(f"its {name} is no text")
    registry = place(source.key, paths_after_scheme=paths_after_scheme)
    if token := entry.get("identitytoken"):
        return Found(registry, IDENTITY_TOKEN_USER, token, source)
    username, password = entry.get("username") or "", entry.get("password") or ""
    if entry.get("auth"):
        # docker and kubelet let it win over the two fields beside it.
        username, password = _pair(entry["auth"])
    if not password and entry.get("registrytoken"):
        raise NotImportable("it holds a registry token alone, which cannot be stored")
    return Found(registry, username, password, source)


def _pair(auth: str) -> tuple[str, str]:
    """Return the user and the password of base64 text, padded or not. Raise NotImportable."""
    bare = "".join(auth.split()).rstrip("=")
    try:
        text = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise NotImportable("its auth is no base64 of UTF-8 text") from None
    username, colon, password = text.partition(":")
    if not colon:
        raise NotImportable("its auth is not base64 of USER:PASSWORD")
    # docker's own reader takes NULs off.
    return username, password.strip("\0")
