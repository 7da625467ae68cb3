"""A stored access key on the wire: made through a vendor's face, pulled as a login that ends.

moto plays Amazon, and checks the signatures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from regcred.adapters.registries.registries import RealRegistries
from regcred.bootstrap.bell import TaskBell
from regcred.bootstrap.renewals import Renewals
from regcred.domain.audit import Action
from regcred.domain.ports import AuditFilter
from tests.tools import aws
from tests.web.world import World

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/app:1"
RESOLVE = "/v1/projects/-/resolve"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aws.Moto]:
    with aws.moto(tmp_path_factory.mktemp("moto")) as running:
        yield running


@pytest.fixture
async def world(moto: aws.Moto) -> World:
    world = World(
        make_registries=lambda clock: RealRegistries(
            clock,
            time.monotonic,
            allow_networks=("127.0.0.0/8",),
            allow_http=("127.0.0.1",),
            endpoints=moto.endpoints,
        )
    )
    world.clock.now = aws.NOW
    return await world.populate()


async def store(world: World, moto: aws.Moto, secret: str) -> Any:
    reply = await world.send(
        "POST",
        "/v3/docker-registries",
        {"name": "aws", "registry": "ecr", "username": moto.key_id, "secret": secret},
    )
    assert reply.status_code == 201, reply.text
    return reply.json()


async def pull(world: World) -> Any:
    reply = await world.send("POST", RESOLVE, {"image": IMAGE}, key="puller")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def exchanges(world: World) -> int:
    narrowed = AuditFilter(Action.CREDENTIAL_EXCHANGED)
    return len(await world.store.list_audit(world.home.id, narrowed, 0, 100))


async def test_an_access_key_stored_through_sevallas_face_resolves_to_a_login(
    world: World, moto: aws.Moto
) -> None:
    await store(world, moto, moto.secret)

    (login,) = (await pull(world))["logins"]

    assert (login["username"], login["password"]) == aws.LOGIN
    assert login["expires_at"] == "2015-01-01T00:00:00Z"
    assert login["credential"]["name"] == "aws"


async def test_that_login_is_renewed_at_half_of_its_life(world: World, moto: aws.Moto) -> None:
    await store(world, moto, moto.secret)
    await pull(world)
    renewals = Renewals(world.exchanges, TaskBell())
    early = await renewals.turn()
    world.clock.now += timedelta(hours=8)
    due = await renewals.turn()
    again = await renewals.turn()

    assert (early, due, again) == (0, 1, 0)
    assert await exchanges(world) == 2
    assert len((await pull(world))["logins"]) == 1


async def test_docker_gets_that_login_from_its_helper(world: World, moto: aws.Moto) -> None:
    await store(world, moto, moto.secret)
    asked = "https://" + IMAGE.partition("/")[0]

    reply = await world.send(
        "POST", "/v1/projects/-/docker-credential/get", content=asked, key="puller"
    )

    assert reply.json() == {
        "ServerURL": asked,
        "Username": aws.LOGIN[0],
        "Secret": aws.LOGIN[1],
    }


async def test_a_wrong_secret_is_refused_with_the_reason_and_nowhere_shown(
    world: World, moto: aws.Moto
) -> None:
    wrong = aws.another(moto.secret)
    await store(world, moto, wrong)

    answer = await pull(world)

    assert answer["logins"] == []
    (withheld,) = answer["withheld"]
    assert withheld["verdict"] == "rejected"
    assert "create a new one" in withheld["reason"]
    assert wrong not in str(answer)


async def test_docker_hears_why_there_is_no_login_instead_of_not_found(
    world: World, moto: aws.Moto
) -> None:
    await store(world, moto, aws.another(moto.secret))

    reply = await world.send(
        "POST",
        "/v1/projects/-/docker-credential/get",
        content="https://" + IMAGE.partition("/")[0],
        key="puller",
    )

    assert reply.status_code == 503
    assert reply.json()["type"] == "urn:regcred:problem:login-unavailable"
    assert "does not accept the access key" in reply.json()["detail"]


async def test_a_replaced_secret_ends_the_old_login_at_the_next_pull(
    world: World, moto: aws.Moto
) -> None:
    stored = await store(world, moto, moto.secret)
    await pull(world)
    changed = await world.send(
        "PATCH", f"/v3/docker-registries/{stored['id']}", {"secret": aws.another(moto.secret)}
    )
    assert changed.status_code == 200, changed.text

    assert (await pull(world))["logins"] == []
