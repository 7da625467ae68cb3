"""F3: one bit flips in the store's file, in its log, or in a backup.

Whatever the program then does, a password that it would hand out is the right one, for the right
registry and user; and what it cannot read it refuses with an error that it means. Flips are drawn
over whole files, and as many again inside sealed secrets, which are a small part of a file.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from regcred.adapters.sealing import envelope
from regcred.adapters.sealing.box import (
    COMMITMENT_SIZE,
    INFO_SIZE,
    NONCE_SIZE,
    TAG_SIZE,
    Root,
)
from tools.campaign.reading import read_now, typed
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace
from tools.campaign.specimen import BACKUP, Specimen, make

SEED = 20261201
FLIPS = 3_000
CONTROL_FLIPS = 64
ACTS, LOGINS = 160, 32

DATABASE, LOG = "regcred.db", "regcred.db-wal"
_HEAD = INFO_SIZE + COMMITMENT_SIZE + NONCE_SIZE


class Flip(NamedTuple):
    """One bit of one file."""

    file: str
    byte: int
    bit: int


def run(scale: float) -> Report:
    """Flip bits one at a time, and with the seal's tag ignored, which must show."""
    report = Report("F3 bit flips, SQLite", SEED, demands={"flips": FLIPS, "in sealed": FLIPS / 3})
    chance = random.Random(SEED)
    with workspace("f03", below=memory()) as folder:
        specimen = make(folder, str(SEED), acts=ACTS, logins=LOGINS)
        sealed = _sealed(specimen)
        anywhere = list(_anywhere(specimen, chance, scaled(FLIPS, scale, least=30)))
        inside = [_inside(sealed, chance) for _ in range(scaled(FLIPS // 3, scale, least=20))]
        for flip in anywhere + inside:
            report.add("flips")
            report.violations += _flip(specimen, flip, folder / "flipped", report.add)
        report.counts["in sealed"] = len(inside)
        wrong: list[str] = []
        with _no_tag():
            for _ in range(scaled(CONTROL_FLIPS, scale, least=8)):
                flip = _inside(sealed, chance, skip=_HEAD + 5, end=TAG_SIZE)
                wrong += _flip(specimen, flip, folder / "flipped", lambda _: None)
        found = [one for one in wrong if "wrong" in one]
        report.controls.append(
            Control("decrypts without tag", bool(found), f"{len(found)} wrong passwords")
        )
    return report


def _anywhere(specimen: Specimen, chance: random.Random, count: int) -> Iterator[Flip]:
    """Draw from the three files in turn."""
    files = (DATABASE, LOG, BACKUP)
    for number in range(count):
        file = files[number % len(files)]
        size = (specimen.data / "store" / file).stat().st_size
        yield Flip(file, chance.randrange(size), chance.randrange(8))


def _sealed(specimen: Specimen) -> list[tuple[str, int, int]]:
    """Return (file, where, length) of every live sealed secret, in each file that holds it."""
    with closing(sqlite3.connect(specimen.data / "store" / BACKUP)) as database:
        live = [row[0] for row in database.execute("SELECT sealed FROM credential_secrets")]
    found = []
    for file in (DATABASE, LOG, BACKUP):
        content = (specimen.data / "store" / file).read_bytes()
        for record in live:
            at = content.rfind(record)  # in the log, the newest page
            if at >= 0:
                found.append((file, at, len(record)))
    return found


def _inside(
    sealed: list[tuple[str, int, int]], chance: random.Random, *, skip: int = 0, end: int = 0
) -> Flip:
    file, at, length = chance.choice(sealed)
    return Flip(file, at + chance.randrange(skip, length - end), chance.randrange(8))


def _flip(specimen: Specimen, flip: Flip, image: Path, count: Callable[[str], None]) -> list[str]:
    """Flip it in a copy, start on that, and return what may not be."""
    try:
        specimen.copy(image)
        store = image / "store"
        with (store / flip.file).open("r+b") as file:
            file.seek(flip.byte)
            (old,) = file.read(1)
            file.seek(flip.byte)
            file.write(bytes([old ^ (1 << flip.bit)]))
        if flip.file == BACKUP:  # restored: in the store's place, and no log beside it
            (store / BACKUP).replace(store / DATABASE)
            (store / LOG).unlink()
        return [f"{flip}: {one}" for one in _judge(specimen, image, count)]
    finally:
        shutil.rmtree(image, ignore_errors=True)


def _judge(specimen: Specimen, image: Path, count: Callable[[str], None]) -> list[str]:
    names = [thing for thing in specimen.whole.found if thing[0] == "login"]
    reading = read_now(image, names)
    if reading.refused is not None:
        count("starts refused")
        return [] if typed(reading.refused) else [f"start: {reading.refused!r}"]
    wrong = []
    for thing in names:
        wanted, there = specimen.whole.found[thing], reading.found.get(thing)
        error = reading.errors.get(thing)
        if error is not None:
            count("logins refused")
            wrong += [] if typed(error) else [f"{thing[1]}: {error!r}"]
        elif there is None:
            count("logins not found")
        elif there != wanted:
            wrong.append(f"{thing[1]}: wrong password")
        elif reading.where[thing[1]] != specimen.whole.where[thing[1]]:
            wrong.append(f"{thing[1]}: wrong place: {reading.where[thing[1]]}")
    others = {t: e for t, e in reading.errors.items() if t[0] != "login" and not typed(e)}
    return wrong + [f"{thing}: {error!r}" for thing, error in others.items()]


@contextmanager
def _no_tag() -> Iterator[None]:
    """Open boxes as a seal without authentication would: decrypt, and believe."""

    def believe(_suite: int, root: Root, _associated: bytes, box: bytes, _what: str) -> bytes:
        info, nonce = box[:INFO_SIZE], box[INFO_SIZE + COMMITMENT_SIZE : _HEAD]
        counter = nonce + (2).to_bytes(4)  # where GCM's own counting starts for the text
        decryptor = Cipher(algorithms.AES256(root.expand(info)[0]), modes.CTR(counter)).decryptor()
        return decryptor.update(box[_HEAD:-TAG_SIZE]) + decryptor.finalize()

    inside = vars(envelope)
    kept = inside["open_box"]
    inside["open_box"] = believe
    try:
        yield
    finally:
        inside["open_box"] = kept
