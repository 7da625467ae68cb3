"""The kubelet, which keeps every login under a key and tries all that match, and containerd.

The one thing you would get wrong: its order and its matching are its own (`domain.keyring`), and
once a login matched it never pulls anonymously, so that a dead one breaks public images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regcred.domain import keyring
from regcred.domain.handout import Gathered, LeftOut
from regcred.domain.handout_keys import Keys, kubelet_keys, spell_hub_where_it_is_hidden
from regcred.domain.login_keys import keys_for_image
from regcred.domain.pullers.asked import (
    MADE_FOR_NONE,
    Asked,
    Attempt,
    Behaviour,
    identity_token,
)
from regcred.domain.registry import HUB, HUB_SERVER_URL
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
    f"{HUB} stands beside {HUB_SERVER_URL}, which the kubelet looks at only where no other key "
    "matched"
)
_LEFT_OUT = "{} is left out of pull secrets ({})"
_NO_KEY = "{}: the image has no room for more keys, so the plugin leaves it out"
_NOT_READY = (
    "a secret could not be exchanged, so the plugin fails: the kubelet goes on with what else "
    "it has"
)
_ALONE = "containerd asks no credential helper: by itself it has what hosts.toml or --user gives it"
_CRI = "under Kubernetes it gets through CRI what the kubelet tries, and shows it to mirrors too"


def pull_secret(asked: Asked) -> Behaviour:
    """A pull secret, or a node's file, that holds all of the caller's logins."""
    left_out = LeftOut()
    keys = kubelet_keys(Gathered(tuple(asked.entries())), left_out)
    spell_hub_where_it_is_hidden(keys)
    order = dict.fromkeys(keyring.lookup(list(keys.held), asked.name))
    tried = tuple(Attempt(asked.candidate(keys.held[key][0]), key) for key in order)
    notes = [_EACH, _MALFORMED] if tried else []
    if not tried and (wide := asked.too_wide()):
        notes.append(MADE_FOR_NONE.format(", ".join(wide), asked.reference.registry))
    notes += _why_not(asked, keys, dict(left_out.all()), tried)
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
    asked: Asked, keys: Keys, left_out: Mapping[str, str], tried: Sequence[Attempt]
) -> list[str]:
    """Say where the kubelet and regcred differ over this image."""
    taken = [attempt.candidate for attempt in tried]
    notes = [
        _LEFT_OUT.format(c.name, left_out[c.name]) for c in asked.resolved() if c.name in left_out
    ]
    if HUB in keys.held and any(attempt.known_as == HUB for attempt in tried):
        notes.append(_HIDDEN)
    for key, (entry, _) in keys.held.items():
        candidate = asked.candidate(entry)
        if candidate in taken:
            continue
        if not asked.covers(candidate):
            if keyring.lookup([key.removesuffix("/")], asked.name):
                notes.append(_SLASH.format(entry.name, key.removesuffix("/")))
        elif matched_scope(candidate).path == asked.reference.repository:
            notes.append(_ITSELF.format(entry.name, key))
        else:
            notes.append(_TEXT.format(entry.name, key))
    return notes
