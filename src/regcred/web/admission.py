"""Who may go on once it is known who asks, so that no project takes what all share.

Asked after the key was looked at, because what a stranger writes must count against nobody; only a
body that is waited for counts against the address it comes from. It costs a request that may go on
no waiting and about a microsecond (0.7 to 1.1, a loop of timeit): places are counts. Rates are not
looked at unless the operator set them; each costs another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.types import Scope

from regcred.domain.access import Caller, Principal
from regcred.domain.errors import QuotaExceeded
from regcred.domain.peer import counted_as
from regcred.web.middleware import peer_of
from regcred.web.windows import Windows

_T = TypeVar("_T")

_SHARE = 3
_SOON = 1
"""Seconds after which a place may be free."""

_HOLDER = "holder_of_a_place"
"""Where a request's scope says whose place it has."""

_CLIENT = "client_of_a_proxy"
"""Where it says as whose it was counted that a proxy brought."""


class Admission:
    """Places for requests under way, and rates a minute of a project and of a key.

    A project may hold three times as many places as are free: alone it has three quarters of all,
    two that take what they can have three sevenths each, and whoever comes next still finds some
    (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
    IEEE/ACM Transactions on Networking 6(2), 1998). So there is no queue, and no share to set.
    """

    def __init__(
        self,
        most: int,
        monotonic: Callable[[], float],
        *,
        per_project: int | None = None,
        per_key: int | None = None,
        per_client: int | None = None,
    ) -> None:
        """Take how many requests may be under way, of all and of one client behind proxies.

        Rates are a minute's. None: no limit.
        """
        self.most = most
        self.under_way = 0
        """Requests of all, whoever asks."""

        self._held: dict[int, int] = {}
        """Places by project; none stands with 0."""

        self._per_client = per_client
        self._clients: Counter[str] = Counter()
        """Requests of clients that share a proxy's connections; none stands with 0."""

        self._slow: Counter[str] = Counter()
        """Requests whose bodies are still to come, by their clients; none stands with 0."""

        self._per_project, self._per_key = per_project, per_key
        self._projects: Windows[int] = Windows(monotonic)
        self._keys: Windows[Principal] = Windows(monotonic)

    @property
    def full(self) -> bool:
        """Whether there is no place for a request that was just begun."""
        return self.under_way > self.most

    @property
    def crowded(self) -> bool:
        """Whether there is no place for one more request."""
        return self.under_way >= self.most

    def begin(self) -> None:
        """Count a request, before anything is known of it. `end` it whatever comes of it."""
        self.under_way += 1

    def end(self, scope: Scope) -> None:
        """Give back what a request holds."""
        self.under_way -= 1
        state = scope.get("state", {})
        if _CLIENT in state:
            self._clients[state[_CLIENT]] -= 1
            if not self._clients[state[_CLIENT]]:
                del self._clients[state[_CLIENT]]
        project = state.get(_HOLDER)
        if project is not None:
            self._held[project] -= 1
            if not self._held[project]:
                del self._held[project]

    def admit_client(self, scope: Scope, client: str) -> None:
        """Count a request that a proxy brought as its client's. Raise QuotaExceeded.

        Clients of their own have so many connections, each with one request at a time.
        """
        counted = counted_as(client)
        if self._per_client is not None and self._clients[counted] >= self._per_client:
            raise QuotaExceeded("requests of this address under way", _SOON)
        self._clients[counted] += 1
        scope.setdefault("state", {})[_CLIENT] = counted

    @contextmanager
    def waiting(self, scope: Scope) -> Iterator[None]:
        """Count a request while its body is waited for. Raise QuotaExceeded.

        Whose key it has is not known yet. An address may have as many as there are free places,
        so that several together leave some too.
        """
        counted = counted_as(peer_of(scope))
        if self._slow[counted] >= self.most + 1 - self.under_way:
            raise QuotaExceeded("requests of this address that wait for their bodies", _SOON)
        self._slow[counted] += 1
        try:
            yield
        finally:
            self._slow[counted] -= 1
            if not self._slow[counted]:
                del self._slow[counted]

    def admit(self, scope: Scope, caller: Caller) -> None:
        """Give the request a place of its caller's project, once. Raise QuotaExceeded."""
        state = scope.setdefault("state", {})
        if _HOLDER in state:
            return
        project = caller.project_id.int
        held = self._held.get(project, 0)
        if held >= _SHARE * (self.most + 1 - self.under_way):
            raise QuotaExceeded("requests of this project under way", _SOON)
        if self._per_key is not None:
            _take(self._keys, caller.principal, self._per_key, "requests with this key")
        if self._per_project is not None:
            _take(self._projects, project, self._per_project, "requests of this project")
        self._held[project] = held + 1
        state[_HOLDER] = project


def _take(windows: Windows[_T], counted: _T, limit: int, what: str) -> None:
    taken = windows.take(counted, limit)
    if taken.exceeded:
        raise QuotaExceeded(what, taken.reset)
