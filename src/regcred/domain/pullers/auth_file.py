"""podman, buildah and skopeo with a file of logins: containers/image's own rule.

The one thing you would get wrong: the first key that is there decides. A login that fails there
gives way to none with a shorter key.
"""

from __future__ import annotations

from regcred.domain.ports import Candidate
from regcred.domain.pullers.asked import Asked, Attempt, Behaviour
from regcred.domain.registry import path_prefixes
from regcred.domain.selection import matched_scope


def auth_json(asked: Asked) -> Behaviour:
    """Look the image up in the file that all of the caller's logins make."""
    entries: dict[str, Candidate] = {}
    for candidate in asked.whole():
        if not matched_scope(candidate).pattern:
            entries.setdefault(str(matched_scope(candidate)), candidate)
    registry = asked.reference.registry
    keys = [
        f"{registry}/{path}" if path else registry
        for path in reversed(path_prefixes(asked.reference.repository))
    ]
    key = next((key for key in keys if key in entries), None)
    notes = ["podman looks for whole path components from the longest, and takes the first"]
    if key is None:
        if missed := [c.name for c in asked.resolved()]:
            notes.append(
                f"{', '.join(missed)}: no key for it here, as keys are exact (no host pattern, "
                "no other spelling of a host or port)"
            )
        return Behaviour((), anonymous=True, notes=(*notes, *asked.kept_back()))
    tried = (Attempt(entries[key], key),)
    return Behaviour(tried, anonymous=False, notes=(*notes, *asked.kept_back()))
