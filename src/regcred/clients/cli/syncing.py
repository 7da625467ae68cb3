"""Put a sync together and run it: the clocks, the signals, the service and the cluster."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import lightkube
import typer

from regcred.clients.api import RegcredClient
from regcred.clients.calls import Handed
from regcred.clients.cli.session import speaking_to
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.config import ClientConfig, ConfigRefused, load
from regcred.clients.kubernetes.cluster import Cluster, connect
from regcred.clients.kubernetes.election import Election
from regcred.clients.kubernetes.health import Health, listening
from regcred.clients.kubernetes.keeper import Keeper, Look, Trouble, report
from regcred.clients.kubernetes.leases import Leases
from regcred.clients.kubernetes.reconcile import Reconciler, Result, Stopped
from regcred.clients.kubernetes.refusals import ClusterUnreachable
from regcred.clients.kubernetes.wanted import Sync
from regcred.clients.node.settings import read_file

_OTHERS = 0o007
_CODES = {
    Trouble.UNREACHABLE: Exit.UNREACHABLE,
    Trouble.REFUSED: Exit.DENIED,
    Trouble.UNUSABLE: Exit.FAILED,
    Trouble.WITHHELD: Exit.VERDICT,
    Trouble.NO_LOGIN: Exit.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for."""

    project: str | None
    key_file: Path | None
    secret: str
    name: str
    credentials: tuple[str, ...]
    images: tuple[str, ...]
    namespaces: tuple[str, ...]
    selector: str
    accounts: tuple[str, ...]

    def fetch(self, etag: str | None) -> Handed:
        """Ask the service. The key is read anew each time, so that it can be replaced."""
        query: dict[str, str | list[str]] = {
            "name": self.secret,
            "credential": [*self.credentials],
            "image": [*self.images],
        }
        with RegcredClient(config(self.key_file), self.project) as api:
            return api.hand_out("kubernetes-secret", query, etag)


def keep(
    wish: Wish,
    *,
    once: bool,
    delete: bool,
    interval: float,
    lease: str,
    lease_namespace: str,
    health: tuple[str, int] | None,
) -> None:
    """Do what is wished, and return or raise typer.Exit."""
    sync = Sync(
        _project_id(wish),
        wish.name,
        wish.secret,
        wish.namespaces,
        wish.selector,
        wish.accounts,
    )
    try:
        with connect() as client, _ending() as ended:
            election = _election(client, lease, lease_namespace) if lease else None
            trouble = (lambda: election.trouble) if election else str
            clock = ProcessClock(ended, Health(time.monotonic, trouble))

            def keep_going() -> bool:
                return not clock.wait(0) and (election is None or election.leads())

            reconciler = Reconciler(sync, Cluster(sync, client), keep_going)
            keeper = Keeper(wish.fetch, reconciler, say, clock.now)
            if delete:
                raise typer.Exit(_remove(reconciler))
            if once:
                raise typer.Exit(_code(keeper.look()))
            with _answering(clock.health, health):
                keeper.run(interval, clock, election, random.random)
    except ClusterUnreachable as why:
        stop(Exit.UNREACHABLE, f"Error: the cluster: {why}")
    except Stopped:
        stop(Exit.FAILED, "Interrupted; run it again to finish.")


@dataclass(frozen=True, slots=True)
class ProcessClock:
    """The clocks of a process; a wait ends when it is told to end."""

    ended: threading.Event
    health: Health

    def steady(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the time of day."""
        return _now()

    def wait(self, seconds: float) -> bool:
        """Wait, and return whether this process is to end."""
        self.health.step(waiting=seconds > 0)
        return self.ended.wait(seconds)


def config(key_file: Path | None) -> ClientConfig:
    """Return how the service is reached. Raise ConfigRefused."""
    if key_file is None:
        return load(os.environ)
    try:
        text = read_file(str(key_file), False)
        # A mounted Secret belongs to root and is read by way of the pod's group.
        if key_file.stat().st_mode & _OTHERS:
            raise ConfigRefused(f"{key_file} holds a key and others may read it")
    except FileNotFoundError:
        raise ConfigRefused(f"there is no {key_file}: --key-file names it") from None
    return load({**os.environ, "REGCRED_KEY": text})


def _project_id(wish: Wish) -> str:
    """Return the project's id: it marks what is this sync's, and has other spellings."""
    try:
        return str(uuid.UUID(wish.project))
    except (ValueError, TypeError):
        pass  # A number, or the key's own: the service knows.
    try:
        reached = config(wish.key_file)
    except ConfigRefused as why:
        stop(Exit.DENIED, f"Error: {why}")
    with speaking_to(reached, wish.project) as api:
        return str(api.project()["id"])


def _now() -> datetime:
    return datetime.now(UTC)


def _election(client: lightkube.Client, lease: str, namespace: str) -> Election:
    leases = Leases(client, namespace or client.namespace, lease)
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    return Election(leases, identity, time.monotonic, _now)


@contextmanager
def _answering(health: Health, where: tuple[str, int] | None) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            if where:
                stack.enter_context(listening(health, *where))
        except OSError as why:
            stop(Exit.FAILED, f"Error: --health: {why.strerror}")
        yield


def _remove(reconciler: Reconciler) -> Exit:
    outcomes = reconciler.remove()
    report(outcomes, say)
    failed = any(one.result is Result.FAILED for one in outcomes)
    return Exit.FAILED if failed else Exit.OK


def _code(look: Look) -> Exit:
    return _CODES.get(look.trouble, Exit.FAILED if look.failed else Exit.OK)


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """Yield what is set when this process is told to end; then it ends by itself."""
    ended = threading.Event()

    before: dict[int, Callable[..., object] | int | None] = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
