"""Which database the settings name, and with which password."""

from __future__ import annotations

from pathlib import Path

import pytest

from regcred.bootstrap.stores import address_of
from regcred.domain.errors import StartRefused
from regcred.settings import Settings


def password(file: Path) -> str:
    found = address_of(Settings(database="postgresql://u@h/n", database_password_file=file))
    assert found.password is not None
    return found.password.reveal()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "password"
    made.touch(0o600)
    return made


def test_the_password_is_the_files_line(file: Path) -> None:
    file.write_text("Hunter 2\n")

    assert password(file) == "Hunter 2"


@pytest.mark.parametrize("held", [b"", b"\n", b"\xffHunter2"])
def test_a_file_without_a_password_is_named_and_not_shown(file: Path, held: bytes) -> None:
    file.write_bytes(held)

    with pytest.raises(StartRefused, match=r"password file .* holds no password") as caught:
        password(file)

    assert str(file) in str(caught.value)
    assert "Hunter" not in str(caught.value)


def test_a_file_that_others_may_read_is_refused_by_the_rule(file: Path) -> None:
    file.write_text("Hunter2")
    file.chmod(0o644)

    with pytest.raises(StartRefused, match="others may read or write the database's password file"):
        password(file)
