"""Changes to a key-ring file lose nothing, and a running ring follows them."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from regcred.adapters.sealing import ring_changes
from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_file import RingKey
from regcred.adapters.sealing.ring_changes import (
    add_key,
    make_primary,
    read_ring,
    remove_key,
    write_ring,
)
from regcred.domain.errors import KeyringUnavailable, StartRefused
from tests.adapters.sealing.samples import NOW, PROJECT, SEED

PLACE = WrapContext("seed", PROJECT, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ring of one key."""
    file = tmp_path / "keys" / "keyring.json"
    FileKeyring.create(file, random=os.urandom, now=NOW)
    return file


def load(path: Path) -> FileKeyring:
    return FileKeyring.load(path, random=os.urandom)


def add(path: Path) -> str:
    return add_key(path, random=os.urandom, now=NOW)


# Adding, promoting, removing


def test_a_new_key_waits_behind_the_primary(path: Path) -> None:
    before = load(path)

    kid = add(path)

    after = load(path)
    assert before.waiting is None
    assert after.kids == before.kids | {kid}
    assert (after.primary, after.waiting) == (before.primary, kid)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keyring.json"]


def test_what_was_there_stays_word_for_word(path: Path) -> None:
    before = json.loads(path.read_text())["keys"]

    add(path)

    assert json.loads(path.read_text())["keys"][:-1] == before


def test_one_key_waits_at_a_time(path: Path) -> None:
    kid = add(path)

    with pytest.raises(StartRefused, match=rf"{kid} .* waits to become primary"):
        add(path)

    assert len(load(path).kids) == 2


async def test_a_promoted_key_wraps_and_the_old_one_still_opens(path: Path) -> None:
    kid, wrapped = await load(path).wrap(PLACE, SEED)
    new = add(path)

    make_primary(path, new)

    ring = load(path)
    assert (ring.primary, ring.waiting) == (new, None)
    assert await ring.unwrap(kid, PLACE, wrapped) == SEED
    assert (await ring.wrap(PLACE, SEED))[0] == new


def test_a_key_leaves_the_ring_unless_it_is_primary(path: Path) -> None:
    old, new = load(path).primary, add(path)
    make_primary(path, new)

    with pytest.raises(StartRefused, match="is the primary key"):
        remove_key(path, new)
    remove_key(path, old)

    assert load(path).kids == {new}


@pytest.mark.parametrize("change", [make_primary, remove_key])
def test_a_key_that_is_not_there_changes_nothing(path: Path, change: Any) -> None:
    before = path.read_bytes()

    with pytest.raises(StartRefused, match="has no key kek-9"):
        change(path, "kek-9")

    assert path.read_bytes() == before


def test_operators_who_change_a_ring_at_once_lose_nothing_of_each_other(path: Path) -> None:
    def change(_: int) -> str | None:
        try:
            return add(path)
        except StartRefused:
            return None

    with ThreadPoolExecutor(8) as threads:
        made = [kid for kid in threads.map(change, range(16)) if kid]

    assert len(made) == 1
    assert made[0] in load(path).kids


# What cannot be changed


