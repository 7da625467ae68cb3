"""A file is put in place whole, or what was there stays."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from regcred.clients.placing import staged, write_whole


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_file_has_the_mode_that_is_asked_for_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "program"

    for mode in (0o600, 0o755):
        assert write_whole(path, b"text", mode) == path
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert names(path.parent) == ["program"]


def test_without_replace_it_is_made_only_where_nothing_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"first", 0o600, replace=False)

    with pytest.raises(FileExistsError):
        write_whole(path, b"second", 0o600, replace=False)

    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("replace", [True, False])
def test_file_and_folder_are_on_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    synced: list[bool] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(file).st_mode))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "file", b"text", 0o600, replace=replace)

    assert synced == [False, True]


def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    with pytest.raises(KeyboardInterrupt), staged(path, b"new", 0o600):
        raise KeyboardInterrupt

    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]
