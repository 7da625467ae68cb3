"""What an API server may make a client read: pages, bytes and seconds, whatever it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

import httpx2
import lightkube
from lightkube.core.generic_client import ListIterable

SECONDS = 20.0
"""How long one list may take, all its pages together: a lease must be renewed before it ends."""

_ANSWER_SECONDS = 20.0
_MAX_ANSWER = 32 * 1024 * 1024
_MAX_PAGES = 1000
_MAX_ITEMS = 100_000

_T = TypeVar("_T")


class TooMuch(httpx2.TransportError):
    """More than is read."""


def whole(listed: ListIterable[_T], seconds: float = SECONDS) -> list[_T]:
    """Return a list's items. Raise TooMuch, and as lightkube does."""
    until = monotonic() + seconds
    found: list[_T] = []
    # By page: pages without an item may follow each other for ever.
    pages = listed._inner_iter  # noqa: SLF001  lightkube shows items alone
    for number, (_, items) in enumerate(pages, 1):
        found += items
        if number > _MAX_PAGES or len(found) > _MAX_ITEMS or monotonic() > until:
            raise TooMuch(f"the list has no end: {number} pages, {len(found)} items")
    return found


def bound_answers(client: lightkube.Client) -> lightkube.Client:
    """Have a client give up an answer that comes too slowly as a whole, or does not end."""
    # lightkube takes a transport only without its proxies and certificates.
    inner = client._client._client  # noqa: SLF001  see above
    inner.headers["Accept-Encoding"] = "identity"
    inner.event_hooks["response"].append(_bound)
    return client


def _bound(answer: httpx2.Response) -> None:
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise TooMuch("the answer is compressed, and may be far larger than it came")
    assert isinstance(answer.stream, httpx2.SyncByteStream)  # noqa: S101  the client is no async one
    answer.stream = _Bounded(answer.stream)


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream
        self._until = monotonic() + _ANSWER_SECONDS

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        parts: Iterable[bytes] = self._stream
        for part in parts:
            size += len(part)
            if size > _MAX_ANSWER or monotonic() > self._until:
                raise TooMuch("the answer has no end")
            yield part

    def close(self) -> None:
        self._stream.close()