def test_a_damaged_ring_is_never_written(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()

    with pytest.raises(StartRefused, match=r"is damaged.*restore it"):
        add(path)

    assert path.read_bytes() == before


def test_a_ring_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for missing in (tmp_path / "keyring.json", tmp_path / "no" / "keyring.json"):
        tmp_path.chmod(0o700)
        with pytest.raises(StartRefused, match="is not there"):
            add(missing)
        assert not missing.exists()


def test_a_ring_that_would_grow_too_big_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(ring_changes, "MAX_FILE", len(before))

    with pytest.raises(StartRefused, match="is full"):
        add(path)

    assert path.read_bytes() == before


def test_a_ring_is_written_only_where_there_is_none(path: Path, tmp_path: Path) -> None:
    primary, keys = read_ring(path)
    other = tmp_path / "other" / "keyring.json"

    write_ring(other, primary, keys, suffix="x")
    with pytest.raises(StartRefused, match="already"):
        write_ring(path, primary, keys, suffix="x")

    assert other.read_bytes() == path.read_bytes()


def test_a_bare_key_does_not_show_itself() -> None:
    assert repr([RingKey("kek-1", SEED, "now")]) == "[RingKey('kek-1')]"


# A running ring


async def test_a_running_ring_finds_a_key_that_joined(path: Path) -> None:
    running = load(path)
    new = add(path)
    make_primary(path, new)
    _, wrapped = await load(path).wrap(PLACE, SEED)

    assert await running.unwrap(new, PLACE, wrapped) == SEED
    assert running.primary == new


def wrapping(ring: FileKeyring) -> str:
    """Return the key that wraps."""
    return asyncio.run(ring.wrap(PLACE, SEED))[0]


def test_a_file_that_could_not_be_read_once_is_read_when_it_can_be(path: Path) -> None:
    running = load(path)
    old = running.primary
    make_primary(path, add(path))
    path.chmod(0o644)
    assert wrapping(running) == old

    path.chmod(0o600)
    assert wrapping(running) == load(path).primary


def test_a_file_of_the_same_size_and_time_is_another_file(path: Path) -> None:
    first = add(path)
    running, before = load(path), path.stat()
    data = path.read_bytes()
    old = running.primary
    changed = data.replace(b'"primary": "' + old.encode(), b'"primary": "' + first.encode())
    assert changed != data
    path.write_bytes(changed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert wrapping(running) == first


async def test_a_running_ring_wraps_by_the_new_primary_at_once(path: Path) -> None:
    """Else a project made after a rewrap would still need the old key."""
    running = load(path)
    make_primary(path, new := add(path))

    assert (await running.wrap(PLACE, SEED))[0] == new


async def test_a_running_ring_outlives_its_file(path: Path) -> None:
    running = load(path)
    kid, wrapped = await running.wrap(PLACE, SEED)

    for harm in (lambda: path.write_text("{}"), path.unlink):
        harm()
        assert await running.unwrap(kid, PLACE, wrapped) == SEED
        assert (await running.wrap(PLACE, SEED))[0] == kid
        with pytest.raises(KeyringUnavailable):
            await running.unwrap("kek-9", PLACE, wrapped)


async def test_a_running_ring_keeps_a_key_that_left_its_file(path: Path) -> None:
    running = load(path)
    kid, wrapped = await running.wrap(PLACE, SEED)
    make_primary(path, add(path))
    remove_key(path, kid)

    assert (await running.wrap(PLACE, SEED))[0] == kid
    assert await running.unwrap(kid, PLACE, wrapped) == SEED


async def test_an_unknown_key_does_not_have_the_file_read_again_and_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = load(path)
    monkeypatch.setattr(
        "regcred.adapters.sealing.file_keyring.read_private",
        lambda *_, **__: pytest.fail("it was read although it is the same"),
    )

    for _ in range(3):
        assert not running.knows("kek-9")


# From a descriptor


async def test_a_ring_is_read_from_a_descriptor_once_and_the_descriptor_closed(path: Path) -> None:
    kid, wrapped = await load(path).wrap(PLACE, SEED)
    descriptor = os.open(path, os.O_RDONLY)

    ring = FileKeyring.read_once(descriptor, random=os.urandom)

    assert await ring.unwrap(kid, PLACE, wrapped) == SEED
    assert not ring.knows("kek-9")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.parametrize(
    ("content", "why"), [(b"{", "is damaged"), (b" " * 70_000, "is larger"), (b"", "is damaged")]
)
def test_a_descriptor_with_something_else_is_refused(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(StartRefused, match=why):
        FileKeyring.read_once(os.open(tmp_path / "file", os.O_RDONLY), random=os.urandom)


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    read, write = os.pipe()
    os.close(write)
    os.close(read)

    with pytest.raises(StartRefused, match="cannot be read"):
        FileKeyring.read_once(read, random=os.urandom)
