"""`regcred keys escrow` and `recover`: the ring is gone, and people bring it back."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from regcred.adapters.sealing.private_file import create_private
from tests.bootstrap.conftest import Place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shares"


def escrow(place: Place, folder: Path | str, shares: int = 5, needed: int = 3) -> list[Path]:
    done = place.run("keys_escrow", str(folder), shares, needed)  # type: ignore[arg-type]  # numbers, as from the command line
    assert done.code == 0, done.text
    return [Path(line) for line in done.out.splitlines()]


def test_a_ring_that_is_lost_comes_back_from_three_of_five(place: Place, folder: Path) -> None:
    place.run("init")
    ring = place.settings.keyring_file
    before = json.loads(ring.read_text())
    files = escrow(place, folder)
    ring.unlink()
    assert place.run("keys_verify").code == 1

    done = place.run("keys_recover", *map(str, files[1:4]))

    assert (done.code, done.out) == (0, f"{ring}\n")
    assert json.loads(ring.read_text()) == before
    assert stat.S_IMODE(ring.stat().st_mode) == 0o600
    assert place.run("keys_verify").code == 0


def test_shares_are_private_files_and_show_themselves_nowhere(place: Place, folder: Path) -> None:
    place.run("init")

    done = place.run("keys_escrow", str(folder), 5, 3)  # type: ignore[arg-type]  # likewise

    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"regcred-share-{n}-of-5.json" for n in range(1, 6)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    for file in files:
        for key in json.loads(file.read_text())["keys"]:
            assert key["words"] not in done.text


def test_shares_are_printed_where_that_is_asked_for(place: Place) -> None:
    place.run("init")

    done = place.run("keys_escrow", "-", 2, 2)  # type: ignore[arg-type]  # likewise

    assert done.out.count('"words"') == 2
    assert "Hand each to another person" in done.err


def test_shares_are_never_overwritten(place: Place, folder: Path) -> None:
    place.run("init")
    before = [file.read_bytes() for file in escrow(place, folder)]

    done = place.run("keys_escrow", str(folder), 5, 3)  # type: ignore[arg-type]  # likewise

    assert done.code == 1
    assert "never overwritten" in done.err
    assert [file.read_bytes() for file in sorted(folder.iterdir())] == before


def test_shares_of_two_sets_never_lie_in_one_folder(place: Place, folder: Path) -> None:
    place.run("init")
    before = escrow(place, folder)
    for file in before[:3]:
        file.unlink()

    same = place.run("keys_escrow", str(folder), 5, 3)  # type: ignore[arg-type]  # likewise
    other = place.run("keys_escrow", str(folder), 3, 2)  # type: ignore[arg-type]  # likewise

    assert (same.code, other.code, same.out) == (1, 1, "")
    assert "name another folder" in same.err
    assert sorted(folder.iterdir()) == before[3:]


def test_a_set_that_cannot_be_written_whole_is_taken_away(
    place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run("init")
    left = iter(range(3))

    def full(path: Path, data: bytes, **named: str) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        create_private(path, data, **named)

    monkeypatch.setattr("regcred.bootstrap.commands.escrow.create_private", full)

    done = place.run("keys_escrow", str(folder), 5, 3)  # type: ignore[arg-type]  # likewise

    assert (done.code, done.out) == (1, "")
    assert list(folder.iterdir()) == []


def test_a_ring_that_is_there_is_not_recovered_over(place: Place, folder: Path) -> None:
    place.run("init")
    files = escrow(place, folder)
    before = place.settings.keyring_file.read_bytes()

    done = place.run("keys_recover", *map(str, files))

    assert done.code == 1
    assert "there is a key ring at" in done.err
    assert place.settings.keyring_file.read_bytes() == before


def test_too_few_shares_make_no_ring(place: Place, folder: Path) -> None:
    place.run("init")
    files = escrow(place, folder)
    place.settings.keyring_file.unlink()

    done = place.run("keys_recover", *map(str, files[:2]))

    assert done.code == 1
    assert "2 shares were given, and 3 are needed" in done.err
    assert not place.settings.keyring_file.exists()


def test_a_file_that_is_too_large_is_not_read(place: Place, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b" " * 300_000)

    done = place.run("keys_recover", str(large))

    assert done.code == 1
    assert "larger than a share" in done.err
