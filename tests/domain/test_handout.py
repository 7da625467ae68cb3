"""What can stand in a hand-out, and which login a registry gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.handout import Entry, Gathered, LeftOut, Opened, by_registry, fit, unfit
from regcred.domain.registry import Scope
from regcred.domain.secret import Secret


def opened(username: str = "ada", password: str = "password") -> Opened:
    return Opened(username, Secret(password), None)


def entry(name: str, scope: str | None, *, withheld: bool = False) -> Entry:
    found = None if scope is None else Scope.parse(scope)
    return Entry(f"id-{name}", name, found, None if withheld else opened(name))


def chosen(*entries: Entry) -> tuple[dict[str, str], dict[str, str]]:
    left_out = LeftOut()
    found = by_registry(Gathered(entries), left_out)
    return {str(at): one.name for at, one in found.items()}, dict(left_out.all())


@pytest.mark.parametrize(
    ("login", "why"),
    [
        (opened(), ""),
        (opened(password="line\r\n\tline : \u00e9"), ""),
        (opened(""), "its user name"),
        (opened("a:b"), "its user name"),
        (opened("a\nb"), "its user name"),
        (opened(password="\x1b[31m"), "control characters"),
        (opened(password="\x7f"), "control characters"),
        (opened("<token>"), "an identity token"),
    ],
)
def test_what_cannot_stand_as_user_and_password(login: Opened, why: str) -> None:
    assert unfit(login) == why


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_a_password_may_hold_tabs_and_line_ends_and_no_other_control(password: str) -> None:
    bad = {chr(code) for code in (*range(32), 127)} - set("\t\n\r")

    assert bool(unfit(opened(password=password))) == bool(set(password) & bad)


def test_a_password_is_looked_at_once_however_many_images_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, looks, reveal = entry("all", "r.example"), 0, Secret.reveal

    def counted(secret: Secret) -> str:
        nonlocal looks
        looks += 1
        return reveal(secret)

    monkeypatch.setattr(Secret, "reveal", counted)

    assert len(fit([one] * 100, LeftOut())) == 100
    assert looks == 1


def test_an_identity_token_fits_who_knows_it() -> None:
    assert unfit(opened("<token>"), identity_tokens=True) == ""


def test_the_whole_registry_goes_before_a_path() -> None:
    found, left_out = chosen(entry("team", "r.example/team"), entry("all", "r.example"))

    assert found == {"r.example": "all"}
    assert left_out == {}


def test_a_pattern_serves_a_registry_that_another_login_names() -> None:
    found, left_out = chosen(
        entry("dead", "r.example", withheld=True), entry("family", "*.example")
    )

    assert found == {"r.example": "family"}
    assert left_out == {}


def test_a_withheld_login_makes_a_choice_a_guess() -> None:
    found, left_out = chosen(
        entry("team", "r.example/team"), entry("shop", "r.example/shop", withheld=True)
    )

    assert found == {}
    assert left_out == {"team": "several at one registry"}


def test_what_names_no_registry_is_left_out() -> None:
    assert chosen(entry("bare", None)) == ({}, {"bare": "no registry"})


def test_nothing_of_it_shows_a_password() -> None:
    assert "password" not in repr(Gathered((entry("all", "r.example"),))).replace("password=", "")
