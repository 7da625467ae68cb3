"""An exception is told of by kind and place alone."""

from __future__ import annotations

import re

import pytest

from regcred.web.unexpected import kind_and_place


def fail() -> None:
    raise ValueError("hunter2")


def test_its_kind_and_the_innermost_place_and_not_a_word_of_its_own() -> None:
    with pytest.raises(ValueError, match="hunter2") as raised:
        fail()
    told = kind_and_place(raised.value)

    assert told.keys() == {"error", "where"}
    assert told["error"] == "ValueError"
    assert re.fullmatch(r"test_unexpected\.py:\d+ fail", told["where"])


def test_one_that_was_never_raised_has_no_place() -> None:
    assert kind_and_place(ValueError("hunter2")) == {"error": "ValueError", "where": ""}
