#!/usr/bin/python3 -ISE
"""docker-credential-regcred: hands docker's questions to regcred, and regcred's answers to docker.

One file of standard library (Python 3.9 or later) that works wherever it is copied. It knows no
rules: the service answers with the finished text, so `get` parses no JSON. What runs on every pull
imports `os`, `socket` and `time` alone, because a start costs more than the request does.

Docker shows a helper's stdout to the user when it fails, so every text goes there, stderr stays
empty, and nothing that was read from stdin is ever said back.
"""

if __name__ == "__main__":  # pragma: no cover  tests run it under another interpreter
    import gc

    # So short a run leaves no cycles worth looking for; looking costs a twentieth of it.
    gc.disable()

import os
import socket
import sys
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` itself would take a millisecond of every pull
    from collections.abc import Mapping
    from typing import Any

    Environment = Mapping[str, str]

Settings = dict[str, str]
Answer = tuple[int, bytes, bytes]

VERSION = "0.1.0"
NAME = "docker-credential-regcred"
USAGE = f"Usage: {NAME} <get|store|erase|list|version>"

# Clients compare these three whole, on stdout.
NOT_FOUND = "credentials not found in native keychain"
NO_SERVER = "no credentials server URL"
NO_USERNAME = "no credentials username"

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 10.0
MAX_SERVER = 2048
MAX_STORE = MAX_ANSWER = 65536
MAX_LIST = 4194304
MAX_FILE = 65536
_ADDRESSES = 4
_MAX_HEAD = 16384
_MAX_KEY = 512
_MAX_PORT = 65535
_MAX_NODE = 253
_MAX_DIGITS = 8
_DIGITS, _QUAD, _MAX_OCTET = 3, 4, 255

_TYPE_BITS, _REGULAR, _OTHERS = 0o170000, 0o100000, 0o077
_OK, _NO_CONTENT, _UNAUTHORIZED, _FORBIDDEN, _SERVER_ERROR = 200, 204, 401, 403, 500
_SPACE, _DELETE = 0x20, 0x7F
_CONTROLS = bytes(byte for byte in range(_SPACE) if byte not in b"\t\n\r")

_HOST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
_KEYS = ("url", "key", "project", "ca_file", "insecure_http", "on_error")


class Refused(Exception):
    """Something stands in the way; its text says what, and what to do."""


class Down(Refused):
    """The service did not answer, or answered that it cannot."""


# Settings


def settings_path(env: "Environment") -> str:
    """Return where `regcred login` keeps this user's settings."""
    base = env.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = os.path.expanduser("~") + "/.config"  # pathlib takes 5 ms to import
    return base + "/regcred/client.conf"


def read_file(path: str, private: bool) -> str:
    """Return a small file's text, refusing one that others may read if it is `private`.

    Raise FileNotFoundError, Refused.
    """
    try:
        # Without O_NONBLOCK a named pipe would be waited for.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None
    try:
        mode = os.fstat(file).st_mode
        if mode & _TYPE_BITS != _REGULAR:
            raise Refused(f"{path} is not a file")
        text = os.read(file, MAX_FILE + 1)
    finally:
        os.close(file)
    if private and mode & _OTHERS:
        raise Refused(f"{path} holds a key and others may read it: chmod 600 {path}")
    if len(text) > MAX_FILE:
        raise Refused(f"{path} is too long")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Refused(f"{path} is not UTF-8 text") from None


def read_settings(path: str) -> Settings:
    """Return the `key = value` lines of a settings file, {} if there is none.

    `#` begins a comment line; unknown names are left out; the last of two equal names counts.
    """
    try:
        text = read_file(path, False)
    except FileNotFoundError:
        return {}
    found: Settings = {}
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        name = name.strip()
        if equals and name in _KEYS:
            found[name] = value.strip()
    if "key" in found:
        read_file(path, True)
    return found


def settings(env: "Environment") -> Settings:
    """Return what the environment says, and what it leaves open from the settings file.

    A file counts only for the service it was written for: REGCRED_URL that names another one
    leaves the file's key at home. Raise Refused.
    """
    path = settings_path(env)
    found = read_settings(path)
    found["from"] = path
    url = env.get("REGCRED_URL", "").rstrip("/")
    if url and url != found.get("url", "").rstrip("/"):
        found = {"url": url, "from": "REGCRED_URL"}
    for name in _KEYS[2:]:
        if value := env.get("REGCRED_" + name.upper()):
            found[name] = value
    if key := env.get("REGCRED_KEY", "").strip():
        found["key"] = key
    elif path := env.get("REGCRED_KEY_FILE", ""):
        try:
            found["key"] = read_file(path, True).strip()
        except FileNotFoundError:
            raise Refused(f"there is no {path}: REGCRED_KEY_FILE names it") from None
    return found


def target(found: Settings) -> tuple[bool, str, int, str]:
    """Return (secure, host, port, base path) of the service's URL. Raise Refused."""
    url = found.get("url", "")
    where = f"the URL in {found.get('from')}"
    if not url:
        raise Refused("no service is set: run `regcred login --url URL`, or set REGCRED_URL")
    scheme, mark, rest = url.partition("://")
    authority, _, path = rest.rstrip("/").partition("/")
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        clean = bracket and not host.strip("0123456789abcdefABCDEF:.") and port[:1] in ("", ":")
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
        clean = not host.strip(_HOST) and all(0 < len(part) < 64 for part in host.split("."))
    secure = scheme == "https"
    if not (mark and (secure or scheme == "http") and host and clean) or path.strip(_HOST + "/~%"):
        raise Refused(f"{where} is not like https://HOST[:PORT]")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _MAX_PORT):
        raise Refused(f"{where} has no valid port")
    if not (secure or is_loopback(host) or found.get("insecure_http") == "yes"):
        raise Refused(f"{where} is http: the key would travel in the clear. Use https")
    return secure, host, int(port or (443 if secure else 80)), "/" + path if path else ""


