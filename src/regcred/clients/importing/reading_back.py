"""What is stored, for a key that may reveal it: the only way to compare a password.

Each place that is asked about counts as a delivery and is audited as one.
"""

from __future__ import annotations

from regcred.clients.api import RegcredClient
from regcred.clients.calls import Json


class ReadingBack:
    """The passwords of stored logins, each place asked about once."""

    def __init__(self, api: RegcredClient) -> None:
        self._api = api
        self._known: dict[str, dict[tuple[str, str], str]] = {}

    def __call__(self, stored: Json) -> str | None:
        """Return a stored login's password, or None where a pull would not get it.

        So it is for one that is exchanged for another, and for one without a registry. Raise
        ApiProblem for a key that may not see passwords.
        """
        scopes = stored.get("scopes")
        if not isinstance(scopes, list) or not scopes:
            return None
        image = str(scopes[0]).replace("*", "any")
        if "/" not in image:
            image += "/any"
        if image not in self._known:
            self._known[image] = self._logins(image)
        return self._known[image].get((str(stored.get("id")), str(stored.get("username"))))

    def _logins(self, image: str) -> dict[tuple[str, str], str]:
        # By force, because a login that is withheld is stored all the same.
        logins = self._api.resolve(image, force=True).get("logins", [])
        return {
            (str(one["credential"]["id"]), str(one["username"])): str(one["password"])
            for one in logins
        }
