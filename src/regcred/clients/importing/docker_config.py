"""docker's config.json and containers/image's auth.json, with the helpers that they name.

What wins over what is docker's rule: a key's own helper, then the helper for all, then `auths`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from regcred.clients.importing.docker_auths import document, go_table, kept_by, read_auths
from regcred.clients.importing.files import read_text
from regcred.clients.importing.foreign_helpers import Patience, ask_each, ask_for_all
from regcred.clients.importing.found import Found, NotImportable, Skipped, Source
from regcred.clients.wiring.containers_auth import auth_places
from regcred.clients.wiring.json_object import field
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import docker_file


def usual_files(env: Mapping[str, str]) -> list[Path]:
    """Return this user's files that exist, docker's and those that containers/image reads."""
    machine = Machine.here(env)
    # skopeo's search is the widest: a named file of docker's keeps it from none of its own.
    places = auth_places(env, machine.home, machine.uid, podman=False, named_alone=True)
    named = [docker_file(machine), *(place.path for place in places if not place.legacy)]
    return [Path(path) for path in dict.fromkeys(named) if Path(path).exists()]


def read_docker_config(path: Path, patience: Patience | None) -> Iterator[Found | Skipped]:
    """Yield what a file holds, and what its helpers keep; without patience they are not asked."""
    where = "standard input" if str(path) == "-" else str(path)
    try:
        config = document(read_text(path), trailing=True)
        auths, helpers = go_table(config, "auths"), go_table(config, "credHelpers")
    except NotImportable as why:
        yield Skipped(Source(where, ""), str(why))
        return
    store = field(config, "credsStore")
    kept: set[str] = set()
    asked = _helped(helpers, store, where, patience) if patience else _unasked(helpers, where)
    for one in asked:
        if one.source.key not in kept:
            yield one
        kept.add(one.source.key)
    left = {key: entry for key, entry in auths.items() if key not in kept}
    yield from read_auths(left, where, helper=None if patience else store)


def _helped(
    helpers: Mapping[str, object], store: object, where: str, patience: Patience
) -> Iterator[Found | Skipped]:
    yield from ask_each(helpers, where, patience)
    if store:
        yield from ask_for_all(store, where, patience)


def _unasked(helpers: Mapping[str, object], where: str) -> Iterator[Skipped]:
    for key, suffix in helpers.items():
        yield Skipped(Source(where, key), kept_by(suffix), broken=False)
