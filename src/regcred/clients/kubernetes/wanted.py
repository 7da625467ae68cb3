"""What a sync is to keep where, and what the service handed out for it.

A Secret is a sync's own when it carries the label and both annotations; anything else of that name
is somebody's, and stays as it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from regcred.clients.calls import Handed

FIELD_MANAGER = "regcred"
LABEL = "app.kubernetes.io/managed-by"
LABEL_VALUE = "regcred"
PROJECT = "regcred.dev/project"
SYNC = "regcred.dev/sync"
ACCOUNTS = "regcred.dev/service-accounts"
"""Where the sync put its Secret into a service account's list: only these does it take out."""

MAX_ACCOUNTS = 64
"""Each is asked for in each pass, so that a longer list would keep the sync from its work."""

TYPE = "kubernetes.io/dockerconfigjson"
KEY = ".dockerconfigjson"


class NoPullSecret(Exception):
    """What was handed out is nothing that a pod could pull with."""


@dataclass(frozen=True, slots=True)
class Sync:
    """One Secret in many namespaces. `project` is the project's id, not one of its spellings."""

    project: str
    name: str
    secret: str
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    """Which namespaces, in Kubernetes' words, when they are not named."""

    accounts: tuple[str, ...] = ()
    """The service accounts whose pods are to pull with it."""

    def annotations(self, accounts: frozenset[str]) -> dict[str, str]:
        """Return what marks a Secret as this sync's own."""
        listed = {ACCOUNTS: ",".join(sorted(accounts))} if accounts else {}
        return {PROJECT: self.project, SYNC: self.name, **listed}

    def owns(self, labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
        """Whether a Secret so marked is this sync's own: it never notes more than MAX_ACCOUNTS."""
        listed = annotations.get(ACCOUNTS, "").count(",") + 1
        return (
            listed <= MAX_ACCOUNTS
            and labels.get(LABEL) == LABEL_VALUE
            and annotations.get(PROJECT) == self.project
            and annotations.get(SYNC) == self.name
        )


@dataclass(frozen=True, slots=True)
class Logins:
    """A pull secret's content. It shows in no repr."""

    data: str = field(repr=False)
    """The base64 text that stands in a Secret."""

    registries: tuple[str, ...]
    """The keys of `auths`: none when every login is withheld or there is none."""

    etag: str = ""
    expires_at: datetime | None = None
    """When the first of the logins ends."""

    withheld: str = ""
    left_out: str = ""
    """What a pull secret cannot express, such as a username with a colon."""


def read_logins(handed: Handed) -> Logins:
    """Return what was handed out as a Secret's manifest. Raise NoPullSecret.

    One malformed `auth` makes a pod lose its whole keyring, so each is opened before it is written
    anywhere.
    """
    manifest = _object(handed.body, "the service's answer")
    data = manifest.get("data")
    text = data.get(KEY) if isinstance(data, dict) else None
    if (
        manifest.get("kind") != "Secret"
        or manifest.get("type") != TYPE
        or not isinstance(text, str)
    ):
        raise NoPullSecret(f"the service's answer is no Secret of the type {TYPE}")
    auths = _object(_decoded(text, KEY), KEY).get("auths")
    if not isinstance(auths, dict):
        raise NoPullSecret(f"{KEY} holds no auths")
    for registry, entry in auths.items():
        auth = entry.get("auth") if isinstance(entry, dict) else None
        if not isinstance(auth, str) or b":" not in _decoded(auth, f"auth of {registry}"):
            raise NoPullSecret(f"the auth of {registry} is not base64 of user:password")
    return Logins(
        text,
        tuple(auths),
        handed.headers.get("etag", ""),
        handed.expires_at,
        handed.withheld,
        handed.left_out,
    )


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise NoPullSecret(f"{what} is no JSON object") from None
    return value


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        # The text may be a password: it is not said back.
        raise NoPullSecret(f"{what} is not base64") from None
