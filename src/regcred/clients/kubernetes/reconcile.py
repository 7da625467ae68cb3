"""Bring namespaces to what is wanted, each by itself: one that fails stops no other.

The order is such that a stop at any point leaves nothing that the next pass would not finish: what
is put into a service account's list stands in the Secret's annotation first, and leaves the list
before the Secret goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from regcred.clients.kubernetes.cluster import Account, Cluster, Present
from regcred.clients.kubernetes.refusals import ClusterRefused
from regcred.clients.kubernetes.wanted import ACCOUNTS, KEY, TYPE, Logins, Sync

_TRIES = 4
_NOT_FOUND = 404
_HELD = "it is not named, and stays until every namespace that is named is as it should be"

KeepGoing = Callable[[], bool]


class Result(StrEnum):
    """What became of one namespace."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    SKIPPED = "skipped"
    FAILED = "failed"


class Outcome(NamedTuple):
    """What became of one namespace, and why. `namespace` is empty for the cluster as a whole."""

    namespace: str
    result: Result
    why: str = ""


class Stopped(Exception):
    """The process is to end, or leads no longer: nothing more is written."""


class _Kept(Exception):
    """A namespace that stays as it is, and why."""


class _Replaced(Exception):
    """A Secret to be removed that is not the sync's own any more."""


