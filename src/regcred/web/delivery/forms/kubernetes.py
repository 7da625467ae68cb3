"""What Kubernetes applies, and what External Secrets makes into it."""

from __future__ import annotations

import base64
from functools import partial

from regcred.domain.handout import Filled, Form, Gathered, LeftOut, fit
from regcred.domain.handout_keys import (
    kubelet_keys,
    name_lost_repositories,
    spell_hub_where_it_is_hidden,
)
from regcred.web.delivery.forms.docker import docker_config, dockerconfigjson
from regcred.web.delivery.forms.quoting import go_json
from regcred.web.times import timestamp


def kubernetes_secret(name: str, namespace: str | None) -> Form:
    """Return the form of a Secret, as kubectl prints one with `--dry-run=client -o json`."""
    return partial(_secret, name, namespace)


def _secret(name: str, namespace: str | None, gathered: Gathered) -> Filled:
    left_out = LeftOut()
    keys = kubelet_keys(gathered, left_out)
    name_lost_repositories(keys, gathered, left_out)
    spell_hub_where_it_is_hidden(keys)
    config = docker_config(keys.held)
    manifest = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            **({} if namespace is None else {"namespace": namespace}),
            "creationTimestamp": None,
        },
        "data": {".dockerconfigjson": base64.b64encode(config).decode()},
        "type": "kubernetes.io/dockerconfigjson",
    }
    return Filled(go_json(manifest), keys.used(), left_out.all())


def external_secrets(gathered: Gathered) -> Filled:
    """Fill in a flat object of texts for the webhook provider: `$.dockerconfigjson` and so on.

    `username`, `password` and `registry` stand there if one login was asked for.
    """
    filled = dockerconfigjson(gathered)
    members = {"dockerconfigjson": filled.body.decode()}
    if filled.expires_at is not None:
        members["expires_at"] = timestamp(filled.expires_at)
    if len({entry.credential_id for entry in filled.used}) == 1:
        ((entry, opened),) = fit(filled.used[:1], LeftOut())
        members |= {
            "username": opened.username,
            "password": opened.password.reveal(),
            "registry": str(entry.scope),
        }
    return Filled(go_json(members), filled.used, filled.left_out)
