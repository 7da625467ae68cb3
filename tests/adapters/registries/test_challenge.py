from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.registries.challenge import Challenge, Malformed, parse_challenges


def one(header: str) -> Challenge:
    (challenge,) = parse_challenges([header])
    return challenge


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        ('Basic realm="a"', "basic", {"realm": "a"}),
        ("basic REALM=a", "basic", {"realm": "a"}),
        ('BEARER Realm = "a" , Service= "b"', "bearer", {"realm": "a", "service": "b"}),
        (
            'Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"',
            "bearer",
            {"realm": "https://a/t", "service": "s", "scope": "repository:a/b:pull,push"},
        ),
        (r'Basic realm="a \"b\" \\ \c"', "basic", {"realm": r'a "b" \ c'}),
        ('Basic realm=""', "basic", {"realm": ""}),
        ('Bearer realm="a",,service="b",', "bearer", {"realm": "a", "service": "b"}),
        (', , Bearer realm="a" , , service="b"', "bearer", {"realm": "a", "service": "b"}),
        ('Bearer\trealm="a"', "bearer", {"realm": "a"}),
        ("Bearer realm='a'", "bearer", {"realm": "'a'"}),
        ('Basic realm="Bearer realm=evil, x"', "basic", {"realm": "Bearer realm=evil, x"}),
        ("Negotiate", "negotiate", {}),
        ("Negotiate abc/def+g==", "negotiate", {}),
    ],
)
def test_one_challenge(header: str, scheme: str, parameters: dict[str, str]) -> None:
    assert one(header) == Challenge(scheme, tuple(parameters.items()))


@pytest.mark.parametrize(
    "headers",
    [
        ['Basic realm="a"', 'Bearer realm="b"'],
        ['Basic realm="a", Bearer realm="b"'],
        ['Basic realm="a",Bearer realm="b"'],
        ['Basic realm="a",,Bearer realm="b",'],
    ],
)
def test_several_challenges_come_apart(headers: list[str]) -> None:
    assert parse_challenges(headers) == (
        Challenge("basic", (("realm", "a"),)),
        Challenge("bearer", (("realm", "b"),)),
    )


def test_schemes_without_parameters_stand_between_others() -> None:
    header = 'Negotiate, Bearer realm="a",service="b", NTLM, Basic realm="c"'

    found = parse_challenges([header])

    assert [challenge.scheme for challenge in found] == ["negotiate", "bearer", "ntlm", "basic"]
    assert found[1].parameters == (("realm", "a"), ("service", "b"))


def test_a_repeated_scheme_is_kept() -> None:
    found = parse_challenges(['Bearer realm="a", Bearer realm="b"'])

    assert [challenge.parameter("realm") for challenge in found] == ["a", "b"]


def test_a_repeated_parameter_is_kept_and_refused_when_asked_for() -> None:
    challenge = one('Bearer realm="a", REALM="b", service="s"')

    assert challenge.parameter("service") == "s"
    assert challenge.parameter("scope") is None
    with pytest.raises(Malformed):
        challenge.parameter("realm")


@pytest.mark.parametrize(
    "headers",
    [
        ['Basic realm="a'],
        ["Basic realm=a\r\nX: y"],
        ["Basic realm=\u00fc"],
        ['Basic realm="a\0"'],
        ["Basic {realm}"],
        ['realm="a"'],
        ['Bearer, realm="a"'],
        ['Bearer realm="a" service="b"'],
        ["Bearer = realm"],
        ["="],
        ["Basic realm=a=b"],
        ["Basic x"] * 9,
        ["Basic " + "x" * 8192],
        [", ".join(["Basic realm=a"] * 9)],
    ],
)
def test_what_cannot_be_read_without_guessing_is_refused(headers: list[str]) -> None:
    with pytest.raises(Malformed):
        parse_challenges(headers)


@pytest.mark.parametrize("headers", [1, 8])
def test_pieces_are_bounded_over_all_headers(headers: int) -> None:
    """Reading takes its time for each piece: too many are refused before any is read."""
    parameters = 256 // headers // 4 - 1
    # A scheme and a blank, four pieces a parameter, and two commas that mean nothing.
    most = ["Basic " + "a=b," * parameters + ",,"] * headers

    assert len(parse_challenges(most)) == headers
    with pytest.raises(Malformed):
        parse_challenges([*most[:-1], most[-1] + ","])


def test_nothing_is_no_challenge() -> None:
    assert parse_challenges([]) == ()
    assert parse_challenges(["", " , "]) == ()


TOKEN = st.text("abcXYZ09-_.~", min_size=1, max_size=8)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
CHALLENGE = st.tuples(TOKEN, st.lists(st.tuples(TOKEN, VALUE), min_size=1, max_size=4))


@given(st.lists(CHALLENGE, min_size=1, max_size=4))
def test_what_was_written_is_what_is_read(written: list[tuple[str, list[tuple[str, str]]]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters)
        for scheme, parameters in written
    )

    assert parse_challenges([header]) == tuple(
        Challenge(scheme.lower(), tuple((name.lower(), value) for name, value in parameters))
        for scheme, parameters in written
    )


@given(st.text(max_size=80))
def test_any_header_is_read_or_refused(header: str) -> None:
    with contextlib.suppress(Malformed):
        parse_challenges([header])


@given(st.text('Bbearsi cl=," \\\t/+', max_size=60))
def test_any_mixture_of_marks_is_read_or_refused(header: str) -> None:
    with contextlib.suppress(Malformed):
        parse_challenges([header])
