"""The fast path answers byte for byte what the slow path does, and leaves the rest to it.

The same conversations go through the server's own protocol, to the application with its fast path
and to the same application without.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from regcred.bootstrap.cycle import LeanProtocol
from regcred.domain.audit import Reveal
from regcred.domain.errors import StoreUnavailable
from regcred.domain.token import RANDOM_BYTES, ApiToken
from regcred.usecases.pull import Presented
from regcred.web.delivery import fast_path, resolve
from regcred.web.middleware import MAX_BODY
from tests.bootstrap.test_cycle import TURNS, Wire
from tests.web.delivery.asking import IMAGE, PASSWORD, RESOLVE, add_dead
from tests.web.world import World

NOBODYS = ApiToken.mint(bytes(RANDOM_BYTES)).reveal()
FIRST_ID = re.compile(rb"made-[0-9]+")


class Offered:
    """An application that notes what its fast path takes, or one that has none."""

    def __init__(self, app: Any, *, fast: bool) -> None:
        self._app = app
        self.taken: list[bool] = []
        if fast:
            self.take = self._take

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _take(self, *offer: Any) -> bool:
        self.taken.append(self._app.take(*offer))
        return self.taken[-1]


async def said(app: ASGIApp, pieces: tuple[bytes, ...]) -> Wire:
    """Return what was written, piece by piece as it came."""
    config = uvicorn.Config(
        app, http=LeanProtocol, ws="none", lifespan="off", log_config=None, proxy_headers=False
    )
    config.load()
    protocol = LeanProtocol(config=config, server_state=ServerState(), app_state={})
    wire = Wire()
    protocol.connection_made(wire)  # type: ignore[arg-type]  # as much of a transport as it uses
    for piece in pieces:
        if not wire.closed:
            protocol.data_received(piece)
        for _ in range(TURNS):
            await asyncio.sleep(0)
    return wire


def asked(
    world: World,
    body: bytes | dict[str, Any] | None = None,
    *,
    key: str | None = "puller",
    path: str = RESOLVE,
    version: str = "1.1",
    method: str = "POST",
    content_type: str = "application/json",
    more: str = "",
) -> bytes:
    """Return a request as a client would write it."""
    content = body if isinstance(body, bytes) else orjson.dumps(body or {"image": IMAGE})
    head = f"{method} {path} HTTP/{version}\r\nHost: regcred.test\r\n"
    if key is not None:
        head += f"Authorization: Bearer {world.keys.get(key, key)}\r\n"
    if content_type:
        head += f"Content-Type: {content_type}\r\n"
    return f"{head}{more}Content-Length: {len(content)}\r\n\r\n".encode() + content


Asking = Callable[[World], tuple[bytes, ...]]

TAKEN: dict[str, Asking] = {
    "an image": lambda w: (asked(w),),
    "an image that nothing is for": lambda w: (asked(w, {"image": "elsewhere.test/a"}),),
    "another's id": lambda w: (asked(w, more="X-Request-Id: mine\r\n"),),
    "an id that is none": lambda w: (asked(w, more="X-Request-Id: <>\r\n"),),
    "a place": lambda w: (asked(w, more="Regcred-Node: n1\r\nRegcred-Namespace: a\r\n"),),
    "a client": lambda w: (asked(w, {"image": IMAGE, "client": "kubelet"}),),
    "withheld": lambda w: (asked(w, {"image": "dead.test/app"}),),
    "withheld, forced": lambda w: (asked(w, {"image": "dead.test/app", "force": True}),),
    "a project by its id": lambda w: (asked(w, path=f"/v1/projects/{w.home.id}/resolve"),),
    "a project by its number": lambda w: (asked(w, path="/v1/projects/1/resolve"),),
    "the last": lambda w: (asked(w, more="Connection: close\r\n"), asked(w)),
    "one after the other": lambda w: (asked(w), asked(w)),
    "pipelined": lambda w: (asked(w) + asked(w, key="admin"),),
    "a long question": lambda w: (asked(w, {"image": "registry.example.com/" + "a" * 200}),),
    "in lower case": lambda w: (asked(w).replace(b"Content-Type", b"content-type"),),
}

GIVEN_BACK: dict[str, Asking] = {
    "a key that nobody has": lambda w: (asked(w, key=NOBODYS),),
    "another's project": lambda w: (asked(w, path="/v1/projects/2/resolve"),),
    "a key that may not": lambda w: (asked(w, key="viewer"),),
}

LEFT: dict[str, Asking] = {
    "no key": lambda w: (asked(w, key=None),),
    "a key that is no key": lambda w: (asked(w, key="secret"),),
    "another scheme": lambda w: (asked(w, key=None, more="Authorization: Basic YTpi\r\n"),),
    "two keys": lambda w: (asked(w, more="Authorization: Bearer a\r\n"),),
    "two hosts": lambda w: (asked(w, more="Host: a\r\n"),),
    "a host that is none": lambda w: (asked(w).replace(b"regcred.test", b"a/b"),),
    "no type": lambda w: (asked(w, content_type=""),),
    "another type": lambda w: (asked(w, content_type="text/plain"),),
    "a type with a parameter": lambda w: (
        asked(w, content_type="application/json; charset=utf-8"),
    ),
    "a query": lambda w: (asked(w, path=f"{RESOLVE}?a=b"),),
    "an encoded path": lambda w: (asked(w, path="/v1/projects/%2D/resolve"),),
    "an encoded slash": lambda w: (asked(w, path="/v1/projects/-%2Fresolve"),),
    "a project that none can be": lambda w: (asked(w, path="/v1/projects/a%2Fb/resolve"),),
    "another method": lambda w: (asked(w, method="PUT"),),
    "an older protocol": lambda w: (asked(w, version="1.0"),),
    "a body that is too long": lambda w: (asked(w, b"{}" + b" " * MAX_BODY),),
    "no JSON": lambda w: (asked(w, b"{"),),
    "a field too many": lambda w: (asked(w, {"image": IMAGE, "a": 1}),),
    "an image that is none": lambda w: (asked(w, {"image": "A"}),),
    "a place that is none": lambda w: (asked(w, more="Regcred-Node: a b\r\n"),),
    "many headers": lambda w: (asked(w, more="".join(f"X-{n}: a\r\n" for n in range(40))),),
    "too many headers": lambda w: (asked(w, more="".join(f"X-{n}: a\r\n" for n in range(101))),),
    "long headers": lambda w: (asked(w, more=f"X: {'a' * 33_000}\r\n"),),
    "another endpoint": lambda w: (
        asked(w, b"https://registry.example.com", path="/v1/projects/-/docker-credential/get"),
    ),
    "another protocol": lambda w: (asked(w, more="Connection: upgrade\r\nUpgrade: h2c\r\n"),),
    "a body in chunks": lambda w: (
        asked(w, b"", more="Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
        + b"2\r\n{}\r\n0\r\n\r\n",
    ),
    "a body that is announced": lambda w: (asked(w, more="Expect: 100-continue\r\n"),),
}

LATE: dict[str, Asking] = {
    "a body in two pieces": lambda w: (asked(w)[:-3], asked(w)[-3:]),
    "a head in two pieces": lambda w: (asked(w)[:40], asked(w)[40:]),
}


async def _both(world: World, asking: Asking) -> tuple[Wire, Wire, list[bool]]:
    await world.add(registry_url="registry.example.com")
    await add_dead(world, registry_url="dead.test")
    fast, slow = Offered(world.app, fast=True), Offered(world.app, fast=False)
    ours = await said(fast, asking(world))
    theirs = await said(slow, asking(world))
    assert world.admission.under_way == 0
    assert not world.admission._held
    return ours, theirs, fast.taken


def _same(ours: Wire, theirs: Wire) -> None:
    assert FIRST_ID.sub(b"made", ours.written) == FIRST_ID.sub(b"made", theirs.written)
    assert ours.closed == theirs.closed
    assert ours.written.startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("asking", TAKEN.values(), ids=TAKEN)
async def test_what_is_taken_is_answered_as_on_the_slow_path(world: World, asking: Asking) -> None:
    ours, theirs, taken = await _both(world, asking)

    _same(ours, theirs)
    assert taken
    assert all(taken)
    assert b"200 OK" in ours.written


@pytest.mark.parametrize("asking", GIVEN_BACK.values(), ids=GIVEN_BACK)
async def test_what_cannot_be_answered_at_once_goes_the_slow_path(
    world: World, asking: Asking
) -> None:
    ours, theirs, taken = await _both(world, asking)

    _same(ours, theirs)
    assert taken == [True]
    assert b"200 OK" not in ours.written


@pytest.mark.parametrize("asking", LEFT.values(), ids=LEFT)
async def test_what_is_unusual_or_wrong_is_left_to_the_slow_path(
    world: World, asking: Asking
) -> None:
    ours, theirs, taken = await _both(world, asking)

    _same(ours, theirs)
    assert not any(taken)


@pytest.mark.parametrize("asking", LATE.values(), ids=LATE)
async def test_what_comes_in_pieces_is_answered_likewise(world: World, asking: Asking) -> None:
    ours, theirs, _ = await _both(world, asking)

    _same(ours, theirs)
    assert PASSWORD.encode() in ours.written


async def test_a_login_that_left_stands_in_the_audit_once(world: World) -> None:
    await world.add()

    await said(Offered(world.app, fast=True), (asked(world),))

    rows = (await world.send("GET", "/v1/projects/-/audit?action=credential.revealed")).json()
    assert [row["count"] for row in rows["items"]] == [1]


async def test_what_may_have_been_committed_is_not_done_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add()
    record, committed = world.store.record_reveals, list[Reveal]()

    async def lose(reveals: Sequence[Reveal]) -> None:
        await record(reveals)
        committed.extend(reveals)
        raise StoreUnavailable("the answer got lost")

    monkeypatch.setattr(world.store, "record_reveals", lose)

    wire = await said(Offered(world.app, fast=True), (asked(world),))

    assert wire.written.startswith(b"HTTP/1.1 503 ")
    assert PASSWORD.encode() not in wire.written
    assert [f"x-request-id: {one.request_id}".encode() in wire.written for one in committed] == [
        True
    ]
    assert world.admission.under_way == 0


async def test_what_cannot_be_shown_is_told_to_who_asked_and_to_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add()
    render, rendered = resolve._rendered, []

    def fail_once(*shown: Any) -> bytes:
        rendered.append(shown)
        if len(rendered) == 1:
            raise TypeError("a fault of the program")
        return render(*shown)

    monkeypatch.setattr(resolve, "_rendered", fail_once)
    app = Offered(world.app, fast=True)

    first, second = await asyncio.gather(said(app, (asked(world),)), said(app, (asked(world),)))

    assert first.written.startswith(b"HTTP/1.1 500 ")
    assert second.written.startswith(b"HTTP/1.1 200 ")
    assert world.admission.under_way == 0
    rows = (await world.send("GET", "/v1/projects/-/audit?action=credential.revealed")).json()
    assert sum(row["count"] for row in rows["items"]) == 2


async def test_a_refusal_counts_once_against_the_keys_rate() -> None:
    world = await World(rates={"per_key": 4, "per_project": 1}).populate()
    app = Offered(world.app, fast=True)

    told = [await said(app, (asked(world),)) for _ in range(4)]

    assert [b"of this project" in wire.written for wire in told] == [False, True, True, True]


async def test_who_comes_through_a_proxy_is_found_out_first() -> None:
    world = await World(trusted_proxies=["192.0.2.0/24"]).populate()
    app = Offered(world.app, fast=True)

    await said(app, (asked(world, more="X-Forwarded-For: 198.51.100.1\r\n"),))

    assert app.taken == [False]


async def test_a_request_without_a_place_is_left_to_the_slow_path_which_says_so() -> None:
    world = await World(most_at_once=0).populate()
    app = Offered(world.app, fast=True)

    wire = await said(app, (asked(world),))

    assert app.taken == [False]
    assert wire.written.startswith(b"HTTP/1.1 503 ")


async def test_an_answer_that_cannot_be_written_keeps_no_other_of_its_wave(
    world: World,
) -> None:
    await world.add()
    answered: list[bytes] = []

    def gone(*_: object) -> None:
        raise RuntimeError("this one's connection")

    def reply(_status: int, _headers: object, _id: bytes, body: bytes) -> None:
        answered.append(body)

    def offer(to: Any) -> bool:
        scope = {
            "type": "http", "method": "POST", "raw_path": RESOLVE.encode(), "query_string": b"",
            "http_version": "1.1", "client": ("192.0.2.1", 5),
            "headers": [
                (b"host", b"regcred.test"),
                (b"content-type", b"application/json"),
                (b"authorization", f"Bearer {world.keys['puller']}".encode()),
            ],
        }  # fmt: skip
        taken: bool = world.app.take(scope, orjson.dumps({"image": IMAGE}), to, None)
        return taken

    assert offer(gone)
    assert offer(reply)
    for _ in range(TURNS):
        await asyncio.sleep(0)

    assert [PASSWORD.encode() in body for body in answered] == [True]
    assert world.admission.under_way == 0


async def test_an_error_of_its_own_is_left_to_the_slow_path(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Presented:
        raise ValueError("a fault of the program")

    monkeypatch.setattr(fast_path, "Presented", fail)

    wire = await said(Offered(world.app, fast=True), (asked(world),))

    assert wire.written.startswith(b"HTTP/1.1 200 ")
