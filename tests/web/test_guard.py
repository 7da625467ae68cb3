"""The guard lets one reading of a request through, and bodies are bounded in bytes and time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Scope

from regcred.domain.errors import MalformedRequest
from regcred.web.middleware import (
    MAX_BODY,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_PATH,
    ClientGone,
    guard,
    has_body,
    peer_of,
    read_body,
    replay,
    request_id,
)
from regcred.web.refusals import BodyTooLarge, BodyTooSlow, HeadersTooLarge, PathTooLong

HOST = (b"host", b"localhost:8080")


def _scope(path: bytes = b"/v1/whoami", *headers: tuple[bytes, bytes], **more: Any) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "http_version": "1.1",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": b"",
        "headers": [HOST, *headers],
        **more,
    }


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/v1/projects/-/credentials/ci-pull:verify",
        b"/v1/projects/-/credentials/%F0%9F%98%80",
        b"/v1/projects/-/credentials/a%20b%3Bc%25%22",
        b"/v1/projects/-/credentials/.hidden",
        b"/v1/projects/-/credentials/..hidden",
        b"/v1/projects/-/credentials/a.b..c",
        b"/v1/projects/-/credentials/%E2%80%AE",
        b"/v1/projects/-/credentials/(a)!$&'*+,=@",
    ],
)
def test_names_may_be_odd(path: bytes) -> None:
    assert guard(_scope(path)) is None


_SPELT = [b"/", b"\\", b"\x00", b"\x01", b"\x1f", b"\x7f", b"\r\n", b"\t"]
_ENCODED = sorted(
    {b"".join(form % c for c in bad) for bad in _SPELT for form in (b"%%%02x", b"%%%02X")}
)


@pytest.mark.parametrize(
    "segment",
    [
        *_ENCODED,
        b"..",
        b".",
        b"%2e",
        b"%2E%2e",
        b".%2e",
        b"%2e.",
        b"a;b",
        b";",
        b"a\\b",
        b"a b",
        b'a"b',
        b"a<b",
        b"a{b",
        b"a|b",
        b"a^b",
        b"a`b",
        b"a[b",
        b"%",
        b"%4",
        b"%zz",
        b"%u0041",
        b"%%41",
        b"a%",
        b"\x00",
        b"\x07",
        b"\x7f",
        b"\x80",
        b"\xc3\xa9",
        b"\xff",
        b"%ff",
        b"%c0%af",
        b"%ed%a0%80",
        b"%c3",
        b"%f8%88%80%80%80",
        b"%c0%ae%c0%ae",
    ],
)
@pytest.mark.parametrize(
    "where",
    [b"/v1/projects/%s", b"/v1/projects/-/credentials/%s/uses", b"/v1/projects/-/credentials/x%sy"],
)
def test_paths_that_readers_disagree_about_are_refused(where: bytes, segment: bytes) -> None:
    if segment in {b".", b"..", b"%2e", b"%2E%2e", b".%2e", b"%2e."} and b"x%s" in where:
        assert guard(_scope(where % segment)) is None
        return
    refusal = guard(_scope(where % segment))

    assert isinstance(refusal, MalformedRequest)
    assert refusal.field == "path"


@given(st.binary(min_size=1, max_size=60))
def test_any_path_is_let_through_or_refused(path: bytes) -> None:
    refusal = guard(_scope(b"/" + path))

    assert refusal is None or isinstance(refusal, MalformedRequest)


@pytest.mark.parametrize("size", [MAX_PATH + 1, 100 * MAX_PATH])
def test_long_paths_and_queries_are_refused(size: int) -> None:
    assert guard(_scope(b"/" + b"a" * (MAX_PATH - 1))) is None
    assert guard(_scope(query_string=b"a" * MAX_PATH)) is None
    assert isinstance(guard(_scope(b"/" + b"a" * (size - 1))), PathTooLong)
    assert isinstance(guard(_scope(query_string=b"a" * size)), PathTooLong)


def test_headers_are_bounded_in_number_and_size() -> None:
    few = [(b"x-a", b"1")] * (MAX_HEADERS - 1)
    big = MAX_HEADER_BYTES - len(HOST[0]) - len(HOST[1]) - 1

    assert guard(_scope(b"/", *few)) is None
    assert guard(_scope(b"/", (b"x", b"a" * big))) is None
    assert isinstance(guard(_scope(b"/", *few, (b"x-a", b"1"))), HeadersTooLarge)
    assert isinstance(guard(_scope(b"/", (b"x", b"a" * (big + 1)))), HeadersTooLarge)


@pytest.mark.parametrize(
    "host",
    [b"example.com", b"example.com:8080", b"[::1]:8080", b"127.0.0.1", b"a_b.example"],
)
def test_sane_hosts_pass(host: bytes) -> None:
    assert guard(_scope(headers=[(b"host", host)])) is None


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"a", b"a"],
        [b"a", b"b"],
        [b"a/../../v1"],
        [b"a b"],
        [b"a@b"],
        [b"a?b"],
        [b"a#b"],
        [b"a,b"],
        [b"a" * 400],
        [b"\xff"],
        [b"a\n"],
    ],
)
def test_other_hosts_are_refused(hosts: list[bytes]) -> None:
    refusal = guard(_scope(headers=[(b"host", host) for host in hosts]))

    assert isinstance(refusal, MalformedRequest)
    assert refusal.field == "Host"


_LENGTH, _CHUNKED = (b"content-length", b"5"), (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize("framing", [[], [_LENGTH], [_CHUNKED], [(_CHUNKED[0], b"Chunked")]])
def test_one_framing_passes(framing: list[tuple[bytes, bytes]]) -> None:
    assert guard(_scope(b"/", *framing)) is None


@pytest.mark.parametrize(
    ("framing", "version"),
    [
        ([_LENGTH, _CHUNKED], "1.1"),
        ([_CHUNKED, _LENGTH], "1.1"),
        ([_LENGTH, _LENGTH], "1.1"),
        ([_LENGTH, (b"content-length", b"6")], "1.1"),
        ([_CHUNKED, _CHUNKED], "1.1"),
        ([(b"transfer-encoding", b"gzip, chunked")], "1.1"),
        ([(b"transfer-encoding", b"identity")], "1.1"),
        ([(b"transfer-encoding", b"xchunked")], "1.1"),
        ([_CHUNKED], "1.0"),
    ],
)
def test_two_framings_are_refused(framing: list[tuple[bytes, bytes]], version: str) -> None:
    assert isinstance(guard(_scope(b"/", *framing, http_version=version)), MalformedRequest)


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.10", "", "3"])
def test_other_versions_of_http_are_refused(version: str) -> None:
    assert isinstance(guard(_scope(http_version=version)), MalformedRequest)


@pytest.mark.parametrize("sent", [b"a", b"A-z_0.9", b"x" * 64])
def test_a_sane_request_id_is_taken_over(sent: bytes) -> None:
    assert request_id(_scope(b"/", (b"x-request-id", sent)), lambda: "new") == sent.decode()


@pytest.mark.parametrize("sent", [b"", b"x" * 65, b"a b", b"a\nb", b"a\n", b"\xff", b"a;b", b"<a>"])
def test_another_request_id_is_replaced(sent: bytes) -> None:
    assert request_id(_scope(b"/", (b"x-request-id", sent)), lambda: "new") == "new"


def test_without_a_request_id_there_is_a_new_one() -> None:
    assert request_id(_scope(), lambda: "new") == "new"


@pytest.mark.parametrize("length", [b"%d" % (MAX_BODY + 1), b"0" * 20 + b"70000", b"9" * 5000])
def test_a_body_that_waits_to_be_asked_for_is_not_if_it_is_too_long(length: bytes) -> None:
    expects = (b"expect", b"100-continue")

    refusal = guard(_scope(b"/", (b"content-length", length), expects))
    assert isinstance(refusal, BodyTooLarge)
    assert guard(_scope(b"/", (b"content-length", b"%d" % MAX_BODY), expects)) is None
    assert guard(_scope(b"/", (b"content-length", length))) is None


def test_the_peer_is_the_connections_other_end() -> None:
    assert peer_of(_scope(client=("192.0.2.1", 5))) == "192.0.2.1"
    assert peer_of(_scope(client=None)) == ""
    assert peer_of(_scope()) == ""


def test_a_body_follows_a_length_or_a_transfer_encoding() -> None:
    assert not has_body(_scope())
    assert not has_body(_scope(b"/", (b"content-length", b"0")))
    assert has_body(_scope(b"/", _LENGTH))
    assert has_body(_scope(b"/", _CHUNKED))


class _Sent:
    """A client that sends these messages, and then nothing for ever."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.taken = 0

    async def __call__(self) -> Message:
        if self.taken == len(self._messages):
            await asyncio.Event().wait()
        self.taken += 1
        return self._messages[self.taken - 1]


