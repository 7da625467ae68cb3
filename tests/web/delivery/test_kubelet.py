"""`POST …/kubelet-credential`: what the kubelet's plugin is asked, and what it prints."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from regcred.domain import keyring
from regcred.domain.access import Role
from regcred.domain.errors import InvalidInput, MalformedRequest
from regcred.domain.verdict import VerdictKind
from regcred.web.delivery.kubelet import read_request
from tests.web.delivery.asking import IMAGE, PASSWORD, actions, add_dead
from tests.web.world import Headers, Reply, World, problem

GROUP = "credentialprovider.kubelet.k8s.io"
V1 = f"{GROUP}/v1"
HOST = "registry.example.com"
TOKEN = "eyJhbGciOiJub25lIn0.a-pods-own-token.x"


def request(image: object = IMAGE, **more: Any) -> dict[str, Any]:
    return {"kind": "CredentialProviderRequest", "apiVersion": V1, "image": image, **more}


async def ask(
    world: World,
    image: object = IMAGE,
    *,
    key: str | None = "puller",
    project: str = "-",
    headers: Headers = (),
    **more: Any,
) -> Reply:
    path = f"/v1/projects/{project}/kubelet-credential"
    return await world.send("POST", path, request(image, **more), key=key, headers=headers)


async def answer(world: World, image: object = IMAGE, **more: Any) -> Any:
    reply = await ask(world, image, **more)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    return reply.json()


# --- answers


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
async def test_the_answer_has_the_version_that_was_asked_and_exact_fields(
    world: World, version: str
) -> None:
    await world.add()

    said = await answer(world, apiVersion=f"{GROUP}/{version}")

    assert said == {
        "kind": "CredentialProviderResponse",
        "apiVersion": f"{GROUP}/{version}",
        "cacheKeyType": "Image",
        "auth": {f"{HOST}/team/": {"username": "robot", "password": PASSWORD}},
    }


@pytest.mark.parametrize("image", [IMAGE, f"{IMAGE}:v1", f"{IMAGE}@sha256:{'0' * 64}"])
async def test_a_tag_or_digest_changes_nothing(world: World, image: str) -> None:
    await world.add()

    assert list((await answer(world, image))["auth"]) == [f"{HOST}/team/"]


async def test_a_login_for_one_repository_is_found_by_its_image(world: World) -> None:
    await world.add(registry_url=IMAGE)

    auth = (await answer(world))["auth"]

    assert list(auth) == [IMAGE]
    assert keyring.lookup(list(auth), IMAGE) == [IMAGE]


async def test_several_logins_keep_their_order_though_they_share_a_scope(world: World) -> None:
    for name in ("old", "new", "newest"):
        await world.add(name, registry_url=HOST, username=name)

    auth = (await answer(world))["auth"]

    order = [auth[key]["username"] for key in keyring.lookup(sorted(auth), IMAGE)]
    assert order == ["newest", "new", "old"]


async def test_what_finds_no_room_is_neither_shown_nor_recorded(world: World) -> None:
    added = [
        await world.add(f"login-{number}", registry_url=HOST, username=f"login-{number}")
        for number in range(4)
    ]

    auth = (await answer(world, f"{HOST}/app"))["auth"]
    (row,) = [
        row
        for row in (await world.send("GET", "/v1/projects/-/audit")).json()["items"]
        if row["action"] == "credential.revealed"
    ]

    assert [auth[key]["username"] for key in (f"{HOST}/app", HOST)] == ["login-3", "login-2"]
    assert [login.split(":")[0] for login in row["details"]["logins"]] == [
        added[3]["id"],
        added[2]["id"],
    ]
    assert row["details"]["client"] == "kubelet"


async def test_an_identity_token_is_left_out_because_the_kubelet_cannot_use_it(
    world: World,
) -> None:
    await world.add("identity", registry_url=HOST, username="<token>")

    said = await answer(world)

    assert said["auth"] is None
    assert "credential.revealed" not in await actions(world)


async def test_nothing_fits_is_an_answer_that_is_kept_for_a_moment(world: World) -> None:
    said = await answer(world)

    assert said["auth"] is None
    assert said["cacheKeyType"] == "Image"
    assert said["cacheDuration"] == "10s"


async def test_a_login_that_was_turned_away_does_not_fit(world: World) -> None:
    await add_dead(world)

    assert (await answer(world))["auth"] is None


async def test_a_failed_exchange_is_an_error_because_null_would_mean_that_nothing_fits(
    world: World,
) -> None:
    world.registries.exchange_says = VerdictKind.REJECTED
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    await world.add(
        "aws",
        registry_url=host,
        provider="ecr",
        username="AKIAIOSFODNN7EXAMPLE",
        password="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )

    reply = await ask(world, f"{host}/app")

    assert reply.status_code == 503
    assert problem(reply) == "login-unavailable"


# --- how long, and for what


async def test_it_is_kept_until_a_minute_before_the_soonest_end(world: World) -> None:
    now = world.clock.now
    ends = {"late": now + timedelta(hours=2), "soon": now + timedelta(hours=1)}
    for name, end in ends.items():
        await world.add(name, registry_url=HOST, expires_at=end.isoformat())

    duration = (await answer(world))["cacheDuration"]

    assert duration.endswith("s")
    assert 3530 <= int(duration[:-1]) <= 3540


async def test_it_is_kept_no_longer_than_the_key_that_got_it(world: World) -> None:
    await world.add()
    end = (world.clock.now + timedelta(hours=1)).isoformat()
    body = {"name": "node", "role": "puller", "expires_at": end}
    key = (await world.send("POST", "/v1/projects/-/keys", body)).json()["key"]

    duration = (await answer(world, key=key))["cacheDuration"]

    assert 3530 <= int(duration[:-1]) <= 3540


@pytest.mark.parametrize("end", ["2031-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_an_end_far_away_is_no_reason_to_keep_it_long(world: World, end: str) -> None:
    await world.add(registry_url=HOST, expires_at=end)

    assert (await answer(world))["cacheDuration"] == "43200s"


async def test_a_fresh_login_of_twelve_hours_is_kept_for_what_is_left(world: World) -> None:
    end = world.clock.now + timedelta(hours=12)
    await world.add(registry_url=HOST, expires_at=end.isoformat())

    assert int((await answer(world))["cacheDuration"][:-1]) in range(43130, 43141)


async def test_a_key_that_ends_far_away_says_nothing_of_a_login_without_end(world: World) -> None:
    await world.add()
    end = world.clock.now + timedelta(days=365)
    key = await world.make_key(world.home, Role.PULLER, expires_at=end)
    world.keys["a year"] = key

    assert "cacheDuration" not in await answer(world, key="a year")


async def test_without_its_best_login_for_now_it_is_not_kept(world: World) -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    end = (world.clock.now + timedelta(hours=2)).isoformat()
    await world.add("fallback", registry_url=host, provider="generic", expires_at=end)
    world.registries.exchange_says = VerdictKind.UNREACHABLE
    await world.add(
        "aws",
        registry_url=f"{host}/app",
        provider="ecr",
        username="AKIAIOSFODNN7EXAMPLE",
        password="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )

    said = await answer(world, f"{host}/app/x")

    assert list(said["auth"]) == [host]
    assert said["cacheDuration"] == "0s"


@pytest.mark.parametrize(("hours", "kept"), [(None, "10s"), (2, "10s"), (0, "0s")])
async def test_beside_a_withheld_login_it_is_kept_for_a_moment(
    world: World, hours: int | None, kept: str
) -> None:
    await add_dead(world)
    end = None if hours is None else world.clock.now + timedelta(hours=hours, seconds=1)
    await world.add("good", registry_url=HOST, expires_at=end and end.isoformat())

    said = await answer(world)

    assert list(said["auth"]) == [HOST]
    assert said["cacheDuration"] == kept


async def test_what_is_about_to_end_is_not_kept(world: World) -> None:
    end = world.clock.now + timedelta(seconds=59)
    await world.add(expires_at=end.isoformat())

    assert (await answer(world))["cacheDuration"] == "0s"


async def test_one_login_for_the_whole_registry_is_good_for_all_of_it(world: World) -> None:
    await world.add(registry_url=HOST)

    said = await answer(world)

    assert said["cacheKeyType"] == "Registry"
    assert list(said["auth"]) == [HOST]


async def test_docker_hub_is_kept_under_the_name_that_images_have(world: World) -> None:
    await world.add(registry_url="docker.io")

    said = await answer(world, "docker.io/library/nginx")

    assert said["cacheKeyType"] == "Registry"
    assert list(said["auth"]) == ["docker.io"]


@pytest.mark.parametrize(
    "more",
    [
        {"registry_url": HOST},
        {"registry_url": f"{HOST}/elsewhere"},
        {"registry_url": "*.example.com/elsewhere"},
        {"registry_url": HOST, "username": "<token>"},
    ],
    ids=["another", "a path", "a pattern's path", "an identity token"],
)
async def test_beside_another_login_it_is_good_for_the_image_alone(
    world: World, more: dict[str, str]
) -> None:
    await world.add("whole", registry_url=HOST)
    await world.add("other", **more)

    assert (await answer(world))["cacheKeyType"] == "Image"


async def test_beside_a_withheld_login_too(world: World) -> None:
    await world.add("whole", registry_url=HOST)
    await add_dead(world, registry_url=HOST)

    assert (await answer(world))["cacheKeyType"] == "Image"


async def test_a_pattern_is_good_for_the_image_alone_and_names_one_registry(world: World) -> None:
    await world.add(registry_url="*.example.com")

    said = await answer(world)

    assert said["cacheKeyType"] == "Image"
    assert list(said["auth"]) == [HOST]


async def test_a_narrowed_key_is_never_told_more_than_its_images(world: World) -> None:
    await world.add(registry_url=HOST)
    keys = {}
    for name, pattern in (("all", HOST), ("team", f"{HOST}/team")):
        made = await world.send(
            "POST",
            "/v1/projects/-/keys",
            {"name": name, "role": "puller", "image_patterns": [pattern]},
        )
        keys[name] = made.json()["key"]

    assert (await answer(world, key=keys["all"]))["cacheKeyType"] == "Registry"
    assert (await answer(world, key=keys["team"]))["cacheKeyType"] == "Image"
    assert (await answer(world, f"{HOST}/other", key=keys["team"]))["auth"] is None


# --- who asks


async def test_where_a_login_goes_is_recorded(world: World) -> None:
    await world.add()
    await ask(world, headers={"Regcred-Node": "node-7"})

    path = "/v1/projects/-/credentials/ci-pull/fetches"
    (fetched,) = (await world.send("GET", path)).json()["items"]
    assert (fetched["client"], fetched["node"]) == ("kubelet", "node-7")
    assert fetched["image"] == IMAGE


async def test_a_pods_token_alone_is_no_key(world: World) -> None:
    await world.add()

    reply = await ask(world, key=None, serviceAccountToken=TOKEN)

    assert problem(reply) == "not-authenticated"
    assert TOKEN not in reply.text


async def test_what_is_wrong_is_told_to_those_alone_who_may_ask(world: World) -> None:
    assert problem(await ask(world, kind="Pod", key=None)) == "not-authenticated"


# --- what is not a request


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (request(kind="CredentialProviderResponse"), "kind"),
        (request(kind=None), "kind"),
        ({key: value for key, value in request().items() if key != "kind"}, "kind"),
        (request(apiVersion=f"{GROUP}/v2"), "apiVersion"),
        (request(apiVersion="v1"), "apiVersion"),
        (request(apiVersion=["v1"]), "apiVersion"),
        (request(image=None), "image"),
        (request(image=7), "image"),
        (request(metadata={}), "body"),
        (request(serviceAccountToken=7), "serviceAccountToken"),
        (request(serviceAccountToken=""), "serviceAccountToken"),
        (request(serviceAccountAnnotations=[]), "serviceAccountAnnotations"),
        (request(serviceAccountAnnotations={"a": 1}), "serviceAccountAnnotations"),
        (request(apiVersion=f"{GROUP}/v1beta1", serviceAccountToken=TOKEN), "serviceAccountToken"),
        (
            request(apiVersion=f"{GROUP}/v1alpha1", serviceAccountAnnotations={}),
            "serviceAccountAnnotations",
        ),
    ],
)
def test_a_request_is_read_strictly(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_request(json.dumps(body).encode())

    assert refused.value.violations[0].field == field
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b'{"image": "a", "image": "b"}', b'{"a": NaN}', b"null"],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read_request(body)


def test_a_pods_token_is_read_and_never_shown() -> None:
    body = request(serviceAccountToken=TOKEN, serviceAccountAnnotations={"team": "a"})
    read = read_request(json.dumps(body).encode())

    assert read.token is not None
    assert read.token.reveal() == TOKEN
    assert TOKEN not in repr(read)


@pytest.mark.parametrize("image", ["", "UPPER/Case", "a b", "reg.example.com/", "a_b.c/app"])
async def test_an_image_that_is_none_is_named(world: World, image: str) -> None:
    reply = await ask(world, image)

    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] in {"image", "registry"}
