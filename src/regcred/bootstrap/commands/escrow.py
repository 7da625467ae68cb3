"""`regcred keys escrow` and `recover`: the ring's file in shares for several people, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from regcred.adapters.sealing.escrow import MAX_SHARE, join_shares, split_ring
from regcred.adapters.sealing.private_file import create_private
from regcred.adapters.sealing.ring_changes import read_ring, write_ring
from regcred.bootstrap.commands.keys import ring_file
from regcred.bootstrap.commands.rotations import say
from regcred.domain.errors import StartRefused
from regcred.settings import Settings

OK = 0


def escrow(settings: Settings, folder: str, shares: int, needed: int) -> int:
    """Write the shares to a folder, one a file; `-` as the folder prints them."""
    path = ring_file(settings)
    primary, keys = read_ring(path)
    texts = split_ring(primary, keys, shares=shares, needed=needed, random=os.urandom)
    if folder == "-":
        sys.stdout.write("".join(text.decode() for text in texts))
    else:
        print("\n".join(map(str, _written(Path(folder), texts))))
    say(
        f"{needed} of them give {path} back. Hand each to another person and delete it here:"
        " together in one place they are the key. Repeat this after `regcred keys rotate`"
    )
    return OK


def _written(folder: Path, texts: Sequence[bytes]) -> list[Path]:
    """Write all shares of a set, or none. Raise StartRefused where there is any: sets never mix."""
    if there := sorted(folder.glob("regcred-share-*")):
        raise StartRefused(
            f"{there[0]} is a share already, which is never overwritten, and shares of two sets"
            " give nothing back: name another folder"
        )
    files: list[Path] = []
    try:
        for number, text in enumerate(texts, start=1):
            file = folder / f"regcred-share-{number}-of-{len(texts)}.json"
            create_private(file, text, what="share", suffix=os.urandom(8).hex())
            files.append(file)
    except BaseException:
        for file in files:
            file.unlink()
        raise
    return files


def recover(settings: Settings, *files: str) -> int:
    """Write the ring's file from shares, where there is none."""
    primary, keys = join_shares({file: _read(Path(file)) for file in files})
    path = ring_file(settings)
    write_ring(path, primary, keys, suffix=os.urandom(8).hex())
    say(f"{path} is there again, with {len(keys)} keys. Next: regcred keys verify")
    print(path)
    return OK


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        text = file.read(MAX_SHARE + 1)
    if len(text) > MAX_SHARE:
        raise StartRefused(f"{path} is larger than a share can be")
    return text


COMMANDS: Mapping[str, Callable[..., int]] = {"keys_escrow": escrow, "keys_recover": recover}
