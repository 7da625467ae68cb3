"""Conditional and repeatable requests: ETag, If-Match, If-None-Match, Idempotency-Key."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from regcred.domain.errors import InvalidInput

NEVER = 0
"""A version that nothing has: versions count from 1."""

_ETAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_LIST = re.compile(rf"\s*(?:{_ETAG}\s*(?:,\s*|\Z))+\Z")
_STRONG_VERSION = re.compile(r'(?<![/])"([1-9][0-9]{0,17})"')
_EACH = re.compile(_ETAG)
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
_MAX_TAGS = 32


def etag(version: int) -> str:
    """Return the strong entity tag of a version."""
    return f'"{version}"'


async def expected_version(
    if_match: str | None, read_version: Callable[[], Awaitable[int]]
) -> int | None:
    """Return the version that a change expects: None for any, NEVER if none can match.

    A `*` or a list is settled by the version that stands now, and the change still happens to
    that version alone. A weak tag never matches. Raise InvalidInput, and what `read_version`
    raises.
    """
    if if_match is None:
        return None
    if if_match.strip() == "*":
        return await read_version()
    tags = _EACH.findall(if_match)
    if not _LIST.match(if_match) or len(tags) > _MAX_TAGS:
        raise InvalidInput("If-Match", f'must be * or up to {_MAX_TAGS} ETags, such as "3"')
    versions = {int(found[1]) for tag in tags if (found := _STRONG_VERSION.fullmatch(tag))}
    if len(versions) <= 1:
        return next(iter(versions), NEVER)
    present = await read_version()
    return present if present in versions else NEVER


def names_tag(if_none_match: str | None, tag: str) -> bool:
    """Whether If-None-Match names the tag, so that the answer is 304 (RFC 9110, section 13.1.2).

    A weak tag names it too. Raise InvalidInput.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    tags = _EACH.findall(if_none_match)
    if not _LIST.match(if_none_match) or len(tags) > _MAX_TAGS:
        raise InvalidInput("If-None-Match", f"must be * or up to {_MAX_TAGS} ETags")
    return tag in {found.removeprefix("W/") for found in tags}


def idempotency_key(value: str | None) -> str | None:
    """Return a client's Idempotency-Key. Raise InvalidInput."""
    if value is not None and not _IDEMPOTENCY_KEY.match(value):
        raise InvalidInput("Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    return value
