"""Where the service is and which key opens it: the environment, then `regcred login`'s file."""

import os
from typing import TYPE_CHECKING

from regcred.clients.node.words import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    Environment = Mapping[str, str]

Settings = dict[str, str]

MAX_FILE = 65536
_MAX_PORT = 65535
_MAX_LABEL = 63
_DIGITS, _QUAD, _MAX_OCTET = 3, 4, 255
_TYPE_BITS, _REGULAR, _OTHERS = 0o170000, 0o100000, 0o077

NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
_KEYS = ("url", "key", "project", "ca_file", "insecure_http", "on_error")


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


def settings(env: "Environment", path: str = "") -> Settings:
    """Return what the environment says, and what it leaves open from the settings file.

    `path` names another file than the user's. Raise Refused.
    """
    path = path or settings_path(env)
    found = read_settings(path)
    found["from"] = path
    return with_environment(found, env)


def with_environment(found: Settings, env: "Environment") -> Settings:
    """Return a file's settings with the environment's put over them. Raise Refused.

    A file counts only for the service it was written for: REGCRED_URL that names another one
    leaves the file's key at home.
    """
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
        labels = host.split(".")
        clean = not host.strip(NAME_CHARACTERS) and all(0 < len(n) <= _MAX_LABEL for n in labels)
    secure = scheme == "https"
    known = mark and (secure or scheme == "http") and not path.strip(NAME_CHARACTERS + "/~%")
    if not (known and host and clean):
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
