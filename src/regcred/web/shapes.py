"""What wire shapes are made of: strict objects, texts and numbers with rules told in words.

A rule stands in the OpenAPI document as the wire's owner wrote it, and is kept here by the same
pattern. The one thing you would get wrong: patterns are ECMA-262's. Its `$` is the very end and
never before a line feed, and its `.` passes over four line terminators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic_core import CoreSchema, core_schema

from regcred.domain.errors import InvalidInput, MalformedRequest, RegcredError
from regcred.domain.secret import Secret
from regcred.web.errors import rule

_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|[.$^]", re.DOTALL)
_ECMA = {"^": r"\A", "$": r"\Z", ".": r"[^\n\r\u2028\u2029]"}
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_DIGITS = 40
"""More than 64 bits have: what is longer is beyond them all the same."""

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1


class StrictShape(BaseModel):
    """A JSON object that has what is documented and nothing else."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", strict=True, frozen=True, hide_input_in_errors=True
    )


def example(**members: Any) -> ConfigDict:
    """Return the configuration that documents an example of a shape."""
    return ConfigDict(json_schema_extra={"examples": [members]})


def patch_example(**members: Any) -> ConfigDict:
    """Return the configuration of a patch: an example, and no defaults, which would mislead.

    What a patch does not name is kept; the defaults in the code are never read.
    """

    def documented(schema: dict[str, Any]) -> None:
        schema["examples"] = [members]
        for described in schema["properties"].values():
            described.pop("default", None)

    return ConfigDict(json_schema_extra=documented)


@cache
def ecma(pattern: str) -> re.Pattern[str]:
    """Return an ECMA-262 pattern as Python reads it: for `search`, classes as they stand."""
    return re.compile(_TOKEN.sub(lambda found: _ECMA.get(found[0], found[0]), pattern), re.ASCII)


@dataclass(frozen=True, slots=True)
class Text:
    """A JSON string; lengths are in characters. Use it as `Annotated[str, Text(…)]`."""

    minimum: int | None = None
    maximum: int | None = None
    pattern: str = ""
    """As the wire's owner documents it (ECMA-262)."""

    rule: str = ""
    """The pattern in words."""

    about: dict[str, Any] = field(default_factory=dict)
    """More for the document: a description, examples."""

    def check(self, value: object) -> str:
        """Return the text. Raise a rule that never depends on the value."""
        if not isinstance(value, str):
            raise rule("must be text")
        low, high = self.minimum or 0, self.maximum
        if len(value) < low or (high is not None and len(value) > high):
            raise rule(self._length())
        if self.pattern and not ecma(self.pattern).search(value):
            raise rule(self.rule)
        return value

    def _length(self) -> str:
        low, high = self.minimum or 0, self.maximum
        if high is not None:
            return f"must be {low} to {high} characters"
        return "must not be empty" if low == 1 else f"must be at least {low} characters"

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        bounds = {"minLength": self.minimum, "maxLength": self.maximum}
        told = {name: value for name, value in bounds.items() if value is not None}
        pattern = {"pattern": self.pattern} if self.pattern else {}
        return {"type": "string", **told, **pattern, **self.about}


@dataclass(frozen=True, slots=True)
class SecretText(Text):
    """A JSON string that is wrapped before anyone sees it: `Annotated[Secret, SecretText(…)]`."""

    def wrap(self, value: object) -> Secret:
        """Return the secret. Raise a rule."""
        try:
            return Secret(self.check(value))
        except InvalidInput as refused:
            # Its own field's name may be another on this wire; pydantic knows which.
            raise rule(refused.violations[0].rule) from None

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.wrap)


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """A whole number in a path or a query: `Annotated[int, WholeNumber(…)]`.

    Plain decimal digits, and a minus where it is meant. Others are told as a MalformedRequest:
    such a request has no meaning, where a body's field would merely break a rule.
    """

    name: str
    minimum: int = MIN_INT64
    maximum: int | None = None
    """None: without an end; what is beyond 64 bits is taken for the largest."""

    schema: dict[str, Any] = field(default_factory=dict)
    refusal: type[RegcredError] | None = None
    """What to raise instead of MalformedRequest."""

    def check(self, value: object) -> int:
        """Return the number. Raise MalformedRequest, or `refusal`."""
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            number = int(value[:_DIGITS])
            if self.maximum is None:
                number = min(number, MAX_INT64)
            if self.minimum <= number <= (self.maximum or MAX_INT64):
                return number
        raise self.refusal() if self.refusal else MalformedRequest(self.name, self._rule())

    def _rule(self) -> str:
        if self.minimum < 0:
            return "must be a whole number of 64 bits"
        if self.maximum is None:
            return f"must be a whole number from {self.minimum}"
        return f"must be a whole number from {self.minimum} to {self.maximum}"

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, _schema: object, _handler: object) -> dict[str, Any]:
        return {"type": "integer", **self.schema}
