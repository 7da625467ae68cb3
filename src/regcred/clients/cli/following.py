"""Ask the service again and again, until a person has seen enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, TypeVar

import typer

from regcred.clients.cli.words import say
from regcred.clients.problems import ServiceUnreachable

_T = TypeVar("_T")

Every = Annotated[
    float, typer.Option("--interval", min=0.1, help="Seconds between two looks at the service.")
]

until_interrupted = suppress(KeyboardInterrupt)
"""Inside it, Ctrl-C is how a person says that this is enough: no failure."""


def every_so_often(look: Callable[[], _T], interval: float) -> Iterator[_T]:
    """Yield what each look finds, without end. A service that is away is waited for.

    That it is away is said once, and once that it is back. Other refusals are raised.
    """
    away = False
    while True:
        time.sleep(interval)
        try:
            found = look()
        except ServiceUnreachable as why:
            if not away:
                say(f"{why}; still looking.")
            away = True
            continue
        if away:
            say("It is back.")
        away = False
        yield found
