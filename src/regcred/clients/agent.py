"""The per-user agent: open connections for the docker helper, so that a pull waits for no start.

It forwards one question, docker's `get`, as the helper would ask it, and hands back the answer; it
keeps none. The settings are read for every question, so that a new login or another service counts
at once, as a revoked key does at the service. What it cannot answer it leaves to the helper, which
then asks by itself and says what is wrong.

The key and the last answers stay in this process's memory until it is used again; Python wipes
nothing. `regcred agent` therefore leaves no core and is closed to other processes of its user
(`clients/unreadable.py`); root reads it all the same.
"""

from __future__ import annotations

import _socket
import os
import select
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

from regcred.clients.docker_helper import NAME, one_line, with_key
from regcred.clients.node.agent_door import AGENT_SECONDS, MAX_QUESTION, peer
from regcred.clients.node.answers import Answer
from regcred.clients.node.deadline import left
from regcred.clients.node.service import (
    CONNECT_SECONDS,
    MAX_ANSWER,
    Question,
    connected,
    hear,
    request,
    trust,
)
from regcred.clients.node.settings import Settings, settings
from regcred.clients.node.words import TOTAL_SECONDS, Refused

WORKERS = 8
"""Questions that are answered at the same time; more wait in the socket's queue."""

KEPT_SECONDS = 60.0
"""How long a connection waits for the next question."""

_REUSED_SECONDS = 1.0
"""How long a connection that waited may take: its other end may be gone without a word."""
_MAX_PATH = 4096

Service = tuple[str, str]
"""A URL and a CA's file: what a connection is good for."""


class Lines:
    """Connections to the service that wait for the next question, the newest first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, Service, _socket.socket]] = []
        self._lock = threading.Lock()

    def take(self, service: Service) -> _socket.socket | None:
        """Return a connection that is still good; whatever has another end is closed."""
        with self._lock:
            while self._waiting:
                _, known, line = self._waiting.pop()
                if known == service and is_quiet(line):
                    return line
                line.close()
        return None

    def keep(self, service: Service, line: _socket.socket) -> None:
        """Keep a connection for the next question."""
        with self._lock:
            self._waiting.append((monotonic(), service, line))

    def drop(self, before: float) -> None:
        """Close what was last used before this time, by the monotonic clock."""
        with self._lock:
            kept = [one for one in self._waiting if one[0] >= before]
            for since, _, line in self._waiting:
                if since < before:
                    line.close()
            self._waiting = kept

    def __len__(self) -> int:
        return len(self._waiting)


def is_quiet(line: _socket.socket) -> bool:
    """Whether nothing has come on a connection: not its end, and no answer to no question."""
    waiting = select.poll()
    waiting.register(line, select.POLLIN)
    return not waiting.poll(0)


class Agent:
    """Answers helpers on a listening socket until it is closed."""

    def __init__(self, listener: socket.socket, settings_path: str, user: int) -> None:
        self.lines = Lines()
        self.last_asked = monotonic()
        self._listener = listener
        self._settings_path = settings_path
        self._user = user
        self._trusts: dict[str, tuple[object, ssl.SSLContext]] = {}

    def start(self) -> list[threading.Thread]:
        """Start the workers; they end when the listener is shut down."""
        workers = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        return workers

    def run(self, stopped: threading.Event, idle: float | None, turn: float = 5.0) -> None:
        """Answer until told to stop, or until nobody has asked for `idle` seconds."""
        workers = self.start()
        while not stopped.wait(turn if idle is None else min(turn, idle)):
            now = monotonic()
            self.lines.drop(now - KEPT_SECONDS)
            if idle is not None and now - self.last_asked >= idle:
                break
        self._listener.shutdown(socket.SHUT_RDWR)
        for worker in workers:
            worker.join(TOTAL_SECONDS)
        self.lines.drop(monotonic())

    def _work(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line:
                self.last_asked = monotonic()
                # Whoever asked goes the ordinary way, and hears there what is wrong.
                with suppress(Refused, OSError):
                    self._serve(line)

    def _serve(self, line: socket.socket) -> None:
        """Answer one helper. Raise Refused, OSError."""
        if peer(line) != self._user:
            return
        until = monotonic() + AGENT_SECONDS
        text = b""
        line.settimeout(AGENT_SECONDS)
        while part := line.recv(65536):
            text += part
            line.settimeout(left(until))
            if len(text) > MAX_QUESTION + _MAX_PATH:
                return
        head, _, question = text.partition(b"\n")
        if head != b"get " + os.fsencode(self._settings_path):
            return
        answer = written(self.forward(one_line(question)))
        line.settimeout(AGENT_SECONDS)
        line.sendall(answer)

    def forward(self, server: bytes) -> Answer:
        """Return the service's answer to docker's `get`. Raise Refused, OSError."""
        # Nobody waits for it any longer, and the worker is wanted.
        until = monotonic() + AGENT_SECONDS
        found = with_key(settings({}, self._settings_path))
        question = Question(NAME, "POST", "docker-credential/get", server)
        question.kind = "text/plain"
        sent = request(found, question, "keep-alive")
        service = found["url"], found.get("ca_file", "")
        line = self.lines.take(service)
        if line is not None:
            soon = min(until, monotonic() + _REUSED_SECONDS)
            try:
                return self._exchange(service, line, sent, soon)
            except TimeoutError:
                raise  # the service may be at it still: whoever asked goes the ordinary way
            except (Refused, OSError):
                pass  # it may have ended just now; to ask again changes nothing
        return self._exchange(service, self._connected(found, until), sent, until)

    def _exchange(
        self, service: Service, line: _socket.socket, sent: bytes, until: float
    ) -> Answer:
        try:
            line.settimeout(left(until))
            line.sendall(sent)
            answer = hear(line, MAX_ANSWER, until)
        except BaseException:
            line.close()
            raise
        self.lines.keep(service, line)
        return answer

    def _connected(self, found: Settings, until: float) -> _socket.socket:
        return connected(found, until, CONNECT_SECONDS, self._trusting)

    def _trusting(self, ca_file: str) -> ssl.SSLContext:
        """Return what decides on certificates, read again when its file is another."""
        seen: object = None
        if ca_file:
            found = Path(ca_file).stat()
            seen = found.st_ino, found.st_size, found.st_mtime_ns
        known = self._trusts.get(ca_file)
        if known is None or known[0] != seen:
            known = seen, trust(ca_file)
            self._trusts = {ca_file: known}
        return known[1]


def written(answer: Answer) -> bytes:
    """Return an answer as the helper reads it: the length comes last, so that it sees a whole."""
    status, kind, body = answer
    head = b"HTTP/1.1 %d\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (status, kind, len(body)) + body
