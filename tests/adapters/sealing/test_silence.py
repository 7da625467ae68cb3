"""No key and no secret in anything that a log, a debugger or an error page could show."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regcred.adapters.sealing.box import Root
from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.key_file import Damaged, decode_key_ring, encode_key_ring
from regcred.adapters.sealing.sealer import EnvelopeSealer
from regcred.adapters.sealing.service_keys import ServiceKeys
from regcred.domain.errors import RegcredError, StartRefused
from regcred.domain.secret import Secret
from tests.adapters.sealing.samples import CONTEXT, NOW, PROJECT, SEED, Predictable, keyring

KEY = b"key-material-that-nobody-may-see"
WORDS = "a password that nobody may see"


def spellings(value: bytes) -> list[str]:
    return [
        value.decode(),
        repr(value),
        value.hex(),
        b64encode(value).decode().rstrip("="),
        urlsafe_b64encode(value).decode().rstrip("="),
    ]


def shown(thing: object) -> str:
    return f"{thing!r} {thing!s} {thing}"


def everything_in(failure: BaseException) -> Iterator[str]:
    """Yield all that hangs on an exception: texts, attributes, and whatever it came from."""
    yield "".join(traceback.format_exception(failure))
    link: BaseException | None = failure
    while link is not None:
        yield repr(link)
        yield repr(vars(link))
        yield repr(link.args)
        # A decoding error keeps what it could not decode in attributes that vars() lacks.
        yield repr([getattr(link, name, None) for name in ("object", "doc")])
        link = link.__cause__ or link.__context__


THINGS = [
    Root(KEY, b"label"),
    keyring(KEY),
    ServiceKeys.derive(KEY, Predictable()),
    *ServiceKeys.derive(KEY, Predictable()),
    decode_key_ring(encode_key_ring("kek-1", KEY, NOW)),
    EnvelopeSealer(keyring(KEY), Predictable(), lambda: 0.0),
]


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: type(thing).__name__)
def test_what_holds_a_key_does_not_show_it(thing: object) -> None:
    derived = [Root(KEY, b"regcred-service-v1").expand(p)[0] for p in (b"cursor", b"audit-row")]

    for spelling in spellings(KEY) + [d.hex() for d in derived] + [repr(d) for d in derived]:
        assert spelling not in shown(thing)


@pytest.mark.parametrize("keep", [pickle.dumps, copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_root_is_not_pickled_or_copied(keep: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        keep(Root(KEY, b"label"))


BROKEN_FILES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda text: text[:-20],
    "version": lambda text: text.replace(b'"version": 1', b'"version": 9'),
    "field name": lambda text: text.replace(b'"check"', b'"chuck"'),
    "keys twice": lambda text: text.replace(b'"primary"', b'"keys": [], "primary"'),
    "key cut": lambda text: text.replace(b64encode(KEY), b64encode(KEY)[:-4]),
    "no base64": lambda text: text.replace(b64encode(KEY), b64encode(KEY) + b"*"),
    "other key": lambda text: text.replace(b64encode(KEY), b64encode(KEY[::-1])),
    "not utf-8": lambda text: text.replace(b"2026", b"\xff"),
    "more behind": lambda text: text + b"}",
    "nested": lambda text: b"[" + text * 100,
}


@pytest.mark.parametrize("spoil", BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_a_damaged_ring_is_refused_without_showing_it(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "keys" / "keyring.json"
    made = FileKeyring.create(path, random=lambda size: KEY[:size], now=NOW)
    assert b64decode(json.loads(path.read_text())["keys"][0]["key"]) == KEY
    path.write_bytes(spoil(path.read_bytes()))

    with pytest.raises(StartRefused) as caught:
        FileKeyring.load(path, random=Predictable())

    assert made.primary
    for text in everything_in(caught.value):
        for spelling in spellings(KEY):
            assert spelling not in text


def test_a_damaged_rings_error_remembers_no_other() -> None:
    """A JSON error carries the document, a decoding error its input."""
    for text in (b'{"key": ', b"\xff", b"[" * 60_000):
        with pytest.raises(Damaged) as caught:
            decode_key_ring(text)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("bit", [0, 9, 45, 300, 400, 500, -1])
async def test_a_broken_seal_shows_neither_secret_nor_key(bit: int) -> None:
    seal = EnvelopeSealer(keyring(KEY), lambda size: (SEED * 2)[:size], lambda: 0.0)
    seed = await seal.new_seed(PROJECT)
    record = bytearray(await seal.seal(seed, CONTEXT, Secret(WORDS)))
    record[bit // 8] ^= 1

    with pytest.raises(RegcredError) as caught:
        await seal.open(seed, CONTEXT, bytes(record))

    for text in everything_in(caught.value):
        for spelling in (*spellings(WORDS.encode()), *spellings(KEY), SEED.hex(), repr(SEED)):
            assert spelling not in text
