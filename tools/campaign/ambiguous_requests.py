"""Requests that two readers of the same bytes could take for different ones, made by rule.

Each says what must happen: refused, or understood as exactly these requests (method, path, length
of the body). What follows an ambiguous request is another one, which must never be answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ENDS = b"GET /last 0"
"""What understanding LAST looks like; every conversation ends with it, if it gets that far."""

_GET = b"GET /a HTTP/1.1\r\nHost: x\r\n"
_POST = b"POST /a HTTP/1.1\r\nHost: x\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_NO_CHUNKS = b"0\r\n\r\n"


class Case(NamedTuple):
    """One conversation, without the request that ends it."""

    name: str
    sent: bytes
    understood: tuple[bytes, ...] | None = None
    """None: refused, by at most one answer, and the connection is closed."""

    ends: bool = False
    """Whether the connection is closed after what is understood."""


def corpus() -> list[Case]:
    """Return all of it, each name once."""
    rules = (
        _two_framings, _lengths, _encodings, _chunks, _trailers, _hosts, _targets, _request_lines,
        _line_ends, _headers, _paths, _sizes, _other_protocols, _garbage_behind, _plain,
    )  # fmt: skip
    return [case for rule in rules for case in rule()]


def _two_framings() -> Iterator[Case]:
    for encoding in (b"chunked", b"Chunked", b"identity", b"gzip, chunked"):
        for length in (0, 5, 4):
            te, cl = b"Transfer-Encoding: %b\r\n" % encoding, b"Content-Length: %d\r\n" % length
            for order, fields in (("TE first", te + cl), ("CL first", cl + te)):
                name = f"{order}, {encoding.decode()}, length {length}"
                yield Case(name, _POST + fields + b"\r\n" + _NO_CHUNKS + HIDDEN)
    for one, other in ((0, 35), (35, 0), (1, 1)):
        fields = b"Content-Length: %d\r\ncontent-length: %d\r\n\r\na" % (one, other)
        yield Case(f"lengths {one} and {other}", _POST + fields + HIDDEN)
    pairs = ((b"chunked", b"identity"), (b"identity", b"chunked"), (b"chunked", b"chunked"))
    for first, second in pairs:
        fields = b"Transfer-Encoding: %b\r\ntransfer-encoding: %b\r\n\r\n" % (first, second)
        yield Case(f"TE {first!r} and {second!r}", _POST + fields + _NO_CHUNKS + HIDDEN)
    for more in (b"", b"Connection: keep-alive\r\n"):
        head = b"POST /a HTTP/1.0\r\nHost: x\r\n" + more + b"Transfer-Encoding: chunked\r\n\r\n"
        yield Case(f"TE on 1.0, {more!r}", head + _NO_CHUNKS + HIDDEN)


def _lengths() -> Iterator[Case]:
    for value in (
        b"", b"0, 35", b"1,1", b"+1", b"-1", b"0x1", b"1_0", b"1 1", b"1;", b"1.0", b"1e1", b"a",
        b"\x0b1", b"1\x00", b"\xd9\xa1", b"18446744073709551616", b"9" * 40,
    ):  # fmt: skip
        yield Case(
            f"length {value!r}", _POST + b"Content-Length: %b\r\n\r\na" % value + b"a" * 9 + HIDDEN
        )
    for name in (
        b"Content-Length ",
        b"Content-Length\t",
        b" Content-Length",
        b"Content-Length\x00",
    ):
        yield Case(f"length named {name!r}", _POST + b"%b: 0\r\n\r\n" % name + HIDDEN)
    for value in (b"1 ", b"\t1", b"0001"):
        said = (b"POST /a 1", b"GET /hidden 0")
        sent = _POST + b"Content-Length: %b\r\n\r\na" % value + HIDDEN
        yield Case(f"length {value!r}", sent, said)
    said = (b"POST /a 0", b"GET /hidden 0")
    yield Case("length of another name", _POST + b"Content_Length: 9\r\n\r\n" + HIDDEN, said)


def _encodings() -> Iterator[Case]:
    for value in (
        b"", b"xchunked", b"chunkedx", b"identity", b"gzip", b"deflate", b"chunked, identity",
        b"identity, chunked", b"chunked, chunked", b"chunked;x=1", b'"chunked"', b"chunked,",
        b",chunked", b"chunked chunked", b"\x0bchunked", b"chunked\x0b", b"chunked\x00",
        b"chunked\x85", b"\r\n chunked", b"\r\n\tchunked", b"\n chunked", b"chunked\r\n ",
    ):  # fmt: skip
        sent = _POST + b"Transfer-Encoding: %b\r\n\r\n" % value + _NO_CHUNKS + HIDDEN
        yield Case(f"TE {value!r}", sent)
    for name in (b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding"):
        yield Case(
            f"TE named {name!r}", _POST + b"%b: chunked\r\n\r\n" % name + _NO_CHUNKS + HIDDEN
        )


def _chunks() -> Iterator[Case]:
    for size in (
        b"0x1", b"-1", b"+1", b" 1", b"1 ", b"1\t", b"", b"1_0", b"g", b"1;x\n", b'1;x="y\r\nz"',
        b"\x001", b"f" * 17, b"1" + b"0" * 16,
    ):  # fmt: skip
        yield Case(f"chunk size {size!r}", _CHUNKED + size + b"\r\na\r\n" + _NO_CHUNKS + HIDDEN)
    for chunks in (
        b"1\na\n0\n\n", b"1\r\na\n0\r\n\r\n", b"1\ra\r\n0\r\n\r\n", b"1\r\na\r0\r\n\r\n",
        b"1\r\nabc\r\n0\r\n\r\n", b"1\r\na0\r\n\r\n", b"2\r\na\r\n0\r\n\r\n", b"1\r\na\r\n0\n\n",
        b"\r\n1\r\na\r\n0\r\n\r\n",
    ):  # fmt: skip
        yield Case(f"chunks {chunks!r}", _CHUNKED + chunks + HIDDEN)
    for size in (b"1", b"01", b"0" * 30 + b"1", b"1;x", b"1;x=y", b'1;x="y"'):
        said = (b"POST /a 1", b"GET /hidden 0")
        sent = _CHUNKED + size + b"\r\na\r\n" + _NO_CHUNKS + HIDDEN
        yield Case(f"chunk size {size!r}", sent, said)


def _trailers() -> Iterator[Case]:
    for field in (b"Content-Length: 5", b"Transfer-Encoding: gzip", b"X : y", b" X: y", b"X"):
        yield Case(f"trailer {field!r}", _CHUNKED + b"0\r\n%b\r\n\r\n" % field + HIDDEN)
    for field in (b"X: y", b"Host: y", b"Authorization: Bearer y"):
        said = (b"POST /a 0", b"GET /hidden 0")
        yield Case(f"trailer {field!r}", _CHUNKED + b"0\r\n%b\r\n\r\n" % field + HIDDEN, said)


def _hosts() -> Iterator[Case]:
    for version in (b"1.1", b"1.0"):
        yield Case(f"no host on {version!r}", b"GET /a HTTP/%b\r\n\r\n" % version + HIDDEN)
    for other in (b"x", b"y"):
        yield Case(f"hosts x and {other!r}", _GET + b"host: %b\r\n\r\n" % other + HIDDEN)
    for value in (
        b"", b"x/../y", b"u@x", b"x y", b"x,y", b"x\ty", b"x?y", b"x#y", b"x\\y", b"x\xe9", b"%78",
        b"x\x01", b"x\r\n y", b"a" * 400,
    ):  # fmt: skip
        yield Case(f"host {value!r}", b"GET /a HTTP/1.1\r\nHost: %b\r\n\r\n" % value + HIDDEN)
    for name in (b"Host ", b" Host"):
        yield Case(f"host named {name!r}", b"GET /a HTTP/1.1\r\n%b: x\r\n\r\n" % name + HIDDEN)


def _targets() -> Iterator[Case]:
    for target in (
        b"http://y/a", b"https://y/a", b"http://u@x/a", b"http://x:80/a", b"ftp://x/a",
        b"http:///a", b"http://x", b"http://x?b", b"http://x#b", b"*", b"a", b"x:80", b"/a#b",
        b"?b", b"#b", b"http:/x/a", b"http://x\\y/a", b"",
    ):  # fmt: skip
        sent = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target + HIDDEN
        yield Case(f"target {target!r}", sent)
    for target in (b"http://x/a", b"HTTP://X/a", b"https://x/a"):
        sent = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target + HIDDEN
        yield Case(f"target {target!r}", sent, (b"GET /a 0", b"GET /hidden 0"))
    sent = b"GET //y/a HTTP/1.1\r\nHost: x\r\n\r\n"
    yield Case("target '//y/a'", sent, (b"GET //y/a 0",))


def _request_lines() -> Iterator[Case]:
    for line in (
        b"GET /a", b"GET /a HTTP/2.0", b"GET /a HTTP/1.2", b"GET /a HTTP/1.10", b"GET /a HTTP/0.9",
        b"GET /a HTTP/01.1", b"GET /a HTTP/1.1x", b"GET /a HTTP/1,1", b"GET /a HTTP /1.1",
        b"GET /a http/1.1", b"GET /a HTP/1.1", b"GET /a HTTP/1.1 ", b"GET /a HTTP/1.1\t",
        b"GET /a b HTTP/1.1", b"GET\t/a\tHTTP/1.1", b"GET /a\tHTTP/1.1", b"GET /a\x0bHTTP/1.1",
        b"get /a HTTP/1.1", b"FOO /a HTTP/1.1", b"GE\x00T /a HTTP/1.1", b"GET:/a HTTP/1.1",
        b" GET /a HTTP/1.1", b"\xef\xbb\xbfGET /a HTTP/1.1", b"\x00GET /a HTTP/1.1",
        b"GET /a HTTP/1.1\r",
    ):  # fmt: skip
        yield Case(f"line {line!r}", line + b"\r\nHost: x\r\n\r\n" + HIDDEN)
    for start in (b"\r\n", b"\r\n\r\n"):
        said = (b"GET /a 0", b"GET /hidden 0")
        yield Case(f"line after {start!r}", start + _GET + b"\r\n" + HIDDEN, said)


def _line_ends() -> Iterator[Case]:
    for sent in (
        b"GET /a HTTP/1.1\nHost: x\n\n", b"GET /a HTTP/1.1\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: x\r\n\n",
        b"GET /a HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: x\r\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\n\rX", b"GET /a HTTP/1.1\rHost: x\r\r",
    ):  # fmt: skip
        yield Case(f"ends {sent!r}", sent + HIDDEN)


def _headers() -> Iterator[Case]:
    for field in (
        b"X", b"X A: 1", b"X\x00A: 1", b"X\xe9: 1", b": 1", b"X(): 1", b"X\x0b: 1", b"X=: y{}: 1",
        b"X: 1\r\n 2", b"X: 1\r\n\t2", b"X: 1\rY: 2", b"X: 1\nY: 2",
    ):  # fmt: skip
        yield Case(f"field {field!r}", _GET + field + b"\r\n\r\n" + HIDDEN)
    for control in (*range(9), 11, 12, *range(14, 32, 4), 127):
        field = b"X: a%cb" % control
        yield Case(f"value with {control}", _GET + field + b"\r\n\r\n" + HIDDEN)
    for value in (b"a\tb", b"a\xe9b", b""):
        said = (b"GET /a 0", b"GET /hidden 0")
        yield Case(f"value {value!r}", _GET + b"X: %b\r\n\r\n" % value + HIDDEN, said)


def _paths() -> Iterator[Case]:
    for path in (
        b"/a%2fb", b"/a%5Cb", b"/a\\b", b"/a/../b", b"/a/./b", b"/a/%2e%2E/b", b"/a%00b",
        b"/a%0d%0ab",
        b"/a%7f", b"/a%zz", b"/a%", b"/a\xc3\xa9", b"/a%ff", b"/a%c0%af", b"/a\x00b", b"/a\x7fb",
        b"/a;b", b'/a"b', b"/a<b", b"/a|b", b"/a^b", b"/a`b", b"/a{b",
    ):  # fmt: skip
        yield Case(f"path {path!r}", b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path + HIDDEN)


def _sizes() -> Iterator[Case]:
    lines = b"X-A: 1\r\n"
    yield Case("101 headers", _GET + lines * 100 + b"\r\n" + HIDDEN)
    yield Case("40 KiB of headers", _GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n" + HIDDEN)
    yield Case("1 MiB of headers", _GET + b"X: " + b"a" * 2**20 + b"\r\n\r\n" + HIDDEN)
    yield Case("20,000 headers", _GET + lines * 20_000 + b"\r\n" + HIDDEN)
    for size in (9_000, 2**20):
        sent = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * size)
        yield Case(f"path of {size}", sent + HIDDEN)
    body = b"a" * 65_537
    yield Case("large body", _POST + b"Content-Length: 65537\r\n\r\n" + body + HIDDEN)
    chunks = (b"2000\r\n" + b"a" * 8192 + b"\r\n") * 9
    yield Case("large chunked body", _CHUNKED + chunks + _NO_CHUNKS + HIDDEN)
    yield Case("1 MiB of chunk extension", _CHUNKED + b"1;" + b"a" * 2**20 + b"\r\na\r\n" + HIDDEN)
    yield Case("1 MiB of trailers", _CHUNKED + b"0\r\n" + lines * 150_000 + b"\r\n" + HIDDEN)
    yield Case("1 MiB of empty lines", b"\r\n" * 2**19 + HIDDEN)


def _other_protocols() -> Iterator[Case]:
    for protocol in (b"h2c", b"websocket", b"TLS/1.0"):
        asked = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol
        length = b"Content-Length: %d\r\n\r\n" % len(HIDDEN)
        yield Case(f"upgrade to {protocol!r}, length", _POST + asked + length + HIDDEN)
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
        framed = b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        yield Case(f"upgrade to {protocol!r}, chunks", _POST + asked + framed)
        sent = _GET + asked + b"\r\n" + HIDDEN
        yield Case(f"upgrade to {protocol!r}", sent, (b"GET /a 0",), ends=True)
    sent = _GET + b"Upgrade: h2c\r\n\r\n" + HIDDEN
    yield Case("upgrade that is not asked for", sent, (b"GET /a 0", b"GET /hidden 0"))
    yield Case("CONNECT", b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n" + HIDDEN)
    yield Case("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN)
    yield Case("TLS", bytes.fromhex("160301008a010000860303") + b"a" * 128 + HIDDEN)


def _garbage_behind() -> Iterator[Case]:
    said = (b"GET /a 0",)
    whole = _GET + b"\r\n"
    for garbage in (b"\x00", b"XX\r\n\r\n", b" " + HIDDEN, b"GET /b HTTP/1.1\n\n", b"0\r\n\r\n"):
        yield Case(f"behind it {garbage!r}", whole + garbage + HIDDEN, said, ends=True)
    broken = _CHUNKED + b"zz\r\n"
    yield Case("behind it a broken body", whole + broken + HIDDEN, said, ends=True)
    two = whole + _POST + b"Content-Length: 1\r\n\r\na"
    yield Case("behind two", two + b"\x00" + HIDDEN, (*said, b"POST /a 1"), ends=True)


def _plain() -> Iterator[Case]:
    yield Case("two", HIDDEN * 2, (b"GET /hidden 0",) * 2)
    length, said = b"Content-Length: 3\r\n\r\nabc", b"GET /hidden 0"
    yield Case("a length", _POST + length + HIDDEN, (b"POST /a 3", said))
    yield Case("a length on GET", _GET + length + HIDDEN, (b"GET /a 3", said))
    yield Case(
        "a length of nothing", _POST + b"Content-Length: 0\r\n\r\n" + HIDDEN, (b"POST /a 0", said)
    )
    chunks = b"2\r\nab\r\nA\r\n" + b"c" * 10 + b"\r\n"
    yield Case("chunks", _CHUNKED + chunks + _NO_CHUNKS + HIDDEN, (b"POST /a 12", said))
    body = b"a" * 65_536
    sent = _POST + b"Content-Length: 65536\r\n\r\n" + body + HIDDEN
    yield Case("a body at the limit", sent, (b"POST /a 65536", said))
    sent = _POST + b"Expect: 100-continue\r\n" + length + HIDDEN
    yield Case("one that expects to go on", sent, (b"POST /a 3", said))
    sent = b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n" + HIDDEN
    yield Case("1.0", sent, (b"GET /a 0",), ends=True)
    sent = _GET + b"Connection: close\r\n\r\n" + HIDDEN
    yield Case("one that closes", sent, (b"GET /a 0",), ends=True)
    yield Case("many", (_GET + b"\r\n") * 15, (b"GET /a 0",) * 15)
