"""The keys under which logins stand where Kubernetes' matching finds them."""

from __future__ import annotations

from collections.abc import Sequence

from regcred.domain.registry import HUB, HUB_SERVER_URL, ImageReference, Scope


def keyring_key(scope: Scope) -> str:
    """Return the key under which a login of this scope belongs into a pull secret.

    A path ends in a slash, because the kubelet compares paths as plain prefixes: `reg/team`
    would match `reg/teams/app`, `reg/team/` does not.
    """
    if (scope.host, scope.port, scope.path) == (HUB, None, ""):
        return HUB_SERVER_URL
    registry = str(Scope(scope.host, scope.port))
    return registry_key(registry, f"{scope.path}/") if scope.path else registry


def registry_key(registry: str, path: str) -> str:
    """Return the key that stands for exactly this path at a registry.

    Kubelet and docker take a leading `v1/` or `v2/` for the API's version and drop it: a path
    that begins so gets one to drop, or it would stand for other repositories.
    """
    dropped = "v1/" if path.startswith(("v1/", "v2/")) else ""
    return f"{registry}/{dropped}{path}"


def keys_for_image(reference: ImageReference, scopes: Sequence[Scope]) -> list[str]:
    """Return a key for each login of an image, in the order in which they are to be tried.

    All are whole-component prefixes of the image, as its registry is spelled there, and each is
    longer than the next: a kubelet that keeps them tries them in this order, for images of any
    spelling. A login stands under its own scope's path where that leaves room; where there are
    more logins than prefixes, the last of them get no key.
    """
    components = reference.repository.split("/")
    deepest = len(components)
    depths = [len(scope.path.split("/")) if scope.path else 0 for scope in scopes[: deepest + 1]]
    for place in range(len(depths) - 2, -1, -1):
        depths[place] = max(depths[place], depths[place + 1] + 1)
    most = deepest
    for place, depth in enumerate(depths):
        depths[place] = min(depth, most)
        most = depths[place] - 1
    return [_prefix_key(reference.registry, components, depth) for depth in depths]


def _prefix_key(registry: str, components: Sequence[str], depth: int) -> str:
    if not depth:
        return registry
    # `reg/team/app/` does not match the image `reg/team/app`: the whole repository has no slash.
    end = "" if depth == len(components) else "/"
    return registry_key(registry, "/".join(components[:depth]) + end)
