"""The files and variables that docker, podman and skopeo read."""

from __future__ import annotations

import base64
from typing import Any

from regcred.domain.errors import InvalidInput
from regcred.domain.handout import (
    IDENTITY_TOKEN,
    Entry,
    Filled,
    Gathered,
    LeftOut,
    Opened,
    by_registry,
    fit,
)
from regcred.domain.handout_keys import (
    containers_keys,
    kubelet_keys,
    name_lost_repositories,
    spell_hub_twice,
)
from regcred.domain.registry import HUB, HUB_SERVER_URL
from regcred.web.delivery.forms.quoting import basic, go_json

_MAX_SECRET = 1024 * 1024
"""Bytes (k8s.io/api, core/v1: MaxSecretSize)."""


def dockerconfigjson(gathered: Gathered) -> Filled:
    """Fill in a pull secret's `.dockerconfigjson`, both spellings of Docker Hub in it."""
    left_out = LeftOut()
    keys = kubelet_keys(gathered, left_out)
    name_lost_repositories(keys, gathered, left_out)
    spell_hub_twice(keys)
    return Filled(docker_config(keys.held), keys.used(), left_out.all())


def docker_config(held: dict[str, tuple[Entry, Opened]]) -> bytes:
    """Return the JSON that `kubectl create secret docker-registry` makes of logins by key.

    Raise InvalidInput where no Secret could hold it.
    """
    auths = {key: _whole(opened) for key, (_, opened) in sorted(held.items())}
    config = go_json({"auths": auths})
    if len(config) > _MAX_SECRET:
        raise InvalidInput("credential", "must narrow the logins: a Secret holds 1 MiB")
    return config


def auth_json(gathered: Gathered) -> Filled:
    """Fill in containers-auth.json(5), keyed by path where a login is for a path."""
    left_out = LeftOut()
    keys = containers_keys(gathered, left_out)
    auths = {key: _auth(opened) for key, (_, opened) in sorted(keys.held.items())}
    return Filled(go_json({"auths": auths}), keys.used(), left_out.all())


def docker_auth_config(gathered: Gathered) -> Filled:
    """Fill in DOCKER_AUTH_CONFIG: docker takes `auth` alone there, by host alone."""
    left_out = LeftOut()
    chosen = by_registry(gathered, left_out)
    auths: dict[str, Any] = {}
    used = []
    for registry, one in chosen.items():
        for entry, opened in fit([one], left_out):
            spellings = (HUB, HUB_SERVER_URL) if str(registry) == HUB else (str(registry),)
            auths |= {spelling: {"auth": basic(opened)} for spelling in spellings}
            used.append(entry)
    return Filled(go_json({"auths": dict(sorted(auths.items()))}), tuple(used), left_out.all())


def _whole(opened: Opened) -> dict[str, str]:
    return {
        "username": opened.username,
        "password": opened.password.reveal(),
        "auth": basic(opened),
    }


def _auth(opened: Opened) -> dict[str, str]:
    if opened.username != IDENTITY_TOKEN:
        return {"auth": basic(opened)}
    # docker and podman read the token only beside an `auth` that parses.
    nobody = base64.b64encode(f"{IDENTITY_TOKEN}:".encode()).decode()
    return {"auth": nobody, "identitytoken": opened.password.reveal()}
