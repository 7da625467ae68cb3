"""What the native shapes have in common: strictness, time, secrets, pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from regcred.domain import text
from regcred.domain.credential import parse_scope
from regcred.domain.errors import InvalidInput
from regcred.domain.secret import MAX_BYTES, Secret
from regcred.web.errors import rule
from regcred.web.shapes import StrictShape
from regcred.web.times import RULE, instant

_Item = TypeVar("_Item")


class Shape(StrictShape):
    """A JSON object of this dialect; its document looks for examples below this class."""


def _instant(value: object) -> datetime:
    try:
        return instant(value if isinstance(value, str) else "", field="")
    except InvalidInput:
        raise rule(RULE) from None


def _secret(value: object) -> Secret:
    if not isinstance(value, str):
        raise rule("must be text")
    return Secret(value)


Instant = Annotated[
    datetime,
    PlainValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2030-01-31T12:00:00Z"]}),
]

Password = Annotated[
    Secret,
    PlainValidator(_secret),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "minLength": 1,
            "maxLength": MAX_BYTES,
            "writeOnly": True,
            "description": f"The registry password or token: 1 to {MAX_BYTES} bytes of UTF-8 "
            "without NUL. Shown by resolve and the hand-outs alone.",
            "examples": ["a-token-with-pull-rights"],
        }
    ),
]


def _limit(value: object) -> int:
    digits = str(value)
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits[:4]) <= MAX_LIMIT):
        raise rule(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(digits)


def _printable(value: object) -> str:
    try:
        return text.printable(str(value), field="", maximum=_MAX_FILTER)
    except InvalidInput as error:
        raise rule(error.violations[0].rule) from None


MAX_LIMIT = 200
DEFAULT_LIMIT = 50
_MAX_FILTER = 1024

FilterText = Annotated[
    str,
    PlainValidator(_printable),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _MAX_FILTER}),
]


class Listing(BaseModel):
    """The query of every list."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[
        int,
        PlainValidator(_limit),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}),
    ] = Field(default=DEFAULT_LIMIT, description="How many items a page has at most.")
    cursor: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "minLength": 1}),
    ] = Field(default=None, description="`next_cursor` of the page before.")


class Page(Shape, Generic[_Item]):
    """One page of a list."""

    items: list[_Item]
    next_cursor: str | None = Field(
        description="Opaque, for `cursor` of the next request; null on the last page."
    )


def _yes(value: object) -> bool:
    if value not in {"true", "false", True, False}:
        raise rule("must be true or false")
    return value in {"true", True}


def _require(value: object) -> Literal["require"]:
    if value != "require":
        raise rule("must be require, or left away")
    return "require"


Flag = Annotated[bool, PlainValidator(_yes), WithJsonSchema({"type": "boolean"})]
Require = Annotated[
    Literal["require"], PlainValidator(_require), WithJsonSchema({"enum": ["require"]})
]


def address_text(url: str | None) -> str | None:
    """Return a registry URL that is an address. Raise InvalidInput.

    The store takes any text, because other dialects do; a login that no image can match is no
    use to anyone who types it in here.
    """
    if url is not None:
        parse_scope(url)
    return url
