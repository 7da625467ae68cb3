"""Serve a registry on this machine that misbehaves in one chosen way.

    python tools/misbehaving_registry.py --list
    python tools/misbehaving_registry.py --behaviour NAME [--port N] [--ca FILE]

It listens on 127.0.0.1 alone, until Ctrl-C; then it says what it was asked, and how often a login
or a token came to whom. What each behaviour is for: docs/misbehaving-registry.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.tools.misbehaving import Behaviour, Origin, serving
from tests.tools.misbehaviours import BEHAVIOURS, BY_NAME


def main() -> int:
    parser = argparse.ArgumentParser(description="A registry that misbehaves, on loopback.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--behaviour", choices=BY_NAME, metavar="NAME", help="see --list")
    what.add_argument("--list", action="store_true", help="list the behaviours")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--ca", type=Path, help="write the certificate authority's PEM here")
    given = parser.parse_args()
    if given.list:
        for one in BEHAVIOURS:
            print(f"{one.name:20} {one.does}\n{'':20} verdict: {_verdict(one)}")
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(BY_NAME[given.behaviour], given.port, given.ca))
    return 0


def _verdict(behaviour: Behaviour) -> str:
    return f"{behaviour.verdict} ({behaviour.cause})" if behaviour.cause else behaviour.verdict


async def _serve(behaviour: Behaviour, port: int, ca: Path | None) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serving(behaviour, port) as served:
        town = served.town
        if ca is not None:
            ca.write_text(served.authority)  # noqa: ASYNC240  nothing is served yet
        print(f"registry  {town.registry.url}  {behaviour.does}")
        print(f"stranger  {town.stranger.url}")
        print(f"verdict   {_verdict(behaviour)}", flush=True)
        await ended.wait()
        for name, origin in (("registry", town.registry), ("stranger", town.stranger)):
            print(_told(name, origin))


def _told(name: str, origin: Origin) -> str:
    return (
        f"{name}: {origin.connections} connections, {len(origin.asked)} requests, "
        f"{origin.logins} with a login or token"
    )


if __name__ == "__main__":
    raise SystemExit(main())
