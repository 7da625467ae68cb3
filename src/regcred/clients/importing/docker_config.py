"""docker's config.json and containers/image's auth.json, with the helpers that they name.

What wins over what is docker's rule: a key's own helper, then the helper for all, then `auths`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from regcred.clients.importing.docker_auths import document, read_auths, table
from regcred.clients.importing.files import read_text
from regcred.clients.importing.foreign_helpers import ask_each, ask_for_all
from regcred.clients.importing.found import Found, Skipped, Source, Unusable


def usual_files(env: Mapping[str, str]) -> list[Path]:
    """Return this user's files that exist, docker's and podman's."""
    home = Path(env.get("HOME") or Path.home())
    docker = Path(env.get("DOCKER_CONFIG") or home / ".docker")
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    runtime = Path(env.get("XDG_RUNTIME_DIR") or "/run")
    podman = runtime / ("containers/auth.json" if "XDG_RUNTIME_DIR" in env else _ROOTS)
    named = [Path(env["REGISTRY_AUTH_FILE"])] if env.get("REGISTRY_AUTH_FILE") else []
    files = [docker / "config.json", *(named or [podman, config / "containers" / "auth.json"])]
    return [file for file in files if file.exists()]


_ROOTS = f"containers/{os.geteuid()}/auth.json"


def read_docker_config(path: Path, *, use_helpers: bool) -> Iterator[Found | Skipped]:
    """Yield what a file holds, and with `use_helpers` what its helpers keep."""
    where = "standard input" if str(path) == "-" else str(path)
    try:
        config = document(read_text(path))
        auths, helpers = table(config, "auths"), table(config, "credHelpers")
    except Unusable as why:
        yield Skipped(Source(where, ""), str(why))
        return
    store = config.get("credsStore")
    kept: set[str] = set()
    for one in _helped(helpers, store, where) if use_helpers else _unasked(helpers, where):
        if one.source.key not in kept:
            yield one
        kept.add(one.source.key)
    left = {key: entry for key, entry in auths.items() if key not in kept}
    yield from read_auths(left, where, helped=bool(store) and not use_helpers)


def _helped(helpers: Mapping[str, object], store: object, where: str) -> Iterator[Found | Skipped]:
    yield from ask_each(helpers, where)
    if store:
        yield from ask_for_all(store, where)


def _unasked(helpers: Mapping[str, object], where: str) -> Iterator[Skipped]:
    for key, suffix in helpers.items():
        why = f"docker-credential-{suffix} keeps it (--use-helpers asks it)"
        yield Skipped(Source(where, key), why, broken=False)
