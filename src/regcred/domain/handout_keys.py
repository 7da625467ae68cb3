"""Under which keys logins stand where a program looks them up by the image: kubelet, podman.

Both have rules of their own and neither asks us, so the keys are chosen such that the login which
the program tries first is the one that resolve puts first. Where that cannot be, the worse login
is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from regcred.domain import keyring
from regcred.domain.handout import AskedImage, Entry, Gathered, LeftOut, Opened, fit
from regcred.domain.login_keys import keyring_key, registry_key
from regcred.domain.registry import HUB, HUB_SERVER_URL, RegistryAddress, Scope

_HUB = RegistryAddress(HUB)

Lookup = Callable[[str], list[str]]
"""Image -> the keys that a program tries, in its order."""


_Stars = tuple[bool, ...]
"""Which labels of a host are stars."""


@dataclass(slots=True)
class Keys:
    """Keys with their logins."""

    held: dict[str, tuple[Entry, Opened]] = field(default_factory=dict)
    identity_tokens: bool = False
    """Whether who reads them knows what to do with such a login."""

    def used(self) -> tuple[Entry, ...]:
        """Return each login that stands under a key, at each of its scopes."""
        entries = (entry for entry, _ in self.held.values())
        return tuple({(entry.credential_id, entry.scope): entry for entry in entries}.values())

    def take(self, key: str, entry: Entry, opened: Opened, left_out: LeftOut) -> bool:
        """Give a login its key, or leave it out where a better one stands there."""
        present, _ = self.held.setdefault(key, (entry, opened))
        if present.credential_id != entry.credential_id:
            left_out.add(entry, "another comes first")
        return present is entry

    def name_images(
        self,
        images: Iterable[AskedImage],
        index: Callable[[Collection[str]], Lookup],
        key_of: Callable[[AskedImage], str],
    ) -> None:
        """Give every named image whose first login would not be tried first a key of its own.

        Nothing is tried before a key that is the whole image. It may match other images too, by
        the kubelet's plain prefixes, so all are looked at again.
        """
        firsts = [
            (image, first)
            for image in images
            for first in fit(image.entries, LeftOut(), identity_tokens=self.identity_tokens)[:1]
        ]
        missed = True
        while missed:
            lookup = index(self.held.copy())
            missed = False
            for image, first in firsts:
                tried = lookup(image.name)[:1]
                key = key_of(image)
                if not any(self._stands(first, under) for under in tried) and not self._stands(
                    first, key
                ):
                    self.held[key] = first
                    missed = True

    def _stands(self, login: tuple[Entry, Opened], key: str) -> bool:
        present = self.held.get(key)
        return present is not None and present[0].credential_id == login[0].credential_id


def kubelet_keys(gathered: Gathered, left_out: LeftOut) -> Keys:
    """Return the keys of a pull secret. Docker Hub's whole registry stands under docker's URL."""
    keys = Keys()
    patterns = _Patterns()
    for entry, opened in fit(gathered.entries, left_out):
        scope = entry.scope
        if scope is None:
            left_out.add(entry, "no registry")
        elif scope.host.startswith("[") and scope.port is None:
            # Go's filepath.Match reads the brackets as a class of characters.
            left_out.add(entry, "an address that the kubelet cannot match")
        elif scope.pattern and patterns.any_tried_after(scope):
            left_out.add(entry, "the kubelet would try it first")
        elif keys.take(keyring_key(scope), entry, opened, left_out) and scope.pattern:
            patterns.add(scope)
    keys.name_images(
        gathered.images,
        lambda held: keyring.Index(held).lookup,
        lambda image: registry_key(image.reference.registry, image.reference.repository),
    )
    return keys


def name_lost_repositories(keys: Keys, gathered: Gathered, left_out: LeftOut) -> None:
    """Name each login whose own path is a repository that the kubelet would not try it for first.

    `reg/app/` is not found for the image `reg/app`, and `reg/app` would be for `reg/apps` too, so
    only an image that is named gets such a key.
    """
    if gathered.images:
        return
    held = list(keys.held)
    for entry in keys.used():
        scope = entry.scope
        # A name of one component is `library/NAME` on Docker Hub, and so no path of its own.
        if scope is None or not scope.path or (scope.host == HUB and "/" not in scope.path):
            continue
        image = str(scope)
        first = next((keys.held[key][0] for key in keyring.lookup(held, image)), None)
        if first is None or first.credential_id != entry.credential_id:
            left_out.add(entry, f"the image {image} itself: name it with image=")


def spell_hub_twice(keys: Keys) -> None:
    """Let Docker Hub's login stand under `docker.io` too, as podman and the kubelet write it."""
    if HUB_SERVER_URL in keys.held:
        keys.held[HUB] = keys.held[HUB_SERVER_URL]


def spell_hub_where_it_is_hidden(keys: Keys) -> None:
    """Do that only where another key takes in an image of Docker Hub's.

    The kubelet looks at docker's URL if nothing else matched: a path's key or a pattern hides it.
    """
    if any(_may_match_hub(key) for key in keys.held if key != HUB_SERVER_URL):
        spell_hub_twice(keys)


def containers_keys(gathered: Gathered, left_out: LeftOut) -> Keys:
    """Return the keys of an auth.json: `host/path` without a slash at the end, no patterns."""
    keys = Keys(identity_tokens=True)
    for entry, opened in fit(gathered.entries, left_out, identity_tokens=True):
        if entry.scope is None:
            left_out.add(entry, "no registry")
        elif entry.scope.pattern:
            left_out.add(entry, "a pattern")
        else:
            keys.take(str(entry.scope), entry, opened, left_out)
    keys.name_images(
        gathered.images,
        lambda held: partial(containers_lookup, held),
        lambda image: image.name,
    )
    if HUB in keys.held:
        keys.held[HUB_SERVER_URL] = keys.held[HUB]
    return keys


def containers_lookup(keys: Collection[str], image: str) -> list[str]:
    """Return the key that podman and skopeo use: the image itself, else its nearest parent.

    (containers/image, pkg/docker/config: namespaced keys, whole components, the first hit alone.)
    """
    while image:
        if image in keys:
            return [image]
        image = image.rpartition("/")[0]
    return []


class _Patterns:
    """Scopes with a pattern, found without a look at each: a project may have hundreds."""

    def __init__(self) -> None:
        self._held: dict[int | None, dict[_Stars, dict[str, list[Scope]]]] = {}
        """Port -> where the host has stars -> host -> scopes."""

    def add(self, scope: Scope) -> None:
        """Hold another."""
        hosts = self._held.setdefault(scope.port, {}).setdefault(_stars(scope), {})
        hosts.setdefault(scope.host, []).append(scope)

    def any_tried_after(self, scope: Scope) -> bool:
        """Whether the kubelet tries `scope` before one of these, for some image that is in both.

        It goes by reverse byte order, and two patterns need not stand there as they are ranked.
        """
        text = f"{scope}/"
        return any(text > f"{other}/" for other in self._near(scope) if scope.overlaps(other))

    def _near(self, scope: Scope) -> Iterator[Scope]:
        stars = _stars(scope)
        for others, hosts in self._held.get(scope.port, {}).items():
            if others == stars:
                # With stars at the same places only the same host has a host in common.
                yield from hosts.get(scope.host, ())
            elif len(others) == len(stars):
                yield from chain.from_iterable(hosts.values())


def _stars(scope: Scope) -> _Stars:
    return tuple(label == "*" for label in scope.host.split("."))


def _may_match_hub(key: str) -> bool:
    host = key.partition("/")[0]
    return host == HUB or ("*" in host and Scope(host).covers_registry(_HUB))
