"""One request to the service, within its time.

By bare sockets, because an HTTP library takes longer to import than the answer takes to come, and
`socket` half as long as a whole request. Host names go down as bytes: for text, Python loads all
of Unicode's tables first.
"""

import _socket
import os
from time import monotonic
from typing import TYPE_CHECKING

from regcred.clients.node.answers import Answer, parse
from regcred.clients.node.deadline import left
from regcred.clients.node.settings import NAME_CHARACTERS, Settings, target
from regcred.clients.node.words import TOTAL_SECONDS, VERSION, Down, Refused, printable

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

CONNECT_SECONDS = 2.0
MAX_ANSWER = 65536

_ADDRESSES = 4
_MAX_HEAD = 16384
_MAX_KEY = 512
_MAX_NODE = 253


class Question:
    """What is asked of a project: the program that asks, the method, the path, and a body."""

    def __init__(self, program: str, method: str, path: str, body: bytes = b"") -> None:
        self.program = program
        self.method = method
        self.path = path
        self.body = body
        self.kind = "application/json"
        self.limit = MAX_ANSWER
        """Bytes of the longest answer that is read."""


def ask(
    found: Settings,
    question: Question,
    until: "float | None" = None,
    connect: float = CONNECT_SECONDS,
) -> Answer:
    """Send one request; return the answer. Raise Refused, Down.

    `until` is when all of it must be over, by the monotonic clock.
    """
    if until is None:
        until = monotonic() + TOTAL_SECONDS
    sent = request(found, question, "close")
    try:
        line = connected(found, until, connect, trust)
        try:
            line.settimeout(left(until))
            line.sendall(sent)
            return hear(line, question.limit, until)
        finally:
            line.close()
    except OSError as error:
        raise unreached(found, error) from None


def request(found: Settings, question: Question, connection: str) -> bytes:
    """Return the request's bytes. Raise Refused if a setting would spoil them."""
    _, host, port, base = target(found)
    key, project = found.get("key", ""), found.get("project") or "-"
    if not is_key(key):
        raise Refused("the key that is set is no regcred key: run `regcred login`")
    if not (project.isascii() and project.replace("-", "0").isalnum()):
        raise Refused("the project that is set is no project's number or id: see REGCRED_PROJECT")
    name = f"[{host}]" if ":" in host else host
    head = (
        f"{question.method} {base}/v1/projects/{project}/{question.path} HTTP/1.1\r\n"
        f"Host: {name}:{port}\r\nConnection: {connection}\r\n"
        f"User-Agent: {question.program}/{VERSION}\r\nAccept: application/json\r\n"
    )
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if sendable(node := os.uname().nodename):
        head += f"Regcred-Node: {node}\r\n"
    if question.method == "POST":
        head += f"Content-Type: {question.kind}\r\nContent-Length: {len(question.body)}\r\n"
    return head.encode() + b"\r\n" + question.body


def is_key(text: str) -> bool:
    """Whether a text can go into a header as a key, or is empty."""
    return text.isascii() and text.isprintable() and " " not in text and len(text) < _MAX_KEY


def sendable(node: str) -> bool:
    """Whether the service takes a name as a node's: it refuses others, and a pull is worth more."""
    return 0 < len(node) <= _MAX_NODE and not node.strip(NAME_CHARACTERS)


def unreached(found: Settings, error: OSError) -> Down:
    """Return what to say of a service that could not be reached."""
    _, host, port, _ = target(found)
    name = f"[{host}]" if ":" in host else host
    why = "no answer in time" if isinstance(error, TimeoutError) else reason(error)
    return Down(
        f"regcred at {name}:{port} cannot be reached: {why}. "
        f"Check that it runs and the URL in {found.get('from')}"
    )


def reason(error: OSError) -> str:
    """Return why a connection failed, in a few words."""
    if isinstance(error, _socket.gaierror):
        return "its name does not resolve"
    if tls := getattr(error, "reason", None):
        return f"no TLS there ({printable(tls)})"
    return printable(error.strerror or error)


def connected(
    found: Settings, until: float, connect: float, trusting: "Callable[[str], ssl.SSLContext]"
) -> _socket.socket:
    """Return a connection to the service, ready for a request. Raise Refused, OSError."""
    secure, host, port, _ = target(found)
    line = open_line(host, port, until, connect)
    if not secure:
        return line
    try:
        return secured(line, host, trusting(found.get("ca_file", "")), until)
    finally:
        # What was secured has taken the connection out of this one.
        line.close()


def open_line(host: str, port: int, until: float, connect: float) -> _socket.socket:
    """Return a connection to the first address that takes one. Raise OSError."""
    failure = OSError("no address")
    for family, kind, protocol, _, address in addresses(host, port, until)[:_ADDRESSES]:
        line = _socket.socket(family, kind, protocol)
        try:
            line.settimeout(min(connect, left(until)))
            line.connect(address)
        except OSError as error:
            line.close()
            failure = error
        else:
            return line
    raise failure


def addresses(host: str, port: int, until: float) -> "list[Any]":
    """Resolve a host within the time that is left. Raise OSError."""
    asked = host.encode(), port, 0, _socket.SOCK_STREAM, 0
    try:
        return _socket.getaddrinfo(*asked, _socket.AI_NUMERICHOST)
    except _socket.gaierror:
        pass
    # A resolver keeps its own, longer time and cannot be interrupted: it is left behind.
    import threading  # only a name needs it

    found: list[Any] = []

    def resolve() -> None:
        try:
            found.append(_socket.getaddrinfo(*asked))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(left(until))
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    resolved: list[Any] = found[0]
    return resolved


def trust(ca_file: str) -> "ssl.SSLContext":
    """Return what decides on certificates: one CA's file, or the system's. Raise Refused."""
    import ssl  # only https needs it

    if not ca_file:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca_file)
    except OSError:
        raise Refused(f"{ca_file} holds no readable CA certificate: see ca_file") from None
    return context


def secured(
    line: _socket.socket, host: str, context: "ssl.SSLContext", until: float
) -> _socket.socket:
    """Return the connection with TLS on it, the server's certificate verified. Raise OSError."""
    import socket
    import ssl  # only https needs it

    plain = socket.socket(fileno=line.detach())
    try:
        plain.settimeout(left(until))
        return context.wrap_socket(plain, server_hostname=host.encode())
    except ssl.SSLCertVerificationError as error:
        why = printable(error.verify_message)
        raise Refused(
            f"the certificate of regcred at {host} is not trusted: {why}. "
            "If it is right, name its CA's file in REGCRED_CA_FILE"
        ) from None
    finally:
        plain.close()


def hear(line: _socket.socket, limit: int, until: float) -> Answer:
    """Read one answer whole. Raise Refused, Down, OSError."""
    data = b""
    while True:
        line.settimeout(left(until))
        part = line.recv(65536)
        data += part
        if len(data) > limit + _MAX_HEAD:
            raise Refused("the answer is too long: is this regcred's URL?")
        answer = parse(data, not part)
        if answer is not None:
            if len(answer[2]) > limit:
                raise Refused("the answer is too long: is this regcred's URL?")
            return answer
        if not part:
            raise Down("regcred's answer broke off: try again")
