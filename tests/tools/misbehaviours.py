"""Every way to misbehave that `misbehaving_registry.py` knows, by name."""

from __future__ import annotations

import asyncio
import gzip
import json

from tests.tools.misbehaving import Answer, Asked, Behaviour, Certificate, Town, answer

_PAUSE = 0.05
_CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
_BOMB = gzip.compress(b"\0" * 50_000_000)
_BASIC = ("WWW-Authenticate", 'Basic realm="misbehaving"')
_INSIDE = "http://169.254.169.254/latest/meta-data/"


def bearer(realm: str, more: str = "") -> tuple[str, str]:
    return ("WWW-Authenticate", f'Bearer realm="{realm}",service="misbehaving"{more}')


def says(status: int, *headers: tuple[str, str], body: bytes = b"") -> Answer:
    """Answer every request alike."""

    async def write(asked: Asked, _town: Town, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(status, *headers, body=body, method=asked.method))

    return write


def streams(head: bytes, rest: bytes = b"", pause: float = 0.0) -> Answer:
    """Write `head`, then `rest` for ever (if there is any), then close."""

    async def write(_asked: Asked, _town: Town, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while rest:
            writer.write(rest)
            await writer.drain()
            await asyncio.sleep(pause)
        await writer.drain()
        writer.close()

    return write


async def silence(_asked: Asked, _town: Town, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def realm_elsewhere(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    realm = f"{town.stranger.url}/token"
    writer.write(answer(401, bearer(realm), body=b"{}", method=asked.method))


async def in_turn(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(401, bearer(next(town.turns)), body=b"{}", method=asked.method))


def look_alikes(town: Town) -> tuple[str, ...]:
    own, port, away = town.registry.authority, town.registry.port, town.stranger.authority
    return (
        f"http://localhost:{port}/token",
        f"http://127.1:{port}/token",
        f"http://2130706433:{port}/token",
        f"http://0x7f000001:{port}/token",
        f"http://127.0.0.1.:{port}/token",
        f"http://127.0.0.1.example.com:{port}/token",
        f"http://[::ffff:127.0.0.1]:{port}/token",
        f"http://{own}@{away}/token",
        f"http://{away}\\@{own}/token",
        f"http://{away}#@{own}/token",
        f"//{away}/token",
        "/token",
        "token",
        f"http:{away}/token",
        f"ftp://{own}/token",
        f"http://{own}\t/token",
        "",
    )


async def realm_downgraded(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    realm = f"http://{town.registry.authority}/token"
    writer.write(answer(401, bearer(realm), body=b"{}", method=asked.method))


async def two_challenges(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    own, away = f"{town.registry.url}/token", f"{town.stranger.url}/token"
    both = (bearer(own), bearer(away))
    writer.write(answer(401, *both, body=b"{}", method=asked.method))


async def two_realms(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    twice = bearer(f"{town.registry.url}/token", f',realm="{town.stranger.url}/token"')
    writer.write(answer(401, twice, body=b"{}", method=asked.method))


async def basic_beside(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    both = (_BASIC, bearer(f"{town.stranger.url}/token"))
    writer.write(answer(401, *both, body=b"{}", method=asked.method))


def redirects(status: int) -> Answer:
    return says(status, ("Location", _INSIDE))


async def redirected_login(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    away = ("Location", f"{town.stranger.url}/v2/")
    said = (307, away) if asked.with_login else (401, _BASIC)
    writer.write(answer(*said, method=asked.method))


def token_server(said: bytes, status: int = 200) -> Answer:
    """Answer as a registry whose own token server says this."""

    async def write(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
        if asked.target.startswith("/token"):
            writer.write(answer(status, body=said, method=asked.method))
        else:
            realm = bearer(f"{town.registry.url}/token")
            writer.write(answer(401, realm, body=b"{}", method=asked.method))

    return write


async def redirected_token(asked: Asked, town: Town, writer: asyncio.StreamWriter) -> None:
    away = ("Location", f"{town.stranger.url}{asked.target}")
    realm = bearer(f"{town.registry.url}/token")
    said = (302, away) if asked.target.startswith("/token") else (401, realm)
    writer.write(answer(*said, method=asked.method))


def _token(text: str) -> bytes:
    return json.dumps({"token": text}).encode()


_OK = b"HTTP/1.1 200 OK\r\n"
_NOT, _UNT, _UNS, _UNR = "not_a_registry", "untrusted_realm", "unsupported", "unreachable"
_WEB_SITE = b"<!doctype html><title>Welcome</title>"

BEHAVIOURS = (
    Behaviour(
        "realm-elsewhere", "sends logins to a stranger's token server.", _UNT, realm_elsewhere
    ),
    Behaviour(
        "realm-look-alike",
        "names its own token server in spellings that lead elsewhere, another one each time.",
        _UNT,
        in_turn,
        variants=look_alikes,
    ),
    Behaviour(
        "realm-http",
        "speaks TLS itself, and sends logins to a token server without.",
        _UNT,
        realm_downgraded,
        certificate=Certificate(),
    ),
    Behaviour("two-challenges", "names two token servers.", _UNT, two_challenges),
    Behaviour("two-realms", "names the realm of one challenge twice.", _UNT, two_realms),
    Behaviour(
        "basic-beside-realm",
        "asks for Basic and for a stranger's token at once.",
        _UNT,
        basic_beside,
    ),
    *(
        Behaviour(
            f"redirect-{status}",
            f"answers {status} towards a cloud's metadata service.",
            _NOT,
            redirects(status),
        )
        for status in (301, 302, 303, 307, 308)
    ),
    Behaviour(
        "redirect-login",
        "redirects to a stranger once it is sent a login.",
        _UNS,
        redirected_login,
        may_see_login=True,
    ),
    Behaviour(
        "redirect-token",
        "has a token server that redirects to a stranger.",
        _UNS,
        redirected_token,
        may_see_login=True,
    ),
    Behaviour(
        "slow-headers",
        "drips headers for ever.",
        _UNR,
        streams(_OK, b"X: y\r\n", _PAUSE),
        "timeout",
    ),
    Behaviour(
        "slow-body",
        "drips a body for ever.",
        _UNR,
        streams(_OK + b"Content-Length: 60000\r\n\r\n", b" ", _PAUSE),
        "timeout",
    ),
    Behaviour("silence", "takes requests and never answers.", _UNR, silence, "timeout"),
    Behaviour(
        "gzip-bomb",
        "compresses 50 MB of nothing, unasked.",
        _NOT,
        says(200, ("Content-Encoding", "gzip"), body=_BOMB),
    ),
    Behaviour(
        "endless-chunks",
        "sends chunks for ever.",
        _NOT,
        streams(_OK + b"Transfer-Encoding: chunked\r\n\r\n", _CHUNK),
    ),
    Behaviour(
        "endless-body", "sends a body without an end.", _NOT, streams(_OK + b"\r\n", b" " * 65536)
    ),
    Behaviour(
        "header-flood",
        "sends headers for ever.",
        _NOT,
        streams(_OK, b"X-Flood: " + b"y" * 200 + b"\r\n"),
    ),
    Behaviour(
        "huge-header", "sends one header without an end.", _NOT, streams(_OK + b"X: ", b"y" * 4000)
    ),
    Behaviour(
        "web-site", "is a web site.", _NOT, says(200, ("Content-Type", "text/html"), body=_WEB_SITE)
    ),
    Behaviour(
        "json-array", "answers with JSON that means nothing here.", _NOT, says(200, body=b"[1, 2]")
    ),
    Behaviour(
        "token-html",
        "has a token server that is a web site.",
        _UNS,
        token_server(_WEB_SITE),
        may_see_login=True,
    ),
    Behaviour(
        "token-none",
        "has a token server that gives no token.",
        _UNS,
        token_server(b'{"expires_in": 300}'),
        may_see_login=True,
    ),
    Behaviour(
        "token-huge",
        "gives a token of 20 KiB.",
        _UNS,
        token_server(_token("t" * 20_000)),
        may_see_login=True,
    ),
    Behaviour(
        "token-endless",
        "gives a token larger than any answer may be.",
        _UNS,
        token_server(_token("t" * 100_000)),
        may_see_login=True,
    ),
    Behaviour(
        "token-line-break",
        "gives a token that would end its header and begin another.",
        _UNS,
        token_server(_token("t\r\nX-Injected: yes")),
        may_see_login=True,
    ),
    Behaviour(
        "challenge-loop",
        "asks for the login again, whatever it is sent.",
        "rejected",
        says(401, _BASIC, body=b"{}"),
        may_see_login=True,
    ),
    Behaviour("no-challenge", "refuses without a word about why.", _UNS, says(401)),
    Behaviour(
        "two-lengths",
        "says two lengths of one answer.",
        _NOT,
        streams(_OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    ),
    Behaviour(
        "cut-short",
        "closes in the middle of an answer.",
        _NOT,
        streams(_OK + b"Content-Length: 100\r\n\r\n{"),
    ),
    Behaviour("hang-up", "closes without an answer.", _NOT, streams(b"")),
    Behaviour(
        "not-http", "speaks another protocol.", _NOT, says(200), greets=b"SSH-2.0-OpenSSH_9.6\r\n"
    ),
    Behaviour(
        "tls-wrong-name",
        "has a certificate for another name.",
        _UNR,
        says(200),
        "tls",
        Certificate(names=("registry.example.com",)),
    ),
    Behaviour(
        "tls-expired",
        "has a certificate past its date.",
        _UNR,
        says(200),
        "tls",
        Certificate(expired=True),
    ),
)

BY_NAME = {behaviour.name: behaviour for behaviour in BEHAVIOURS}
