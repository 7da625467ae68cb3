"""A secret leaves by `reveal` alone."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import io
import json
import logging
import pickle
import pprint
import sys
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.errors import InvalidInput
from regcred.domain.secret import MASK, MAX_BYTES, Secret

CANARY = "c4n4ry-s3cr3t"


@dataclasses.dataclass
class Holder:
    name: str
    password: Secret


def logged(secret: Secret) -> str:
    stream = io.StringIO()
    record = logging.LogRecord("sink", logging.INFO, "", 0, "%s %r", (secret, secret), None)
    logging.StreamHandler(stream).emit(record)
    return stream.getvalue()


def printed(secret: Secret) -> str:
    stream = io.StringIO()
    print(secret, [secret], {"k": secret}, file=stream)
    return stream.getvalue()


def traced(secret: Secret) -> str:
    def fails(password: Secret) -> None:
        raise RuntimeError(password)

    try:
        fails(secret)
    except RuntimeError as error:
        return "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    raise AssertionError


SHOWS: dict[str, Callable[[Secret], object]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": lambda s: format(s, ">20"),
    "f-string": lambda s: f"{s} {s!r} {s!s} {s!a} {s:x}",
    "percent": lambda s: "%s %r %a" % (s, s, s),  # noqa: UP031  the operator is the sink
    "str.format": "{0} {0!r} {0:>9}".format,
    "print": printed,
    "pprint": lambda s: pprint.pformat({"password": s}),
    "logging": logged,
    "container": lambda s: repr([s, (s,), {"k": s}]),
    "dataclass repr": lambda s: repr(Holder("n", s)),
    "traceback with locals": traced,
    "dir": dir,
    "getmembers": inspect.getmembers,
    "json default=str": lambda s: json.dumps(s, default=str),
    "exception": lambda s: repr(ValueError(s)),
    "getsizeof": sys.getsizeof,
    "equality with text": lambda s: (s == CANARY, s != CANARY),
    "doc": inspect.getdoc,
}

RAISES: dict[str, Callable[[Secret], object]] = {
    "json": json.dumps,
    "pickle": pickle.dumps,
    "reduce_ex": lambda s: s.__reduce_ex__(4),
    "getstate": lambda s: s.__getstate__(),  # type: ignore[func-returns-value]  # it never returns
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "asdict": lambda s: dataclasses.asdict(Holder("n", s)),
    "vars": vars,
    "hash": hash,
    "set": lambda s: {s},
    "iteration": list,  # type: ignore[dict-item]  # a Secret is no iterable: that is the claim
    "length": len,  # type: ignore[dict-item]  # likewise
    "bytes": bytes,  # type: ignore[dict-item]  # likewise
    "concatenation": lambda s: "x" + s,  # type: ignore[operator]  # likewise
    "join": lambda s: str.join(",", [s]),  # type: ignore[list-item]  # likewise
    "index": lambda s: s[0],  # type: ignore[index]  # likewise
    "containment": lambda s: "c" in s,  # type: ignore[operator]  # likewise
    "ordering": lambda s: s < s,  # type: ignore[operator]  # noqa: PLR0124  likewise
    "int": int,  # type: ignore[dict-item]  # likewise
    "new attribute": lambda s: setattr(s, "shown", s.reveal()),
}


@pytest.mark.parametrize("sink", SHOWS)
def test_it_shows_no_text(sink: str) -> None:
    assert CANARY not in repr(SHOWS[sink](Secret(CANARY)))


@pytest.mark.parametrize("sink", RAISES)
def test_it_refuses_and_the_refusal_shows_no_text(sink: str) -> None:
    with pytest.raises((TypeError, AttributeError)) as refused:
        RAISES[sink](Secret(CANARY))

    assert CANARY not in repr(refused.value)


def test_its_every_form_is_the_mask() -> None:
    secret = Secret(CANARY)

    assert {repr(secret), str(secret), f"{secret:>30}", f"{secret}"} == {MASK}


def test_reveal_gives_the_text_back() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_equal_secrets_are_equal_and_text_never_is() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY) != Secret(CANARY + "x")
    assert Secret(CANARY) != CANARY


@pytest.mark.parametrize(
    "text", ["x", "x" * MAX_BYTES, "\N{EURO SIGN}" * (MAX_BYTES // 3), " \n\t"]
)
def test_one_byte_to_16_kib_is_a_secret(text: str) -> None:
    assert Secret(text).reveal() == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "1 to 16384 bytes"),
        ("x" * (MAX_BYTES + 1), "1 to 16384 bytes"),
        ("\N{EURO SIGN}" * (MAX_BYTES // 3 + 1), "1 to 16384 bytes"),
        (f"{CANARY}\0", "NUL"),
        (f"{CANARY}\ud800", "surrogates"),
    ],
    ids=["empty", "long", "long in bytes", "NUL", "surrogate"],
)
def test_what_is_no_secret_is_refused_without_an_echo(text: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule) as refused:
        Secret(text, field="token")

    assert refused.value.violations[0].field == "token"
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(st.text(min_size=5, max_size=50).filter(lambda t: "\0" not in t))
def test_no_text_is_in_its_repr(text: str) -> None:
    try:
        secret = Secret(text)
    except InvalidInput:
        return

    assert text not in f"{secret}{secret!r}{[secret]}" or text in MASK
    assert secret.reveal() == text
