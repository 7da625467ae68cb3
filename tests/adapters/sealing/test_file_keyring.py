from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regcred.adapters.sealing.box import SUITES
from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.key_encryption import KeyEncryption, WrapContext
from regcred.adapters.sealing.key_file import check_value
from regcred.domain.errors import KeyringUnavailable, SealBroken, StartRefused
from tests.adapters.sealing.samples import NOW, PROJECT, SEED, Predictable, keyring

PLACE = WrapContext("seed", PROJECT, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ring as the first start makes it."""
    file = tmp_path / "keys" / "keyring.json"
    FileKeyring.create(file, random=Predictable(), now=NOW)
    return file


def load(path: Path) -> FileKeyring:
    return FileKeyring.load(path, random=Predictable())


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    ring = json.loads(path.read_text())
    change(ring)
    path.write_text(json.dumps(ring))


def entry(kid: str, key: bytes) -> dict[str, str]:
    check = check_value(key, kid).hex() if len(key) == 32 else "00" * 16
    return {
        "kid": kid,
        "created_at": "2026-11-21T10:00:00Z",
        "key": b64encode(key).decode(),
        "check": check,
    }


# Making a ring


def test_a_new_ring_is_private_and_whole(path: Path) -> None:
    ring = json.loads(path.read_text())

    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.parent.stat().st_mode & 0o7777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["keyring.json"]
    assert ring["version"] == 1
    assert [key["kid"] for key in ring["keys"]] == [ring["primary"]]
    assert ring["keys"][0]["created_at"] == "2026-11-21T10:00:00.123456Z"


def test_a_new_ring_holds_the_random_key_it_was_given(tmp_path: Path) -> None:
    random = Predictable()

    made = FileKeyring.create(tmp_path / "keys" / "k", random=random, now=NOW)

    stored = json.loads((tmp_path / "keys" / "k").read_text())["keys"][0]
    assert stored == {
        **entry(made.primary, random.drawn[1]),
        "created_at": "2026-11-21T10:00:00.123456Z",
    }
    assert made.primary == f"kek-{random.drawn[0].hex()}"


async def test_a_ring_opens_what_it_wrapped_before_a_restart(path: Path) -> None:
    kid, wrapped = await load(path).wrap(PLACE, SEED)

    assert await load(path).unwrap(kid, PLACE, wrapped) == SEED


def test_a_ring_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises(StartRefused, match="already"):
        FileKeyring.create(path, random=Predictable(), now=NOW)

    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["keyring.json"]


def test_a_ring_with_several_keys_is_read(path: Path) -> None:
    edit(path, lambda ring: ring["keys"].append(entry("kek.next_2", SEED)))
    edit(path, lambda ring: ring.update(primary="kek.next_2"))

    keys: KeyEncryption = load(path)

    assert keys.primary == "kek.next_2"
    assert len(keys.kids) == 2


# Starts on a bad ring (A16): each refuses, says what to do, and changes nothing.


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def not_utf8(path: Path) -> None:
    path.write_bytes(b'{"version": 1, "primary": "\xff"}')


def nested_too_deep(path: Path) -> None:
    path.write_bytes(b"[" * 60_000)


def null(path: Path) -> None:
    path.write_text("null")


def a_list(path: Path) -> None:
    path.write_text("[]")


def too_big(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" " * 64 * 1024)


def symbolic_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def group_may_read(path: Path) -> None:
    path.chmod(0o640)


def others_may_read(path: Path) -> None:
    path.chmod(0o604)


def group_may_write(path: Path) -> None:
    path.chmod(0o620)


def directory_is_open(path: Path) -> None:
    path.parent.chmod(0o750)


def unknown_version(path: Path) -> None:
    edit(path, lambda ring: ring.update(version=2))


def version_true(path: Path) -> None:
    edit(path, lambda ring: ring.update(version=True))


def extra_field(path: Path) -> None:
    edit(path, lambda ring: ring.update(plaintext=True))


def lacking_field(path: Path) -> None:
    edit(path, lambda ring: ring.pop("primary"))


def field_twice(path: Path) -> None:
    path.write_text(path.read_text().replace('"version": 1,', '"version": 1, "version": 1,'))


def no_keys(path: Path) -> None:
    edit(path, lambda ring: ring.update(keys=[]))


def keys_are_no_list(path: Path) -> None:
    edit(path, lambda ring: ring.update(keys={"kid": "x"}))


def key_is_text(path: Path) -> None:
    edit(path, lambda ring: ring.update(keys=["kek-1"]))


def key_twice(path: Path) -> None:
    edit(path, lambda ring: ring["keys"].append(ring["keys"][0]))


def primary_missing(path: Path) -> None:
    edit(path, lambda ring: ring.update(primary="kek-other"))


def primary_is_no_text(path: Path) -> None:
    edit(path, lambda ring: ring.update(primary=["kek-1"]))


def unprintable_kid(path: Path) -> None:
    edit(path, lambda ring: ring.update(primary="a\n", keys=[entry("a\n", SEED)]))


def long_kid(path: Path) -> None:
    edit(path, lambda ring: ring.update(primary="a" * 65, keys=[entry("a" * 65, SEED)]))


def short_key(path: Path) -> None:
    edit(path, lambda ring: ring["keys"].append(entry("short", SEED[:31])))


def long_key(path: Path) -> None:
    edit(path, lambda ring: ring["keys"].append(entry("long", SEED + b"x")))


def no_base64(path: Path) -> None:
    edit(path, lambda ring: ring["keys"][0].update(key="*" + ring["keys"][0]["key"]))


def key_is_number(path: Path) -> None:
    edit(path, lambda ring: ring["keys"][0].update(key=1))


def other_key_under_the_id(path: Path) -> None:
    other = b64encode(SEED).decode()
    edit(path, lambda ring: ring["keys"][0].update(key=other))


def keys_exchanged(path: Path) -> None:
    def exchange(ring: dict[str, Any]) -> None:
        one, other = entry("one", SEED), entry("other", SEED[::-1])
        one["key"], other["key"] = other["key"], one["key"]
        one["check"], other["check"] = other["check"], one["check"]
        ring.update(primary="one", keys=[one, other])

    edit(path, exchange)


def check_not_ascii(path: Path) -> None:
    edit(path, lambda ring: ring["keys"][0].update(check="é"))


def check_in_capitals(path: Path) -> None:
    edit(path, lambda ring: ring["keys"][0].update(check="A" * 32))


BAD_STARTS: dict[Callable[[Path], None], str] = {
    missing: "restore",
    empty: "not JSON",
    cut_short: "cut short",
    not_utf8: "not JSON",
    nested_too_deep: "not JSON",
    null: "not JSON",
    a_list: "not an object",
    too_big: "larger than 65536",
    symbolic_link: "no symbolic link",
    dangling_link: "no symbolic link",
    a_directory: "not a plain file",
    a_pipe: "not a plain file",
    group_may_read: "chmod 600",
    others_may_read: "chmod 600",
    group_may_write: "chmod 600",
    directory_is_open: "chmod 700",
    unknown_version: "version",
    version_true: "version",
    extra_field: "exactly keys, primary, version",
    lacking_field: "exactly keys, primary, version",
    field_twice: "not JSON",
    no_keys: "no keys",
    keys_are_no_list: "no keys",
    key_is_text: "key 1 is not an object",
    key_twice: "key 2 has the id of another",
    primary_missing: "primary",
    primary_is_no_text: "primary",
    unprintable_kid: "key 1 has an id",
    long_kid: "key 1 has an id",
    short_key: "key 2 is not 32 bytes",
    long_key: "key 2 is not 32 bytes",
    no_base64: "key 1 is not 32 bytes",
    key_is_number: "key 1 has a field",
    other_key_under_the_id: "check value",
    keys_exchanged: "check value",
    check_not_ascii: "check value",
    check_in_capitals: "check value",
}


def state(directory: Path) -> object:
    return sorted(
        (file.name, found.st_mode, found.st_mtime_ns, found.st_ino, found.st_size)
        for file in directory.iterdir()
        for found in [file.lstat()]
    )


@pytest.mark.parametrize(
    ("spoil", "store_is_empty"),
    # Without a ring and without data it is a first start.
    [(s, empty) for s in BAD_STARTS for empty in (True, False) if (s, empty) != (missing, True)],
    ids=lambda part: getattr(part, "__name__", "") or ("empty" if part else "used"),
)
def test_a_bad_ring_refuses_the_start_and_changes_nothing(
    path: Path, spoil: Callable[[Path], None], store_is_empty: bool
) -> None:
    spoil(path)
    before = state(path.parent)

    with pytest.raises(StartRefused, match=BAD_STARTS[spoil]) as refusal:
        FileKeyring.open_or_create(
            path, store_is_empty=store_is_empty, kids_in_use=(), random=Predictable(), now=NOW
        )

    assert state(path.parent) == before
    assert str(path.parent) in str(refusal.value)


def test_a_ring_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(StartRefused, match="belongs to another user"):
        load(path)


def test_a_file_of_another_user_in_ones_own_directory_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fstat = os.fstat

    def given_away(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        shift = 0 if os.path.isdir(f"/proc/self/fd/{descriptor}") else 1  # noqa: PTH112  # a link of /proc
        return os.stat_result((*found[:4], found.st_uid + shift, *found[5:]))

    monkeypatch.setattr(os, "fstat", given_away)

    with pytest.raises(StartRefused, match=r"key ring .* belongs to another user"):
        load(path)


def test_a_ring_of_exactly_the_largest_size_is_read(path: Path) -> None:
    path.write_bytes(path.read_bytes().ljust(64 * 1024))

    assert load(path).kids


# The rule of start


def start(path: Path, *, store_is_empty: bool, kids_in_use: tuple[str, ...] = ()) -> FileKeyring:
    return FileKeyring.open_or_create(
        path,
        store_is_empty=store_is_empty,
        kids_in_use=kids_in_use,
        random=Predictable(),
        now=NOW,
    )


def test_the_first_start_makes_a_ring_and_the_second_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys" / "keyring.json"

    made = start(path, store_is_empty=True)
    before = path.read_bytes()
    again = start(path, store_is_empty=True)

    assert again.kids == made.kids == {made.primary}
    assert path.read_bytes() == before


@pytest.mark.parametrize(("store_is_empty", "kids_in_use"), [(False, ()), (True, ("kek-1",))])
def test_no_ring_is_made_beside_a_store_that_holds_something(
    tmp_path: Path, store_is_empty: bool, kids_in_use: tuple[str, ...]
) -> None:
    path = tmp_path / "keys" / "keyring.json"

    with pytest.raises(StartRefused, match=r"ring at .*: name it with --data or --keyring, copy"):
        start(path, store_is_empty=store_is_empty, kids_in_use=kids_in_use)

    assert list(tmp_path.iterdir()) == []


def test_every_key_in_use_must_be_in_the_ring(path: Path) -> None:
    (kid,) = load(path).kids

    assert start(path, store_is_empty=False, kids_in_use=(kid, kid)).primary == kid
    with pytest.raises(StartRefused, match=r"lacks kek-a, kek-b, which"):
        start(path, store_is_empty=False, kids_in_use=("kek-b", kid, "kek-a"))


# Wrapping


async def test_a_wrapped_key_hides_what_it_holds_and_is_new_every_time() -> None:
    keys = keyring()

    (_, one), (_, other) = await keys.wrap(PLACE, SEED), await keys.wrap(PLACE, SEED)

    assert len(one) == len(other) == 109
    assert SEED not in one
    assert one[61:] != other[61:]


@pytest.mark.parametrize("size", [0, 16, 31, 33])
async def test_only_keys_are_wrapped(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        await keyring().wrap(PLACE, bytes(size))


@pytest.mark.parametrize(
    "place",
    [
        PLACE._replace(purpose="service"),
        PLACE._replace(subject="other"),
        PLACE._replace(generation=2),
        PLACE._replace(purpose="see", subject="d" + PROJECT),
    ],
    ids=str,
)
async def test_a_wrapped_key_opens_in_its_own_place_alone(place: WrapContext) -> None:
    keys = keyring()
    kid, wrapped = await keys.wrap(PLACE, SEED)

    with pytest.raises(SealBroken, match="a wrapped key does not open"):
        await keys.unwrap(kid, place, wrapped)


async def test_every_flipped_bit_of_a_wrapped_key_is_noticed() -> None:
    keys = keyring()
    kid, wrapped = await keys.wrap(PLACE, SEED)

    for bit in range(len(wrapped) * 8):
        flipped = bytearray(wrapped)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            await keys.unwrap(kid, PLACE, bytes(flipped))


async def test_a_wrapped_key_of_another_length_is_refused() -> None:
    keys = keyring()
    kid, wrapped = await keys.wrap(PLACE, SEED)

    for size in range(len(wrapped)):
        with pytest.raises(SealBroken):
            await keys.unwrap(kid, PLACE, wrapped[:size])
    with pytest.raises(SealBroken):
        await keys.unwrap(kid, PLACE, wrapped + b"\0")


async def test_the_suite_and_the_key_id_are_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    _, wrapped = await keyring().wrap(PLACE, SEED)
    monkeypatch.setitem(SUITES, 2, SUITES[1])

    with pytest.raises(SealBroken):
        await keyring().unwrap("kek-1", PLACE, b"\2" + wrapped[1:])
    with pytest.raises(SealBroken):
        await keyring(kid="kek-2").unwrap("kek-2", PLACE, wrapped)


async def test_a_key_is_picked_by_id_and_never_by_trial(path: Path) -> None:
    edit(path, lambda ring: ring["keys"].append(entry("other", SEED)))
    keys = load(path)
    kid, wrapped = await keys.wrap(PLACE, SEED)

    assert kid == keys.primary
    with pytest.raises(SealBroken):
        await keys.unwrap("other", PLACE, wrapped)
    with pytest.raises(KeyringUnavailable, match="no key of the id"):
        await keys.unwrap("unknown", PLACE, wrapped)


def test_the_context_binds_as_the_document_says() -> None:
    assert PLACE._asdict() == {"purpose": "seed", "subject": PROJECT, "generation": 1}
    assert PLACE.associated_data("kek-1") != PLACE.associated_data("kek-1", suite=2)