def _chunk(data: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


async def test_chunks_become_one_body() -> None:
    sent = _Sent(_chunk(b"ab", more=True), _chunk(b"", more=True), _chunk(b"c", more=False))

    assert await read_body(sent) == b"abc"


async def test_a_body_at_the_limit_is_read_and_one_more_byte_is_not() -> None:
    assert await read_body(_Sent(_chunk(b"a" * 8, more=False)), limit=8) == b"a" * 8
    with pytest.raises(BodyTooLarge):
        await read_body(_Sent(_chunk(b"a" * 9, more=False)), limit=8)


async def test_reading_stops_at_the_limit() -> None:
    sent = _Sent(*[_chunk(b"a" * 4, more=True)] * 100)

    with pytest.raises(BodyTooLarge):
        await read_body(sent, limit=8)

    assert sent.taken == 3


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with pytest.raises(BodyTooSlow):
        await read_body(_Sent(_chunk(b"a", more=True)), deadline=0.01)


async def test_a_client_that_leaves_is_gone() -> None:
    with pytest.raises(ClientGone):
        await read_body(_Sent(_chunk(b"a", more=True), {"type": "http.disconnect"}))


async def test_a_read_body_is_handed_out_once_and_then_the_connection() -> None:
    receive = replay(b"abc", _Sent({"type": "http.disconnect"}))

    assert await receive() == _chunk(b"abc", more=False)
    assert await receive() == {"type": "http.disconnect"}
