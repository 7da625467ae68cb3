"""What an operator's word covers: the audit rows that were not right when it was given.

The one thing you would get wrong: to let it cover every row before it. Whoever edits one of those
afterwards would have been accepted beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import orjson

from regcred.adapters.storage.sql.rows import as_written
from regcred.domain.audit import AuditValue

MOST = 100
"""Ranges of rows that one word names of each kind."""


@dataclass(frozen=True, slots=True)
class Named:
    """Numbers of rows."""

    ranges: tuple[range, ...] = ()
    unnamed: range = range(0)
    """Among these are more that were meant, and nothing says which."""

    def __contains__(self, number: object) -> bool:
        return any(number in one for one in self.ranges)

    def first_other(self, among: range) -> int:
        """Return the first of `among` that may not have been meant; 0: there is none."""
        number = among.start
        while number < among.stop:
            upto = [one.stop for one in (*self.ranges, self.unnamed) if number in one]
            if not upto:
                return number
            number = max(upto)
        return 0


class Acceptance(NamedTuple):
    """A rollback that was accepted; `number` is its audit row's, 0: none was."""

    number: int = 0
    edited: Named = Named()
    missing: Named = Named()


@as_written("an accepted rollback")
def acceptance(number: int, details: str) -> Acceptance:
    """Return what an audit row says was accepted. Raise SealBroken.

    One of a release before this detail names no row, so any before it may have been meant.
    """
    said = orjson.loads(details)
    if "last" not in said:
        before = Named(unnamed=range(1, number))
        return Acceptance(number, before, before)
    missing = _named(said, "missing")
    # Rows at the end that are gone have no other row after them yet.
    end = range(int(said["last"]) + 1, number)
    return Acceptance(
        number, _named(said, "edited"), replace(missing, ranges=(*missing.ranges, end))
    )


def details(
    last: int, edited: Iterable[range], missing: Iterable[range]
) -> Mapping[str, AuditValue]:
    """Return what the row says of the rows up to `last`; ranges are in order.

    Of more than MOST the first are named, and up to where there are more.
    """
    said: dict[str, AuditValue] = {"last": last}
    for kind, found in (("edited", joined(edited)), ("missing", joined(missing))):
        said[kind] = tuple(f"{one.start}-{one.stop - 1}" for one in found[:MOST])
        if len(found) > MOST:
            said[f"{kind}_upto"] = found[-1].stop - 1
    return said


def joined(ranges: Iterable[range]) -> list[range]:
    """Return ranges in order with those made one that follow each other without a gap."""
    whole: list[range] = []
    for one in ranges:
        if whole and whole[-1].stop == one.start:
            whole[-1] = range(whole[-1].start, one.stop)
        else:
            whole.append(one)
    return whole


def _named(said: Mapping[str, object], kind: str) -> Named:
    ranges = tuple(map(_range, said[kind]))  # type: ignore[call-overload]  # wrong types are told
    upto = said.get(f"{kind}_upto")
    return Named(ranges) if upto is None else Named(ranges, range(ranges[-1].stop, upto + 1))  # type: ignore[operator]  # likewise


def _range(text: str) -> range:
    first, last = text.split("-")
    return range(int(first), int(last) + 1)
