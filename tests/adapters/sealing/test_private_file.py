from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from regcred.adapters.sealing.private_file import (
    create_private,
    read_handed,
    read_private,
    replace_private,
)
from regcred.domain.errors import StartRefused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir(mode=0o700)
    return tmp_path / "keys" / "file"


def create(path: Path, data: bytes = b"data") -> None:
    create_private(path, data, what="thing", suffix="1")


def read(path: Path) -> bytes:
    return read_private(path, what="thing", limit=10)


def test_what_was_created_is_read(path: Path) -> None:
    create(path)

    assert read(path) == b"data"


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    before = os.umask(umask)
    try:
        create(tmp_path / "keys" / "created")
        replace_private(tmp_path / "keys" / "replaced", b"data")
    finally:
        os.umask(before)

    modes = {file.name: file.stat().st_mode & 0o7777 for file in (tmp_path / "keys").iterdir()}
    assert modes == {"created": 0o600, "replaced": 0o600}


def test_the_limit_is_exact(path: Path) -> None:
    create(path, b"x" * 10)
    assert read(path) == b"x" * 10

    replace_private(path, b"x" * 11)
    with pytest.raises(StartRefused, match="larger than 10 bytes"):
        read(path)


@pytest.mark.parametrize("directory", ["keys", "nowhere"])
def test_what_is_not_there_is_told_from_what_is_bad(tmp_path: Path, directory: str) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)

    with pytest.raises(FileNotFoundError):
        read(tmp_path / directory / "file")


def test_a_file_is_not_created_over_anything(path: Path) -> None:
    path.symlink_to("nowhere")

    with pytest.raises(StartRefused, match="already"):
        create(path)

    assert path.is_symlink()
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_nothing_is_created_in_an_open_directory(path: Path) -> None:
    path.parent.chmod(0o755)

    with pytest.raises(StartRefused, match="chmod 700"):
        create(path)
    with pytest.raises(StartRefused, match="chmod 700"):
        replace_private(path, b"data")

    assert list(path.parent.iterdir()) == []


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")

    for act in (read, create):
        with pytest.raises(StartRefused, match="not a directory"):
            act(tmp_path / "keys" / "file")


def test_a_directory_that_may_not_be_entered_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)

    with pytest.raises(StartRefused, match="give it to this user"):
        read(path)


def test_replacing_leaves_the_old_file_when_it_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(path, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            replace_private(path, b"new")
        with pytest.raises(OSError, match="No space left"):
            create(path.with_name("another"))
    assert read(path) == b"old"
    assert [file.name for file in path.parent.iterdir()] == ["file"]

    replace_private(path, b"new")
    assert read(path) == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_a_link_put_in_the_temporary_files_place_is_not_followed(path: Path) -> None:
    outside = path.parent / "outside"
    outside.write_text("untouched")
    (path.parent / f".file.{os.getpid()}.new").symlink_to(outside)
    (path.parent / ".file.1").symlink_to(outside)

    with pytest.raises(OSError, match="symbolic links"):
        replace_private(path, b"new")
    with pytest.raises(FileExistsError):
        create(path)

    assert outside.read_text() == "untouched"


@pytest.mark.parametrize("act", ["create", "replace"])
def test_data_is_durable_before_its_name_and_the_name_before_the_answer(
    path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    happened: list[str] = []
    fsync, link, rename = os.fsync, os.link, os.rename

    def watched_fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        happened.append(
            "directory" if stat.S_ISDIR(found.st_mode) else f"{found.st_size} bytes of data"
        )
        fsync(descriptor)

    def watched_link(*args: object, **named: object) -> None:
        happened.append("name")
        link(*args, **named)  # type: ignore[arg-type]  # passed on as it came

    def watched_rename(*args: object, **named: object) -> None:
        happened.append("name")
        rename(*args, **named)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "link", watched_link)
    monkeypatch.setattr(os, "rename", watched_rename)

    if act == "create":
        create(path)
    else:
        replace_private(path, b"data")

    assert happened == ["4 bytes of data", "name", "directory"]


def test_a_new_directory_is_made_durable_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)

    create(tmp_path / "keys" / "file")

    assert synced[0] == tmp_path
    assert synced[-1] == tmp_path / "keys"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "file"
    before = len(list(Path("/proc/self/fd").iterdir()))

    create(path)
    replace_private(path, b"data")
    read(path)
    with pytest.raises(StartRefused):
        create(path)
    path.chmod(0o644)
    with pytest.raises(StartRefused):
        read(path)
    path.parent.chmod(0o755)
    with pytest.raises(StartRefused):
        read(path)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Secrets that others put there


def handed(path: Path) -> bytes:
    return read_handed(path, what="password file", limit=10)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_that_somebody_put_there_is_read_through_a_link(path: Path, mode: int) -> None:
    path.write_bytes(b"word\n")
    path.chmod(mode)
    (path.parent / "link").symlink_to(path)

    assert handed(path.parent / "link") == b"word\n"


@pytest.mark.parametrize(
    ("owner", "mode", "refused"),
    [
        ("root", 0o640, None),
        ("root", 0o440, None),
        ("root", 0o644, "chmod 640"),
        ("root", 0o660, "chmod 640"),
        ("ours", 0o640, "chmod 600"),
        ("ours", 0o604, "chmod 600"),
        ("another's", 0o600, "belongs to another user"),
    ],
)
def test_a_secret_that_others_may_read_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, owner: str, mode: int, refused: str | None
) -> None:
    path.write_bytes(b"word")
    path.chmod(mode)
    fstat, user = os.fstat, {"root": 0, "ours": 7, "another's": 8}[owner]

    def owned(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        return os.stat_result((*found[:4], user, *found[5:10]))

    monkeypatch.setattr(os, "fstat", owned)
    monkeypatch.setattr(os, "geteuid", lambda: 7)

    if refused is None:
        assert handed(path) == b"word"
    else:
        with pytest.raises(StartRefused, match=refused):
            handed(path)


def test_what_is_no_file_of_a_secret_is_refused_and_named(path: Path) -> None:
    os.mkfifo(path.parent / "pipe")
    path.write_bytes(b"x" * 11)
    path.chmod(0o600)

    for name, said in {
        "nothing": "cannot be read",
        "pipe": "not a plain file",
        "file": "larger than 10 bytes",
    }.items():
        with pytest.raises(StartRefused, match=said) as caught:
            handed(path.parent / name)
        assert str(path.parent / name) in str(caught.value)
