"""The kubelet's CredentialProviderConfig: our provider in it, everybody else's as they were.

A file that is there is changed as a tree of YAML nodes and never as values, so that no text of
another provider becomes a boolean, a number or a date on the way. Comments do not survive that.
https://kubernetes.io/docs/reference/config-api/kubelet-config.v1/#kubelet-config-k8s-io-v1-CredentialProviderConfig
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from regcred.clients.assembly import KUBELET_PLUGIN

KIND = "CredentialProviderConfig"
API = "kubelet.config.k8s.io/v1"
_OLDER = (f"{API}beta1", f"{API}alpha1")
_PLUGIN_API = "credentialprovider.kubelet.k8s.io/v1"


class ConfigBroken(Exception):
    """A file is no configuration that the kubelet would take; the text says where and why."""


def provider(
    images: Sequence[str], env: Mapping[str, str], arguments: Sequence[str], audience: str
) -> dict[str, Any]:
    """Return our provider. With an audience, the kubelet sends a token of the pod's account."""
    made: dict[str, Any] = {
        "name": KUBELET_PLUGIN.name,
        "apiVersion": _PLUGIN_API,
        "matchImages": list(images),
        # Counts only for an answer that does not say how long it holds, and ours do.
        "defaultCacheDuration": "0s",
    }
    if arguments:
        made["args"] = list(arguments)
    made["env"] = [{"name": name, "value": value} for name, value in env.items()]
    if audience:
        made["tokenAttributes"] = {
            "serviceAccountTokenAudience": audience,
            "cacheType": "Token",
            "requireServiceAccount": True,
        }
    return made


def with_provider(text: str, ours: Mapping[str, Any]) -> str:
    """Return the configuration with our provider in it; no text is a new one.

    It takes the place of an older one of ours, or the last. Raise ConfigBroken.
    """
    if not text.strip():
        return _dumped({"apiVersion": API, "kind": KIND, "providers": [dict(ours)]})
    top, providers = _read(text)
    if "tokenAttributes" in ours and _scalar(top, "apiVersion") != API:
        raise ConfigBroken(f"apiVersion: must be {API} for tokens of service accounts")
    node: Any = yaml.compose(_dumped(ours), Loader=yaml.SafeLoader)
    places = _ours(providers)
    if places:
        if _serialized(providers.value[places[0]]) == _serialized(node):
            return text
        providers.value[places[0]] = node
    else:
        providers.value.append(node)
    return _serialized(top)


def has_provider(text: str) -> bool:
    """Whether our provider is in a configuration. Raise ConfigBroken."""
    return bool(_ours(_read(text)[1]))


def all_providers(text: str) -> list[Any]:
    """Return the providers, their values as texts, lists and mappings. Raise ConfigBroken."""
    _read(text)
    try:
        found = yaml.load(text, yaml.BaseLoader)  # noqa: S506  it makes nothing but texts
    except yaml.YAMLError:
        raise ConfigBroken("a field's name is no text") from None
    listed: list[Any] = found["providers"]
    return listed


def without_provider(text: str) -> str:
    """Return the configuration without our provider, empty if it was the last.

    Raise ConfigBroken.
    """
    top, providers = _read(text)
    places = _ours(providers)
    if not places:
        return text
    del providers.value[places[0]]
    return _serialized(top) if providers.value else ""


def _read(text: str) -> tuple[yaml.MappingNode, yaml.SequenceNode]:
    """Return the whole and its providers. Raise ConfigBroken."""
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigBroken(f"{line}{error.problem}") from None
    except (yaml.YAMLError, RecursionError):
        raise ConfigBroken("it is not YAML") from None
    if not isinstance(top, yaml.MappingNode) or _scalar(top, "kind") != KIND:
        raise ConfigBroken(f"kind: must be {KIND}")
    if _scalar(top, "apiVersion") not in (API, *_OLDER):
        raise ConfigBroken(f"apiVersion: must be {API}")
    providers = _fields(top).get("providers")
    if not isinstance(providers, yaml.SequenceNode):
        raise ConfigBroken("providers: must be a list")
    names = [_name(one) for one in providers.value]
    if len(names) != len(set(names)):
        raise ConfigBroken("providers: two have the same name")
    return top, providers


def _name(node: yaml.Node) -> str:
    name = _scalar(node, "name") if isinstance(node, yaml.MappingNode) else ""
    if not name:
        raise ConfigBroken("providers: each must have a name")
    return name


def _ours(providers: yaml.SequenceNode) -> list[int]:
    names = [_name(one) for one in providers.value]
    return [place for place, name in enumerate(names) if name == KUBELET_PLUGIN.name]


def _scalar(node: yaml.MappingNode, name: str) -> str:
    value = _fields(node).get(name)
    return str(value.value) if isinstance(value, yaml.ScalarNode) else ""


def _fields(node: yaml.MappingNode) -> dict[str, yaml.Node]:
    """Return a mapping's fields. Raise ConfigBroken if two have one name, as the kubelet does."""
    names = [str(key.value) for key, _ in node.value]
    if len(names) != len(set(names)):
        raise ConfigBroken(f"line {node.start_mark.line + 1}: a field stands there twice")
    return {str(key.value): value for key, value in node.value}


def _dumped(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)


def _serialized(top: yaml.Node) -> str:
    return str(yaml.serialize(top, Dumper=yaml.SafeDumper, allow_unicode=True))