class Reconciler:
    """One sync in one cluster. `keep_going` is asked before each write.

    Its methods may raise ClusterUnreachable, and Stopped.
    """

    def __init__(self, sync: Sync, cluster: Cluster, keep_going: KeepGoing) -> None:
        self._sync = sync
        self._cluster = cluster
        self._keep_going = keep_going

    def reconcile(self, logins: Logins | None) -> list[Outcome]:
        """Write where it is wanted and remove where it no longer is.

        Without logins nothing is written: what is there stays. Where namespaces are named and one
        failed, nothing is removed: the name may be misspelt, and another meant.
        """
        try:
            targets, leaving = self._targets()
        except ClusterRefused as why:
            # Without the list nobody knows what no longer matches.
            return [Outcome("", Result.FAILED, str(why))]
        self._go_on()
        own, trouble = self._own()
        surplus = [one for name, one in own.items() if name not in {*targets, *leaving}]
        outcomes = [Outcome(name, Result.SKIPPED, "it is terminating") for name in leaving]
        if logins is not None:
            for name in targets:
                known = own.get(name)
                outcomes.append(self._each(name, partial(self._place, name, logins, known)))
        outcomes += trouble
        if self._doubtful(logins, outcomes):
            return [*outcomes, *(Outcome(one.namespace, Result.SKIPPED, _HELD) for one in surplus)]
        return [*outcomes, *map(self._remove, surplus)]

    def remove(self) -> list[Outcome]:
        """Remove the sync's Secrets, and their entries in service accounts, everywhere."""
        own, trouble = self._own()
        return [*trouble, *map(self._remove, own.values())]

    def _doubtful(self, logins: Logins | None, outcomes: list[Outcome]) -> bool:
        """Whether the wish may not be what was meant.

        What a selector takes in the cluster itself has told, so that nobody who breaks one of its
        namespaces keeps the logins in another.
        """
        failed = any(one.result is Result.FAILED for one in outcomes)
        return not self._sync.selector and (logins is None or failed)

    def _targets(self) -> tuple[list[str], list[str]]:
        """Return the namespaces that are wanted, and those of them that are on their way out."""
        if not self._sync.selector:
            return list(dict.fromkeys(self._sync.namespaces)), []
        found = sorted(self._cluster.namespaces(self._sync.selector))
        return (
            [one.name for one in found if not one.terminating],
            [one.name for one in found if one.terminating],
        )

    def _own(self) -> tuple[dict[str, Present], list[Outcome]]:
        """Return the sync's Secrets by namespace, wherever they are, or why that is unknown."""
        try:
            own = self._cluster.own_secrets()
        except ClusterRefused as why:
            words = f"what no longer matches was not looked for: {why}"
            return {}, [Outcome("", Result.FAILED, words)]
        return {one.namespace: one for one in sorted(own, key=_namespace)}, []

    def _remove(self, present: Present) -> Outcome:
        return self._each(present.namespace, lambda _: self._take_away(present))

    def _now(self, listed: Present) -> Present:
        """Return a Secret as it is by now. Raise _Replaced when it is somebody's."""
        present = self._cluster.secret(listed.namespace) or listed
        if not present.owned:
            raise _Replaced
        return present

    def _each(self, namespace: str, act: Callable[[bool], Result]) -> Outcome:
        """Act, anew after a conflict; `act` is told whether it is the first time."""
        for attempt in range(1, _TRIES + 1):
            self._go_on()
            try:
                return Outcome(namespace, act(attempt == 1))
            except _Replaced:
                return Outcome(namespace, Result.SKIPPED, "somebody replaced it meanwhile")
            except _Kept as why:
                return Outcome(namespace, Result.FAILED, str(why))
            except ClusterRefused as why:
                if why.terminating:
                    return Outcome(namespace, Result.SKIPPED, "it is terminating")
                if attempt == _TRIES or not why.conflict:
                    return Outcome(namespace, Result.FAILED, str(why))
        raise AssertionError  # pragma: no cover  the last try always returns

    def _go_on(self) -> None:
        if not self._keep_going():
            raise Stopped

    def _place(self, namespace: str, logins: Logins, known: Present | None, first: bool) -> Result:
        """Bring one namespace to what is wanted; `known` is how it was when the pass began.

        A write carries the version of that: one out of date is a conflict, after which it is read.
        """
        present = known if known and first else self._cluster.secret(namespace)
        if present is not None:
            self._check_ours(present, logins)
        recorded = present.accounts if present else frozenset()
        accounts, absent = self._accounts(namespace, recorded)
        listed = self._recorded(accounts, recorded)
        written = present is None or not self._stands(present, logins, listed)
        if written:
            self._write(namespace, logins, listed, present)
        for account in accounts:
            written |= self._list_in(account)
        self._tell_odd(present)
        if absent:
            raise _Kept(f"there is no service account {', '.join(absent)}")
        return Result.WRITTEN if written else Result.UNCHANGED

    def _write(
        self, namespace: str, logins: Logins, listed: frozenset[str], over: Present | None
    ) -> None:
        self._go_on()
        try:
            self._cluster.apply(namespace, logins, listed, over)
        except ClusterRefused as why:
            # An apply makes what is not there: only its namespace can be missing.
            if why.status == _NOT_FOUND:
                raise _Kept(f"there is no namespace {namespace}") from None
            raise

    def _check_ours(self, present: Present, logins: Logins) -> None:
        name = self._sync.secret
        if not present.owned:
            raise _Kept(
                f"the Secret {name} is not this sync's own, and stays as it is: "
                "delete or rename it, or choose another --secret-name"
            )
        if present.type != TYPE:
            raise _Kept(
                f"the Secret {name} has the type {present.type}, which cannot be changed: "
                "delete it, then it is made anew"
            )
        if present.immutable and present.data.get(KEY) != logins.data:
            raise _Kept(
                f"the Secret {name} was made immutable and holds other logins: "
                "delete it, then it is made anew"
            )

    def _tell_odd(self, present: Present | None) -> None:
        if present is not None and present.odd:
            raise _Kept(
                f"the annotation {ACCOUNTS} of the Secret {self._sync.secret} named what is no "
                "service account: that was left out, and somebody wrote it"
            )

    def _stands(self, present: Present, logins: Logins, listed: frozenset[str]) -> bool:
        wanted = self._sync.annotations(listed)
        return (
            present.data.get(KEY) == logins.data
            and {n: v for n, v in present.annotations.items() if n in wanted} == wanted
            and present.accounts == listed
        )

    # Service accounts

    def _accounts(
        self, namespace: str, recorded: frozenset[str]
    ) -> tuple[list[Account], list[str]]:
        """Return the accounts to look after, and the wanted ones that are not there."""
        names = sorted({*self._sync.accounts, *recorded})
        found = [(name, self._cluster.account(namespace, name)) for name in names]
        absent = [n for n, one in found if one is None and n in self._sync.accounts]
        return [one for _, one in found if one is not None], absent

    def _recorded(self, accounts: Iterable[Account], before: frozenset[str]) -> frozenset[str]:
        """Return whose list the sync put itself into: what others put there is theirs."""
        return frozenset(
            one.name
            for one in accounts
            if (
                one.name in before
                if self._sync.secret in one.secrets
                else one.name in self._sync.accounts
            )
        )

    def _list_in(self, account: Account) -> bool:
        """Put the Secret into a wanted list, or out of one it was put into; return if so."""
        entry, there = self._sync.secret, self._sync.secret in account.secrets
        if account.name in self._sync.accounts:
            if there:
                return False
            secrets = (*account.secrets, entry)
        elif there:
            secrets = tuple(name for name in account.secrets if name != entry)
        else:
            return False
        self._go_on()
        self._cluster.set_pull_secrets(account, secrets)
        return True

    def _take_away(self, listed: Present) -> Result:
        present = self._now(listed)
        for name in sorted(present.accounts):
            account = self._cluster.account(present.namespace, name)
            if account is not None and self._sync.secret in account.secrets:
                left = tuple(one for one in account.secrets if one != self._sync.secret)
                self._go_on()
                self._cluster.set_pull_secrets(account, left)
        self._go_on()
        self._cluster.delete(present)
        self._tell_odd(present)
        return Result.REMOVED


def _namespace(present: Present) -> str:
    return present.namespace
