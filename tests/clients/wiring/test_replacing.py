"""A file is replaced whole or not touched, and what is no plain file of this user never is."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from regcred.clients.wiring import replacing
from regcred.clients.wiring.replacing import MAX_BYTES, Keep, Unusable, delete, look, replace

KEPT = "config.json.before-regcred"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.json"

    replace(look(path), "{}", keep=Keep.first)

    assert path.read_text() == "{}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert names(path.parent) == ["config.json"]


def test_the_mode_stays_and_the_copy_has_it_too(path: Path) -> None:
    path.write_text("old")
    path.chmod(0o640)

    replace(look(path), "new", keep=Keep.first)

    assert path.read_text() == "new"
    assert (path.parent / KEPT).read_text() == "old"
    assert {stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent / KEPT)} == {0o640}


def test_the_first_copy_is_the_one_that_stays(path: Path) -> None:
    for text in ("first", "second", "third"):
        path.write_text(text)
        replace(look(path), "new", keep=Keep.first)

    assert (path.parent / KEPT).read_text() == "first"
    assert names(path.parent) == ["config.json", KEPT]


def test_a_copy_is_named_only_by_the_run_that_made_it(path: Path) -> None:
    path.write_text("first")

    assert replace(look(path), "new", keep=Keep.first) == path.parent / KEPT
    assert replace(look(path), "newer", keep=Keep.first) is None
    assert replace(look(path), "newest", keep=Keep.none) is None


def test_the_latest_copy_takes_an_earlier_ones_place(path: Path) -> None:
    for text in ("first", "second"):
        path.write_text(text)
        assert replace(look(path), "new", keep=Keep.latest) == path.parent / KEPT

    assert (path.parent / KEPT).read_text() == "second"
    assert names(path.parent) == ["config.json", KEPT]


def test_what_somebody_changed_meanwhile_is_not_deleted(path: Path) -> None:
    path.write_text("old")
    original = look(path)
    path.write_text("somebody else's")

    with pytest.raises(Unusable, match="was changed meanwhile"):
        delete(original)

    assert path.read_text() == "somebody else's"


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path, path: Path) -> None:
    real = tmp_path / "dotfiles" / "docker.json"
    real.parent.mkdir()
    real.write_text("old")
    path.symlink_to(real)

    replace(look(path), "new", keep=Keep.first)

    assert path.is_symlink()
    assert real.read_text() == "new"
    assert names(real.parent) == ["docker.json", "docker.json.before-regcred"]


def make_directory(path: Path) -> None:
    path.mkdir()


def make_dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_latin(path: Path) -> None:
    path.write_bytes(b'{"a": "\xe9"}')


def make_long(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (make_directory, "is not a file"),
        (make_dangling, "is a link to"),
        (make_loop, "cannot be read"),
        (make_pipe, "is not a file"),
        (make_latin, "is not UTF-8 text"),
        (make_long, "is too long"),
    ],
)
def test_what_is_no_plain_text_is_not_touched(path: Path, make: object, why: str) -> None:
    assert callable(make)
    make(path)

    with pytest.raises(Unusable, match=why):
        look(path)


def test_another_users_file_is_not_touched(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("{}")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(Unusable, match="belongs to another user"):
        look(path)


def test_root_makes_no_file_in_a_users_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "stat", lambda *_, **__: SimpleNamespace(st_uid=1000, st_mode=0o40755))

    with pytest.raises(Unusable, match="is another user's: run this as them"):
        look(path / "new" / "config.json")


def test_root_makes_no_file_by_way_of_a_users_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    linked = tmp_path / "home"
    linked.symlink_to(tmp_path / "etc")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(replacing, "_refuse_others_folder", lambda *_: None)
    lstat = Path.lstat
    monkeypatch.setattr(
        Path,
        "lstat",
        lambda one: SimpleNamespace(
            st_uid=1000 if one == linked else 0, st_mode=lstat(one).st_mode
        ),
    )

    with pytest.raises(Unusable, match=f"another user's {linked}: run this as them"):
        look(linked / "config.json")


@pytest.mark.parametrize("others", ["link", "folder"])
def test_root_follows_no_link_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: str
) -> None:
    """As under sudo with a user's HOME: what the link names is root's own."""
    real = tmp_path / "daemon.json"
    real.write_text("{}")
    path = tmp_path / "home" / "config.json"
    path.parent.mkdir()
    path.symlink_to(real)
    named = path if others == "link" else path.parent
    owner = real.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lstat = Path.lstat
    monkeypatch.setattr(
        Path,
        "lstat",
        lambda one: SimpleNamespace(st_uid=1000 if one == named else 0),
    )

    with pytest.raises(Unusable, match=f"another user's {named}: run this as them"):
        look(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert owner != 0 or look(path).target == real


def test_what_may_not_be_read_is_not_touched(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path.write_text("{}")
    monkeypatch.setattr(os, "open", refuse)

    with pytest.raises(Unusable, match="cannot be read: Permission denied"):
        look(path)


@pytest.mark.parametrize("change", ["written", "deleted", "made"])
def test_what_somebody_changed_meanwhile_is_not_written_over(path: Path, change: str) -> None:
    if change != "made":
        path.write_text("old")
    original = look(path)
    if change == "deleted":
        path.unlink()
    else:
        path.write_text("somebody else's")

    with pytest.raises(Unusable, match="was changed meanwhile"):
        replace(original, "new", keep=Keep.latest)

    assert names(path.parent) == ([] if change == "deleted" else ["config.json"])
    assert change == "deleted" or path.read_text() == "somebody else's"


def test_a_write_that_breaks_off_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path.write_text("old")
    original = look(path)
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space"):
        replace(original, "new", keep=Keep.first)

    assert path.read_text() == "old"
    assert names(path.parent) == ["config.json"]
