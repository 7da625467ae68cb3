"""Forwarded addresses are believed from the right, and only of whom the operator trusts."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from regcred.domain.errors import MalformedRequest
from regcred.domain.ports import ProjectRef
from regcred.domain.project import Project
from regcred.domain.token import ApiToken
from regcred.usecases.lock_out import OF_KEY
from regcred.web.forwarded import TrustedProxies
from tests.web.dialects.driver import Speaker, driver_of, every_dialect
from tests.web.world import World, credential

TRUSTED = TrustedProxies(["10.0.0.0/8", "2001:db8:aaaa::/48"])
PROXY, CLIENT = "10.0.0.1", "198.51.100.7"


def scope(*headers: tuple[bytes, bytes], peer: str = PROXY) -> Scope:
    return {"type": "http", "client": (peer, 5000), "headers": list(headers)}


def client(*headers: tuple[bytes, bytes], peer: str = PROXY) -> str:
    return TRUSTED.client_of(scope(*headers, peer=peer))


def x_forwarded_for(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode("latin-1")) for value in values]


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"forwarded", value.encode("latin-1")) for value in values]


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        (["198.51.100.7"], CLIENT),
        (["198.51.100.7:4711"], CLIENT),
        (["::ffff:198.51.100.7"], CLIENT),
        (["2001:db8::7"], "2001:db8::7"),
        (["2001:DB8:0::7"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        # Past trusted proxies, and no further.
        (["203.0.113.9, 198.51.100.7, 10.1.2.3, 2001:db8:aaaa::1"], CLIENT),
        (["203.0.113.9", "198.51.100.7", "10.1.2.3"], CLIENT),
        (["10.9.9.9, 198.51.100.7"], CLIENT),
        (["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
        # What a client wrote before is not looked at.
        (["garbage\xff, 198.51.100.7"], CLIENT),
        ([", , 198.51.100.7"], CLIENT),
        # What is not told so that it could be known leaves the nearest that is.
        ([""], PROXY),
        (["unknown"], PROXY),
        (["198.51.100.7 "], CLIENT),
        (["198.51.100.7;x"], PROXY),
        (["198.51.100.007"], PROXY),
        (["198.51.100"], PROXY),
        (["fe80::1%eth0"], PROXY),
        (["198.51.100.7:port"], PROXY),
        (["198.51.100.7, unknown, 10.1.2.3"], "10.1.2.3"),
        (["10.0.0.2," * 100 + "10.0.0.3"], "10.0.0.2"),
    ],
)
def test_x_forwarded_for_is_read_from_the_right(told: list[str], believed: str) -> None:
    assert client(*x_forwarded_for(*told)) == believed


@pytest.mark.parametrize(
    ("told", "believed"),
    [
        (["for=198.51.100.7"], CLIENT),
        (["For=198.51.100.7;proto=https;by=10.0.0.1"], CLIENT),
        (["proto=https;for=198.51.100.7"], CLIENT),
        (['for="198.51.100.7:4711"'], CLIENT),
        (['for="[2001:db8::7]"'], "2001:db8::7"),
        (['for="[2001:db8::7]:4711"'], "2001:db8::7"),
        (['for="198.51.100\\.7"'], CLIENT),
        (["for=203.0.113.9, for=198.51.100.7,for=10.1.2.3"], CLIENT),
        (["for=203.0.113.9", "for=198.51.100.7"], CLIENT),
        (["for=unknown"], PROXY),
        (["for=_hidden, for=10.1.2.3"], "10.1.2.3"),
        (["proto=https"], PROXY),
        (["for=198.51.100.7, proto=https"], PROXY),
        (['by="a,for=203.0.113.9";for=198.51.100.7'], CLIENT),
    ],
)
def test_forwarded_is_read_from_the_right(told: list[str], believed: str) -> None:
    assert client(*forwarded(*told)) == believed


@pytest.mark.parametrize(
    "told",
    [
        # A client begins a quotation in which the proxy's own part would end.
        ['for="203.0.113.9', "for=198.51.100.7"],
        ["for=198.51.100.7;for=203.0.113.9"],
        ["198.51.100.7"],
        ["for=198.51.100.7;"],
        ["for = 198.51.100.7"],
        ["for=198.51.100.7; proto=https"],
        ["for=[2001:db8::7]"],
        ["for=,for=198.51.100.7"],
        ["for=a" + "," * 5000],
        ['for="\x00"'],
    ],
)
def test_a_forwarded_that_two_would_read_as_two_is_refused(told: list[str]) -> None:
    with pytest.raises(MalformedRequest, match="Forwarded"):
        client(*forwarded(*told))


def test_both_headers_are_refused() -> None:
    """A proxy writes one of them, and whoever asks wrote the other."""
    with pytest.raises(MalformedRequest, match="must not stand beside X-Forwarded-For"):
        client(*x_forwarded_for("198.51.100.7"), *forwarded("for=203.0.113.9"))


@pytest.mark.parametrize("peer", ["198.51.100.1", "2001:db8::1", "", "a socket"])
def test_who_is_not_trusted_is_not_believed(peer: str) -> None:
    assert client(*x_forwarded_for("203.0.113.9"), peer=peer) == peer


def test_nobody_is_trusted_unless_named() -> None:
    assert not TrustedProxies([])
    assert not TrustedProxies([]).has("127.0.0.1")


def test_a_mapped_address_is_the_one_it_maps() -> None:
    assert client(*x_forwarded_for("198.51.100.7"), peer="::ffff:10.0.0.1") == CLIENT


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_whatever_a_client_writes_it_is_known_by_what_the_proxy_adds(text: str) -> None:
    assert client(*x_forwarded_for(f"{text}, {CLIENT}")) == CLIENT
    try:
        believed = client(*forwarded(text, f"for={CLIENT}"))
    except MalformedRequest:
        return
    assert believed == CLIENT


# Through the service


async def _audited(world: World, *headers: tuple[str, str]) -> str:
    """Return the address under which a change is audited, as its author."""
    made = await world.send("POST", "/v1/projects/-/credentials", credential(), headers=headers)
    assert made.status_code == 201, made.text
    rows = (await world.send("GET", "/v1/projects/-/audit?limit=1")).json()["items"]
    peer: str = rows[0]["peer"]
    return peer


@pytest.mark.parametrize(
    ("trusted", "peer"), [((), "192.0.2.7"), (("192.0.2.0/24",), CLIENT)], ids=["nobody", "proxy"]
)
async def test_the_audit_has_the_address_of_whoever_asked(
    trusted: tuple[str, ...], peer: str
) -> None:
    world = await World(trusted_proxies=trusted).populate()

    assert await _audited(world, ("X-Forwarded-For", f"203.0.113.9, {CLIENT}")) == peer


async def test_a_pull_is_audited_with_the_clients_address() -> None:
    world = await World(trusted_proxies=["192.0.2.7"]).populate()
    await world.add(registry_url="docker.io")
    told = {"X-Forwarded-For": CLIENT}
    image = {"image": "docker.io/a/b"}
    await world.send("POST", "/v1/projects/-/resolve", image, headers=told)
    rows = (await world.send("GET", "/v1/projects/-/audit?limit=1")).json()["items"]

    assert rows[0]["peer"] == CLIENT


@every_dialect
async def test_two_stories_of_one_request_are_refused_in_every_faces_words(name: str) -> None:
    world = await World(trusted_proxies=["192.0.2.7"]).populate()
    speaker = Speaker(world, driver_of(name))
    headers = speaker.driver.key(world.keys["admin"]) | {
        "X-Forwarded-For": CLIENT, "Forwarded": "for=203.0.113.9",
    }  # fmt: skip
    reply = await world.send("GET", speaker.driver.collection, key=None, headers=headers)

    assert reply.status_code == 400
    speaker.driver.check_error(reply)


async def test_wrong_keys_are_counted_by_the_clients_address() -> None:
    world = await World(trusted_proxies=["192.0.2.7"]).populate()
    wrong = ApiToken("0" * 12, "A" * 43).reveal()
    clients = (CLIENT,) * (OF_KEY + 1) + ("203.0.113.9",)
    statuses = [
        (
            await world.send("GET", "/v1/whoami", key=wrong, headers={"X-Forwarded-For": client})
        ).status_code
        for client in clients
    ]

    assert statuses == [401] * OF_KEY + [429, 401]


async def test_a_client_behind_a_proxy_has_so_many_requests_under_way() -> None:
    world = await World(trusted_proxies=["192.0.2.7"], rates={"per_client": 2}).populate()
    find, go_on = world.store.find_project, asyncio.Event()

    async def slow(ref: ProjectRef) -> Project:
        await go_on.wait()
        return await find(ref)

    world.store.find_project = slow  # type: ignore[method-assign]  # to hold requests up
    clients = (CLIENT, CLIENT, CLIENT, "203.0.113.9")
    asked = [
        asyncio.create_task(
            world.send("GET", "/v1/projects/-/credentials", headers={"X-Forwarded-For": client})
        )
        for client in clients
    ]
    for _ in range(50):
        await asyncio.sleep(0)
    go_on.set()
    replies = [await one for one in asked]

    assert [reply.status_code for reply in replies] == [200, 200, 429, 200]
    assert replies[2].headers["retry-after"] == "1"
    assert not world.admission._clients