def is_loopback(host: str) -> bool:
    """Whether a host can only mean this machine.

    What is not exactly an address (`127.999.1.1`, `127.0.0.08`) is a name, which DNS may answer.
    """
    numbers = host.split(".")
    in_127 = numbers[0] == "127" and len(numbers) == _QUAD
    return host in ("localhost", "::1") or (in_127 and all(is_octet(n) for n in numbers))


def is_octet(number: str) -> bool:
    """Whether a text is a number up to 255 as an IPv4 address has it: a leading zero is octal."""
    return (
        number.isascii()
        and number.isdigit()
        and len(number) <= _DIGITS
        and int(number) <= _MAX_OCTET
        and (number[0] != "0" or number == "0")
    )


# One request


def ask(
    found: Settings,
    method: str,
    action: str,
    body: bytes,
    limit: int,
    connect: float = CONNECT_SECONDS,
    total: float = TOTAL_SECONDS,
) -> Answer:
    """Send one request; return (status, media type, body). Raise Refused, Down."""
    until = monotonic() + total
    secure, host, port, base = target(found)
    key, project = found.get("key", ""), found.get("project") or "-"
    if not key:
        raise Refused("no key is set: run `regcred login`, or set REGCRED_KEY_FILE")
    if not (key.isascii() and key.isprintable() and " " not in key and len(key) < _MAX_KEY):
        raise Refused("the key that is set is no regcred key: run `regcred login`")
    if not (project.isascii() and project.replace("-", "0").isalnum()):
        raise Refused("the project that is set is no project's number or id: see REGCRED_PROJECT")
    name = f"[{host}]" if ":" in host else host
    node = os.uname().nodename
    said = f"Regcred-Node: {node}\r\n" if sendable(node) else ""
    head = (
        f"{method} {base}/v1/projects/{project}/docker-credential/{action} HTTP/1.1\r\n"
        f"Host: {name}:{port}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n"
        f"User-Agent: {NAME}/{VERSION}\r\nAccept: application/json\r\n{said}"
    )
    if method == "POST":
        kind = "application/json" if action == "store" else "text/plain"
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    try:
        with (
            open_line(host, port, until, connect) as raw,
            secured(raw, host, found.get("ca_file", ""), until) if secure else raw as line,
        ):
            line.settimeout(left(until))
            line.sendall(head.encode() + b"\r\n" + body)
            return hear(line, limit, until)
    except OSError as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else reason(error)
        raise Down(
            f"regcred at {name}:{port} cannot be reached: {why}. "
            f"Check that it runs and the URL in {found.get('from')}"
        ) from None


def sendable(node: str) -> bool:
    """Whether the service takes a name as a node's: it refuses others, and a pull is worth more."""
    return 0 < len(node) <= _MAX_NODE and not node.strip(_HOST)


def left(until: float) -> float:
    """Return the seconds that are left. Raise TimeoutError."""
    seconds = until - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def open_line(host: str, port: int, until: float, connect: float) -> socket.socket:
    """Return a connection to the first address that takes one. Raise OSError."""
    failure = OSError("no address")
    for family, kind, protocol, _, address in addresses(host, port, until)[:_ADDRESSES]:
        line = socket.socket(family, kind, protocol)
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
    stream = socket.SOCK_STREAM
    try:
        return socket.getaddrinfo(host, port, 0, stream, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass
    # A resolver keeps its own, longer time and cannot be interrupted: it is left behind.
    import threading  # only a name needs it

    found: list[Any] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, 0, stream))
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


