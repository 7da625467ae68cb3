"""What each program that pulls would do with the logins that match an image.

Every puller asks in its own way, and the differences decide who gets which login: docker and
podman name only the host, crane names the repository first, the kubelet keeps every login by a
key of its own and tries them all. One file holds the habits of one family of clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from regcred.domain.access import Caller
from regcred.domain.ports import Candidate
from regcred.domain.pullers.asked import Asked
from regcred.domain.pullers.asked import Attempt as Attempt
from regcred.domain.pullers.asked import Behaviour as Behaviour
from regcred.domain.pullers.auth_file import auth_json
from regcred.domain.pullers.helpers import crane, docker, nerdctl, nomad, podman
from regcred.domain.pullers.kubelet import containerd, plugin, pull_secret
from regcred.domain.registry import ImageReference

_CLIENTS: Mapping[str, Callable[[Asked], Behaviour]] = MappingProxyType(
    {
        "docker": docker,
        "podman": podman,
        "auth.json": auth_json,
        "crane": crane,
        "nerdctl": nerdctl,
        "containerd": containerd,
        "kubelet": pull_secret,
        "kubelet-plugin": plugin,
        "nomad": nomad,
    }
)


def behaviours(
    caller: Caller,
    reference: ImageReference,
    at_registry: Sequence[Candidate],
    failing: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Behaviour]:
    """Return what each client does with this image.

    `at_registry` are all logins at the image's registry, whatever their path and standing: a
    withheld login still counts where the choice is made, as it does when pullers ask. `failing`
    says by id which of them have no login now, because their secret could not be exchanged.
    """
    asked = Asked(caller, reference, at_registry, failing)
    return {name: does(asked) for name, does in _CLIENTS.items()}
