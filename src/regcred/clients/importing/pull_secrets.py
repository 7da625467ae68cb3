"""Kubernetes' pull secrets, out of manifests: dockerconfigjson and the older dockercfg."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path

from regcred.clients.importing.docker_auths import document, go_table, read_auths, table
from regcred.clients.importing.files import read_text
from regcred.clients.importing.found import Found, NotImportable, Skipped, Source
from regcred.clients.plain_yaml import NotPlainYaml, NotYaml, documents

TYPES = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
"""The key under which a Secret of each type holds its logins."""

_LISTS = {"List", "SecretList"}


def read_manifests(path: Path) -> Iterator[Found | Skipped]:
    """Yield what the pull secrets in a file hold; other manifests are left alone."""
    where = "standard input" if str(path) == "-" else str(path)
    try:
        found = _documents(read_text(path))
    except NotImportable as why:
        yield Skipped(Source(where, ""), str(why))
        return
    for one in found:
        yield from read_manifest(one, where)


def read_manifest(manifest: object, where: str) -> Iterator[Found | Skipped]:
    """Yield what a Secret holds, or what the Secrets of a list do."""
    if not isinstance(manifest, dict):
        return
    items = manifest.get("items")
    if manifest.get("kind") in _LISTS and isinstance(items, list):
        for item in items:
            # What `kubectl get secrets -o json` lists says what it is; a list in it is no Secret.
            if isinstance(item, dict) and item.get("kind", "Secret") == "Secret":
                yield from _secret(item, where)
    elif manifest.get("kind") == "Secret":
        yield from _secret(manifest, where)


def _secret(secret: Mapping[str, object], where: str) -> Iterator[Found | Skipped]:
    key = TYPES.get(str(secret.get("type")))
    if key is None:
        return
    name = f"{where}, {_name(secret)}"
    try:
        config = _config(secret, key)
        auths = config if key == ".dockercfg" else go_table(config, "auths")
    except NotImportable as why:
        yield Skipped(Source(name, ""), str(why))
        return
    yield from read_auths(auths, name, paths_after_scheme=True)


def _name(secret: Mapping[str, object]) -> str:
    metadata = secret.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    namespace, name = named.get("namespace"), named.get("name")
    return f"{namespace}/{name}" if namespace else f"{name or 'a Secret without a name'}"


def _config(secret: Mapping[str, object], key: str) -> dict[str, object]:
    """Return a Secret's JSON. Raise NotImportable."""
    # The API server lets stringData win over data.
    plain = table(secret, "stringData").get(key)
    if plain is not None:
        if not isinstance(plain, str):
            raise NotImportable(f"its {key} is no text")
        return document(plain)
    sealed = table(secret, "data").get(key)
    if not isinstance(sealed, str):
        raise NotImportable(f"it has no {key}")
    try:
        text = base64.b64decode("".join(sealed.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        raise NotImportable(f"its {key} is no base64 of UTF-8 text") from None
    return document(text)


def _documents(text: str) -> list[object]:
    """Return the manifests of a text, which is JSON or YAML. Raise NotImportable."""
    if text.lstrip().startswith("{"):
        try:
            return [document(text)]
        except NotImportable:
            # A flow mapping of YAML begins like that as well, and so do several documents.
            return _yaml(text)
    return _yaml(text)


def _yaml(text: str) -> list[object]:
    try:
        return documents(text)
    except NotYaml as broken:
        where = f": {broken}" if str(broken) else ""
        raise NotImportable(f"it is neither JSON nor YAML{where}") from None
    except NotPlainYaml as why:
        raise NotImportable(str(why)) from None
