"""The kubelet, which keeps every login under a key and tries all that match, and containerd.

The one thing you would get wrong: its order and its matching are its own (`domain.keyring`), and
once a login matched it never pulls anonymously, so that a dead one breaks public images.
"""

from __future__ import annotations

from collections.abc import Sequence

from regcred.domain import keyring
from regcred.domain.login_keys import keyring_key, keys_for_image
from regcred.domain.ports import Candidate
from regcred.domain.pullers.asked import Asked, Attempt, Behaviour, identity_token
from regcred.domain.registry import HUB_SERVER_URL
from regcred.domain.selection import matched_scope

_EACH = (
    "the kubelet tries each of these with a full pull, and never anonymously after them: pull "
    "secrets in the pod's order, then the node's files by the same rule, then plugins"
)
_MALFORMED = (
    "one unreadable entry in any of a pod's pull secrets, and none of them counts: check what "
    "others wrote"
)
_IDENTITY = "{} is an identity token, which the kubelet cannot use: it is left out"
_TEXT = (
    "{} is for this image, but not to the kubelet: its key is {}, and hosts and ports are "
    "compared as text"
)
_ITSELF = (
    "{} is for this image, but its key {} ends in a slash and matches only what is below: the "
    "plugin, or a secret made for the image, has a key that does"
)
_SLASH = "{} is not tried because its key ends in a slash: {} would match here, as plain text"
_HIDDEN = (
    "{} is not tried: the kubelet falls back to Docker Hub's own entry only where no other matched"
)
_BYTES = "the kubelet goes by the order of bytes, not by regcred's: {} would come first there"
_NO_KEY = "{}: the image has no room for more keys, so the plugin leaves it out"
_NOT_READY = (
    "a secret could not be exchanged, so the plugin fails: the kubelet goes on with what else "
    "it has"
)
_ALONE = "containerd asks no credential helper: by itself it has what hosts.toml or --user gives it"
_CRI = "under Kubernetes it gets through CRI what the kubelet tries, and shows it to mirrors too"


def pull_secret(asked: Asked) -> Behaviour:
    """A pull secret, or a node's file, that holds all of the caller's logins."""
    carried = [c for c in asked.whole() if not identity_token(c)]
    keys = {c.id: keyring_key(matched_scope(c)) for c in carried}
    order = list(dict.fromkeys(keyring.lookup(list(keys.values()), asked.name)))
    tried = tuple(Attempt(c, key) for key in order for c in carried if keys[c.id] == key)
    notes = [_EACH, _MALFORMED] if tried else []
    notes += _why_not(asked, carried, keys, tried)
    return Behaviour(tried, anonymous=not tried, notes=(*notes, *asked.kept_back()))


def plugin(asked: Asked) -> Behaviour:
    """The exec plugin: it is asked for the image, and its keys keep resolve's order."""
    resolved = asked.resolved()
    carried = [c for c in resolved if not identity_token(c)]
    keys = keys_for_image(asked.reference, [matched_scope(c) for c in carried])
    tried = tuple(Attempt(c, key) for c, key in zip(carried, keys, strict=False))
    notes = ["the plugin is asked for the image, after pull secrets and the node's files"]
    if not tried and any(c.id in asked.failing for c in asked.covering()):
        notes.append(_NOT_READY)
    notes += [_NO_KEY.format(c.name) for c in carried[len(keys) :]]
    notes += [_IDENTITY.format(c.name) for c in resolved if identity_token(c)]
    return Behaviour(tried, anonymous=not tried, notes=(*notes, *asked.kept_back()))


def containerd(asked: Asked) -> Behaviour:
    """It has no login of its own to try."""
    del asked
    return Behaviour((), anonymous=True, notes=(_ALONE, _CRI))


def _why_not(
    asked: Asked, carried: Sequence[Candidate], keys: dict[str, str], tried: Sequence[Attempt]
) -> list[str]:
    """Say where the kubelet and regcred differ over this image."""
    taken = [attempt.candidate for attempt in tried]
    notes = [_IDENTITY.format(c.name) for c in asked.resolved() if identity_token(c)]
    for candidate in carried:
        name, key, scope = candidate.name, keys[candidate.id], matched_scope(candidate)
        if candidate in taken:
            continue
        if asked.covers(candidate):
            if key == HUB_SERVER_URL and taken:
                notes.append(_HIDDEN.format(name))
            elif scope.path == asked.reference.repository:
                notes.append(_ITSELF.format(name, key))
            else:
                notes.append(_TEXT.format(name, key))
        elif keyring.lookup([key.removesuffix("/")], asked.name):
            notes.append(_SLASH.format(name, key.removesuffix("/")))
    best = [c for c in carried if c in taken]
    if best != taken:
        notes.append(_BYTES.format(best[0].name))
    return notes
