"""What the kubelet's credential provider plugin prints for an image.

The one thing you would get wrong: the kubelet keeps an answer and may try its logins for other
images of the registry, so an answer for one image must not say that it is good for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from regcred.domain.errors import LoginUnavailable
from regcred.domain.login_keys import keys_for_image
from regcred.domain.ports import Clock, Store
from regcred.domain.registry import ImageReference, Scope
from regcred.domain.token import ApiToken
from regcred.domain.workload import is_pod_token
from regcred.usecases.open_login import Login
from regcred.usecases.pull import Presented, Question, Resolution, Room, question_for_image
from regcred.usecases.resolve_image import ResolveImage

_SKEW = timedelta(seconds=60)
"""A pull that begins with a login must end before the login does."""

_MOST = timedelta(hours=12)
"""The longest that any registry's own short-lived login lasts. That a password ends in a year does
not say that it is good until then, and Go's durations end before some dates do."""

_NOTHING_FITS = timedelta(seconds=10)
"""How long "no login" is kept: a pod whose pull failed waits as long before it tries again."""


class KubeletAnswer(NamedTuple):
    """Logins under the keys by which the kubelet tries them, best first."""

    logins: Sequence[tuple[str, Login]]
    whole_registry: bool
    """Whether the answer is the same for every image of the registry."""

    keep_for: timedelta | None
    """None: neither a login ends nor, soon, who asks."""


class ServeKubelet:
    """Asks for an image's logins as a node may use them."""

    def __init__(self, resolve: ResolveImage, store: Store, clock: Clock) -> None:
        self._resolve = resolve
        self._store = store
        self._clock = clock

    async def __call__(self, presented: Presented, image: str) -> KubeletAnswer:
        """Return the answer, once its audit row is durable.

        No login means that none fits, never that one is not ready: raise LoginUnavailable for
        that. Raise InvalidReference, InvalidInput and what ResolveImage raises.
        """
        reference, question = question_for_image(image)
        room = Room(logins=len(reference.repository.split("/")) + 1, identity_tokens=False)
        resolution = await self._resolve(presented, question, room=room)
        if not resolution.logins:
            failed = next((login for login in resolution.withheld if login.reason), None)
            if failed is not None:
                raise LoginUnavailable(failed.credential_name, failed.reason)
            return KubeletAnswer((), whole_registry=False, keep_for=_NOTHING_FITS)
        return KubeletAnswer(
            _keyed(reference, resolution.logins),
            await self._serves_all(presented, question, resolution),
            self._keep_for(resolution),
        )

    async def _serves_all(
        self, presented: Presented, question: Question, resolution: Resolution
    ) -> bool:
        """Whether every image of the registry would get this one login, by this key."""
        scope = Scope.parse(resolution.logins[0].scope)
        if is_pod_token(presented.key or ""):
            return False  # another pod of the node may have it for other images
        if len(resolution.logins) > 1 or scope.pattern or scope.path:
            return False
        read = await self._store.read_for_resolve(
            ApiToken.parse(presented.key or "").id, presented.project, question.address, None
        )
        patterns = () if read.key is None else read.key.key.image_patterns
        covered = not patterns or any(pattern.covers_scope(scope) for pattern in patterns)
        return covered and len(read.candidates) == 1

    def _keep_for(self, resolution: Resolution) -> timedelta | None:
        """Return how long a node may keep the answer: no longer than it could ask for it again.

        A better login that is not ready now may be at the next pull, so nothing is kept then.
        """
        if any(login.reason for login in resolution.withheld):
            return timedelta(0)
        now = self._clock()
        left = [login.expires_at - now for login in resolution.logins if login.expires_at]
        # Far away, whoever asks ends no sooner than they would ask again.
        if resolution.caller_ends is not None and resolution.caller_ends - now < _MOST:
            left.append(resolution.caller_ends - now)
        keep = max(timedelta(0), min(min(left) - _SKEW, _MOST)) if left else None
        if resolution.withheld:
            return _NOTHING_FITS if keep is None else min(keep, _NOTHING_FITS)
        return keep


def _keyed(reference: ImageReference, logins: Sequence[Login]) -> list[tuple[str, Login]]:
    keys = keys_for_image(reference, [Scope.parse(login.scope) for login in logins])
    return list(zip(keys, logins, strict=True))
