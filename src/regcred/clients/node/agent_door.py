"""The docker helper's way through the agent of `regcred agent`, if this user runs one.

An agent keeps the settings in memory and a connection open, so that a `get` costs hardly more than
its interpreter's start. Therefore nothing is imported here but what is built in, and all else of
the helper is not even compiled if the agent answers. Whatever is not exactly right here (another
owner, another service meant, an answer that is no login) is left to the helper's ordinary way.
"""

import _socket
import posix
import sys
from posix import _exit
from time import monotonic
from typing import TYPE_CHECKING

from regcred.clients.node.deadline import left, read_all
from regcred.clients.node.words import TOTAL_SECONDS, end, is_clean_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    BytesEnvironment = Mapping[bytes, bytes]

NOT_FOUND = "credentials not found in native keychain"
"""What clients compare, whole and on stdout."""

AGENT_SECONDS = 2.0
"""How long an agent may take: the ordinary way needs the rest, should it be stuck."""

MAX_QUESTION = 2050
_MAX_HEARD = 131072
_TYPE, _FOLDER, _SOCKET, _OTHERS_WRITE = 0o170000, 0o040000, 0o140000, 0o022
_UID = slice(4, 8)


def begin() -> "tuple[bytes, bytes, float]":
    """Answer docker's `get` and end the process; else return what the ordinary way goes on with.

    That is what was read from stdin, what the agent said that decides nothing here, and until
    when all must be over.
    """
    until = monotonic() + TOTAL_SECONDS
    question = heard = b""
    try:
        if sys.argv[1:] == ["get"]:
            question, heard = through_agent(posix.environ, 0, posix.geteuid(), until)
    except KeyboardInterrupt:
        _exit(1)
    said = reply(heard)
    if said is not None:
        end(*said)
    return question, heard, until


def through_agent(
    env: "BytesEnvironment", stdin: int, user: int, until: float
) -> "tuple[bytes, bytes]":
    """Return what was read from stdin and what the agent said to it; both empty without an agent.

    The agent knows the settings file alone: any other setting in the environment passes it by.
    """
    path = agent_socket(env)
    own = any(name[:8] == b"REGCRED_" and name != b"REGCRED_ON_ERROR" for name in env)
    if own or not path:
        return b"", b""
    question = heard = b""
    line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        if not is_safe(path, user):
            return b"", b""
        line.settimeout(AGENT_SECONDS)
        line.connect(path)
        if peer(line) not in (user, 0):
            return b"", b""
        # Only now, because what was read is to be sent on to nobody else.
        question = read_all(stdin, MAX_QUESTION, until)
        until = min(until, monotonic() + AGENT_SECONDS)
        line.settimeout(left(until))
        line.sendall(b"get " + settings_file(env) + b"\n" + question)
        line.shutdown(_socket.SHUT_WR)
        while (part := line.recv(65536)) and len(heard) < _MAX_HEARD:
            heard += part
            line.settimeout(left(until))
    except OSError:
        heard = b""
    finally:
        line.close()
    return question, heard


def agent_socket(env: "BytesEnvironment") -> bytes:
    """Return where this user's agent listens, empty without a folder that is the user's own."""
    folder = env.get(b"XDG_RUNTIME_DIR", b"")
    return folder + b"/regcred/agent.sock" if folder[:1] == b"/" else b""


def settings_file(env: "BytesEnvironment") -> bytes:
    """Return which settings are meant, so that an agent of others does not answer."""
    base = env.get(b"XDG_CONFIG_HOME", b"")
    if base[:1] != b"/":
        base = env.get(b"HOME", b"").rstrip(b"/") + b"/.config"
    return base + b"/regcred/client.conf"


def is_safe(path: bytes, user: int) -> bool:
    """Whether a socket is the user's own, or root's, where nobody else can put another.

    Raise OSError.
    """
    folder, socket = posix.lstat(path.rpartition(b"/")[0]), posix.lstat(path)
    return (
        folder.st_mode & _TYPE == _FOLDER
        and not folder.st_mode & _OTHERS_WRITE
        and folder.st_uid in (user, 0)
        and socket.st_mode & _TYPE == _SOCKET
        and socket.st_uid in (user, 0)
    )


def peer(line: _socket.socket) -> int:
    """Return the user at the other end, -1 where the system does not say. Raise OSError."""
    option = getattr(_socket, "SO_PEERCRED", None)
    if option is None:
        return -1
    credentials = line.getsockopt(_socket.SOL_SOCKET, option, 12)
    return int.from_bytes(credentials[_UID], sys.byteorder)


def reply(heard: bytes) -> "tuple[int, bytes] | None":
    """Return the exit code and the text for an agent's answer, None if it decides nothing."""
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if lines[-1] != b"Content-Length: %d" % len(body):
        return None
    if lines[0] == b"HTTP/1.1 204":
        return 1, NOT_FOUND.encode()
    text = body.strip()
    if lines[:2] == [b"HTTP/1.1 200", b"Content-Type: application/json"] and is_login(text):
        return 0, text
    return None


def is_login(text: bytes) -> bool:
    """Whether a text can be docker's JSON of a login, with nothing that a terminal obeys."""
    return is_clean_object(text) and b'"Secret"' in text
