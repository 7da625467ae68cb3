"""The kubelet's flags, its credential providers and the logins it keeps on the node.

Matching is Kubernetes' own (credentialprovider's keyring): hosts label by label with `*`, ports
equal with no default, paths as plain text prefixes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from regcred.clients.kubelet_config import ConfigBroken, all_providers
from regcred.clients.wiring.json_object import Broken, object_map, read_object, text
from regcred.clients.wiring.lookup import stored_user

_FALLBACK = "index.docker.io"
"""Only where nothing matched and the image is on Docker Hub, the entry of this name counts."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A credential provider plugin, as CredentialProviderConfig names it."""

    name: str
    match_images: tuple[str, ...]


def kubelet_arguments(command_lines: Iterable[Sequence[str]]) -> list[str] | None:
    """Return the arguments of the kubelet among what runs, None when none does."""
    for line in command_lines:
        if line and line[0].rpartition("/")[2] == "kubelet":
            return list(line[1:])
    return None


def arguments_in(variables: str) -> list[str]:
    """Return the arguments in a file of shell variables, as kubeadm and packages write them."""
    found: list[str] = []
    for line in variables.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() in {"KUBELET_KUBEADM_ARGS", "KUBELET_EXTRA_ARGS"}:
            try:
                found += shlex.split(" ".join(shlex.split(value)))
            except ValueError:
                continue
    return found


def flag(arguments: Sequence[str], name: str) -> str:
    """Return a flag's value, "" where it is not given. The last one counts."""
    value = ""
    for place, argument in enumerate(arguments):
        if argument == f"--{name}" and place + 1 < len(arguments):
            value = arguments[place + 1]
        elif argument.startswith(f"--{name}="):
            value = argument.partition("=")[2]
    return value


def providers(content: str) -> list[Provider]:
    """Return what a CredentialProviderConfig names, in order. Raise Broken."""
    try:
        listed = all_providers(content)
    except ConfigBroken as why:
        raise Broken(str(why)) from None
    if not listed:
        raise Broken("it names no providers")
    return [_provider(one) for one in listed]


def policy(content: str) -> str:
    """Return a KubeletConfiguration's rule for images that are present already. Raise Broken."""
    found = _yaml(content)
    if not isinstance(found, dict):
        raise Broken("it is no KubeletConfiguration")
    rule = found.get("imagePullCredentialsVerificationPolicy", "")
    if not isinstance(rule, str):
        raise Broken("imagePullCredentialsVerificationPolicy is no text")
    return rule


def node_logins(content: str, image: str, *, legacy: bool = False) -> list[str]:
    """Return the entries of a node's config.json that the kubelet tries for an image.

    Raise Broken for a file of which the kubelet takes nothing.
    """
    found = read_object(content)
    entries = object_map({"auths": found}, "auths") if legacy else object_map(found, "auths")
    for name, entry in entries.items():
        if text(entry, "auth") and not stored_user(entry):
            raise Broken(f"the auth of {name} is not USER:PASSWORD")
    return tried(list(entries), image)


def tried(keys: Sequence[str], image: str) -> list[str]:
    """Return which keys the kubelet tries for an image, in its order."""
    matching = [key for key in keys if matches(normalised(key), image)]
    if not matching and _on_hub(image):
        matching = [key for key in keys if normalised(key) == _FALLBACK]
    return sorted(matching, key=normalised, reverse=True)


def matches(glob: str, image: str) -> bool:
    """Whether one of a provider's matchImages takes in an image, or a keyring's normalised key.

    matchImages stand as they are: one with a scheme takes in nothing.
    """
    host, _, path = glob.partition("/")
    images_host, _, images_path = image.partition("/")
    name, port = _port(host)
    images_name, images_port = _port(images_host)
    globs, labels = name.split("."), images_name.split(".")
    return (
        port == images_port
        and len(globs) == len(labels)
        and all(_glob(*pair) for pair in zip(globs, labels, strict=True))
        and images_path.startswith(path)
    )


def _on_hub(image: str) -> bool:
    """Whether Kubernetes takes an image for Docker Hub's: what names no host, localhost too."""
    host = image.partition("/")[0]
    return not set(host) & {".", ":"} or host in {"docker.io", _FALLBACK}


def _provider(one: dict[str, Any]) -> Provider:
    name, images = one.get("name"), one.get("matchImages")
    if not isinstance(name, str) or not name or "/" in name or name in {".", ".."} or " " in name:
        raise Broken("a provider's name is not the name of a program")
    if not isinstance(images, list) or not images or not all(isinstance(i, str) for i in images):
        raise Broken(f"provider {name}: matchImages is not a list of texts")
    if "defaultCacheDuration" not in one:
        raise Broken(f"provider {name}: defaultCacheDuration is missing")
    if not str(one.get("apiVersion", "")).startswith("credentialprovider.kubelet.k8s.io/"):
        raise Broken(f"provider {name}: apiVersion is not credentialprovider.kubelet.k8s.io/…")
    return Provider(name, tuple(images))


def _yaml(content: str) -> object:
    # Imported here: only a node has these files. Texts alone: what makes dates and numbers of them
    # fails at the 45th of a month.
    from regcred.clients.plain_yaml import NotPlainYaml, NotYaml, documents  # noqa: PLC0415  above

    try:
        found = documents(content)
    except NotYaml:
        raise Broken("it is not YAML") from None
    except NotPlainYaml as why:
        raise Broken(str(why)) from None
    if len(found) > 1:
        raise Broken("it is more than one document")
    return found[0] if found else None


def normalised(key: str) -> str:
    """Return a keyring's key as the kubelet compares it: host, port and path."""
    bare = key.partition("://")[2] if "://" in key else key
    host, slash, path = bare.partition("/")
    if path.startswith(("v1/", "v2/")):
        path = path[3:]
    return f"{host}{slash}{path}" if path else host


def _port(host: str) -> tuple[str, str]:
    if host.endswith("]"):
        return host, ""
    name, _, port = host.rpartition(":")
    return (name, port) if name else (host, "")


def _glob(glob: str, label: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in glob.split("*"))
    return re.fullmatch(pattern, label) is not None