def secured(line: socket.socket, host: str, ca_file: str, until: float) -> socket.socket:
    """Return the connection with TLS on it, the server's certificate verified. Raise OSError."""
    import ssl  # only https needs it

    if ca_file:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(ca_file)
        except OSError:
            raise Refused(f"{ca_file} holds no readable CA certificate: see ca_file") from None
    else:
        context = ssl.create_default_context()
    line.settimeout(left(until))
    try:
        return context.wrap_socket(line, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        why = printable(error.verify_message)
        raise Refused(
            f"the certificate of regcred at {host} is not trusted: {why}. "
            "If it is right, name its CA's file in REGCRED_CA_FILE"
        ) from None


def hear(line: socket.socket, limit: int, until: float) -> Answer:
    """Read one answer whole; return (status, media type, body). Raise Refused, OSError."""
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


def parse(data: bytes, ended: bool) -> "Answer | None":
    """Return (status, media type, body) of a whole HTTP answer, None of a part. Raise Refused."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    status, *lines = head.split(b"\r\n")
    code = status[9:12]
    if (
        status[:9] not in (b"HTTP/1.1 ", b"HTTP/1.0 ")
        or not (len(code) == _DIGITS and code.isdigit() and code >= b"200")
        or status[12:13] not in (b"", b" ")
    ):
        raise Refused("what answers there does not speak HTTP as regcred does: check its URL")
    fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    kind = fields.get(b"content-type", b"").partition(b";")[0].lower()
    if code == b"204":
        return 204, kind, b""
    if b"transfer-encoding" in fields:
        whole = unchunk(body)
    elif b"content-length" in fields:
        length = fields[b"content-length"]
        if not length.isdigit() or len(length) > _MAX_DIGITS:
            raise Refused("the answer has no sensible length: is this regcred's URL?")
        whole = body[: int(length)] if len(body) >= int(length) else None
    else:
        whole = body if ended else None
    return None if whole is None else (int(code), kind, whole)


def unchunk(data: bytes) -> "bytes | None":
    """Return the body of a chunked answer, None while it is not whole. Raise Refused."""
    body = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        if not end:
            return None
        size = line.partition(b";")[0].strip()
        if not size or size.strip(b"0123456789abcdefABCDEF") or len(size) > _MAX_DIGITS:
            raise Refused("the answer's chunks are broken: is this regcred's URL?")
        length = int(size, 16)
        if length == 0:
            return body
        if len(data) < length + 2:
            return None
        body += data[:length]
        data = data[length + 2 :]


def reason(error: OSError) -> str:
    """Return why a connection failed, in a few words."""
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    if tls := getattr(error, "reason", None):
        return f"no TLS there ({printable(tls)})"
    return printable(error.strerror or error)


def printable(text: object) -> str:
    """Return a text from outside, short and without anything that a terminal obeys."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:300])


# The verbs: each returns what to print


def get(found: Settings, stdin: int) -> bytes:
    """Print the login for a server."""
    return answered("get", ask(found, "POST", "get", one_line(stdin), MAX_ANSWER))


def list_servers(found: Settings, stdin: int) -> bytes:
    """Print which servers there are logins for, and the users."""
    while os.read(stdin, 65536):
        pass
    return answered("list", ask(found, "GET", "list", b"", MAX_LIST))


def store(found: Settings, stdin: int) -> bytes:
    """Keep what `docker login` was given."""
    import json  # no successful get needs it

    try:
        given = json.loads(read_all(stdin, MAX_STORE))
        parts = [given[name] for name in ("ServerURL", "Username", "Secret")]
    except (ValueError, TypeError, KeyError, RecursionError):
        parts = [None]
    if not all(isinstance(part, str) for part in parts):
        raise Refused("what was given to store is not the JSON of a docker login")
    server, user, secret = parts
    checked_server(server.encode(errors="surrogatepass"))
    if not user:
        raise Refused(NO_USERNAME)
    body = json.dumps({"ServerURL": server, "Username": user, "Secret": secret}).encode()
    return answered("store", ask(found, "POST", "store", body, MAX_ANSWER))


def erase(found: Settings, stdin: int) -> bytes:
    """Delete what `docker login` stored."""
    return answered("erase", ask(found, "POST", "erase", one_line(stdin), MAX_ANSWER))


def one_line(stdin: int) -> bytes:
    """Return the server that docker asks about: one line. Raise Refused."""
    text = read_all(stdin, MAX_SERVER + 2)
    if text[-1:] == b"\n":
        text = text[: -2 if text[-2:] == b"\r\n" else -1]
    return checked_server(text)


def checked_server(text: bytes) -> bytes:
    """Return a server key as it may be sent on. Raise Refused.

    Two lines are never joined: upstream's helpers read `good.example` and `.evil.example` below
    it as one host.
    """
    text = text.strip(b" ")
    if not text:
        raise Refused(NO_SERVER)
    if len(text) > MAX_SERVER or not all(_SPACE < byte < _DELETE for byte in text):
        raise Refused(f"the server URL must be one line of at most {MAX_SERVER} plain characters")
    return text


def read_all(stdin: int, limit: int) -> bytes:
    """Return all of stdin, which must not be longer than `limit`. Raise Refused."""
    text = b""
    while part := os.read(stdin, limit + 1 - len(text)):
        text += part
        if len(text) > limit:
            raise Refused(f"more than {limit} bytes on standard input")
    return text


def answered(action: str, answer: Answer) -> bytes:
    """Return what to print for an answer. Raise Refused with the problem's text, Down."""
    status, kind, body = answer
    prints = action in ("get", "list")
    if status == _NO_CONTENT:
        if action == "get":
            raise Refused(NOT_FOUND)
        return b""
    if status == _OK and not prints:
        return b""
    if status == _OK:
        text = body.strip()
        whole = text[:1] == b"{" and text[-1:] == b"}" and (action == "list" or b'"Secret"' in text)
        # JSON has no raw controls, and what another server sends may end in a terminal.
        clean = len(text.translate(None, _CONTROLS)) == len(text)
        if kind == b"application/json" and whole and clean:
            return text
        raise Refused("the answer is not regcred's: check the service's URL")
    raise problem(action, answer)


def problem(action: str, answer: Answer) -> Refused:
    """Return the refusal that an answer above 299 stands for."""
    import json  # no successful get needs it

    status, kind, body = answer
    told: Any = {}
    if kind == b"application/problem+json":
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = {}
    if not isinstance(told, dict) or not told:
        if status >= _SERVER_ERROR:
            return Down(f"regcred is not there: what answers at its URL says {status}. Try again")
        return Refused(f"what answers there is not regcred ({status}): check the service's URL")
    slug = str(told.get("type", "")).rpartition(":")[2]
    detail = printable(told.get("detail") or told.get("title") or status).rstrip(".")
    if slug == "credential-not-found":
        return Refused(NOT_FOUND)
    if status == _UNAUTHORIZED:
        return Refused(
            f"regcred refused this key: {detail}. Get a valid one and run `regcred login`"
        )
    if status == _FORBIDDEN:
        return Refused(f"regcred does not let this key {action}: {detail}")
    if slug == "project-not-found":
        return Refused("this key reaches no such project: check REGCRED_PROJECT or log in again")
    if status >= _SERVER_ERROR:
        return Down(f"regcred cannot answer now: {detail}. Try again")
    return Refused(f"regcred refused to {action}: {detail}")


VERBS = {"get": get, "store": store, "erase": erase, "list": list_servers}


def main(arguments: list[str], env: "Environment", stdin: int) -> tuple[int, bytes]:
    """Run one verb with the file descriptor `stdin`; return (exit code, bytes for stdout)."""
    verb = arguments[0] if len(arguments) == 1 else ""
    if verb in ("version", "--version", "-v"):
        return 0, f"{NAME} (regcred) {VERSION}".encode()
    if verb in ("--help", "-h"):
        return 0, USAGE.encode()
    if verb not in VERBS:
        return 1, USAGE.encode()
    try:
        return 0, run(verb, env, stdin)
    except Refused as error:
        text = str(error)
    except Exception as error:  # noqa: BLE001  a traceback on stderr would help nobody
        text = f"{NAME} failed ({type(error).__name__}): please report this"
    return 1, text.encode(errors="replace")


def run(verb: str, env: "Environment", stdin: int) -> bytes:
    """Return what a verb prints. Raise Refused."""
    found = settings(env)
    on_error = found.get("on_error", "fail")
    if on_error not in ("fail", "anonymous"):
        raise Refused("on_error must be fail or anonymous")
    try:
        return VERBS[verb](found, stdin)
    except Down:
        if verb == "get" and on_error == "anonymous":
            raise Refused(NOT_FOUND) from None
        raise


if __name__ == "__main__":  # pragma: no cover  tests run it under another interpreter
    try:
        code, text = main(sys.argv[1:], os.environ, 0)
        text += b"\n" if text else b""
        while text:
            text = text[os.write(1, text) :]
    except (OSError, KeyboardInterrupt):
        code = 1
    # Nothing is left to do, and taking the interpreter down would cost every pull time.
    os._exit(code)
