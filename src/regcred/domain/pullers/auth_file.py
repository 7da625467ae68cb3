"""podman, buildah and skopeo with a file of logins: containers/image's own rule.

The one thing you would get wrong: the first key that is there decides. A login that fails there
gives way to none with a shorter key.
"""

from __future__ import annotations

from regcred.domain.handout import Gathered, LeftOut
from regcred.domain.handout_keys import containers_keys, containers_lookup
from regcred.domain.pullers.asked import MADE_FOR_NONE, Asked, Attempt, Behaviour


def auth_json(asked: Asked) -> Behaviour:
    """Look the image up in the auth.json that all of the caller's logins make."""
    held = containers_keys(Gathered(tuple(asked.entries())), LeftOut()).held
    tried = tuple(
        Attempt(asked.candidate(held[key][0]), key)
        for key in containers_lookup(list(held), asked.name)
    )
    notes = ["podman looks for whole path components from the longest, and takes the first"]
    wide = asked.too_wide()
    if not tried and wide:
        notes.append(MADE_FOR_NONE.format(", ".join(wide), asked.reference.registry))
    if not tried and (missed := [c.name for c in asked.resolved() if c.name not in wide]):
        notes.append(
            f"{', '.join(missed)}: no key here (keys are exact: no host pattern, no other spelling "
            "of a host or port), but one in a file that is made for the image"
        )
    return Behaviour(tried, anonymous=not tried, notes=(*notes, *asked.kept_back()))
