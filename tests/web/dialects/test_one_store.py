"""One store, many faces: what one makes the others list, show, address, and keep when writing."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from regcred.web.dialects import DIALECTS
from tests.web.dialects.driver import Said, Shown, Speaker, driver_of, passwords
from tests.web.world import World, credential

NAMES = [dialect.name for dialect in DIALECTS]
VENDORS = [name for name in NAMES if name != "native"]

# The domain's word, Yotta's and Sevalla's; a face without a word for a family says its catch-all.
WORDS = [
    ("docker_hub", "DOCKER_HUB", "dockerHub", "docker.io"),
    ("gcp", "GCR", "gcr", ""),
    ("ecr", "ECR", "ecr", ""),
    ("acr", "ACR", "custom", ""),
    ("ghcr", "PRIVATE", "github", "ghcr.io"),
    ("gitlab", "PRIVATE", "gitlab", "registry.gitlab.com"),
    ("digitalocean", "PRIVATE", "digitalOcean", "registry.digitalocean.com"),
    ("generic", "PRIVATE", "custom", ""),
]


def speakers(world: World) -> dict[str, Speaker]:
    return {name: Speaker(world, driver_of(name)) for name in NAMES}


async def seen_by(speaker: Speaker, name: str) -> Shown:
    """Return the login of that name as a face lists it."""
    [found] = [shown for shown in await speaker.list() if shown.name == name]
    return found


@pytest.mark.parametrize(("maker", "other"), list(itertools.permutations(NAMES, 2)))
async def test_what_one_makes_the_other_lists_shows_changes_and_deletes(
    world: World, maker: str, other: str
) -> None:
    faces = speakers(world)
    await faces[maker].add("docker-hub")
    seen = await seen_by(faces[other], "docker-hub")

    shown = await faces[other].say(faces[other].at(seen.ref))
    changed = await faces[other].say(faces[other].driver.change(seen, "the-new-password"))
    handed_out = await passwords(world)
    deleted = await faces[other].say(faces[other].at(seen.ref, "DELETE"))

    assert faces[other].driver.read(shown.json()) == seen
    assert changed.status_code == 200
    assert handed_out == ["the-new-password"]
    assert deleted.status_code == faces[other].driver.deleted
    assert await faces[maker].list() == []


@pytest.mark.parametrize(("provider", "type_", "registry", "url"), WORDS)
async def test_families_have_each_faces_word(
    world: World, provider: str, type_: str, registry: str, url: str
) -> None:
    body = {"name": "a-login", "username": "robot", "password": "p", "provider": provider}
    made = await world.send("POST", "/v1/projects/-/credentials", body)
    assert made.status_code == 201, made.text

    assert (await _shown(world, "yotta"))["type"] == type_
    assert (await _shown(world, "sevalla"))["registry"] == registry
    assert (await _shown(world, "gcore"))["registry_url"] == url


async def _shown(world: World, name: str) -> dict[str, Any]:
    """Return the only login as a face shows it."""
    speaker = Speaker(world, driver_of(name))
    told = (await speaker.say(Said("GET", speaker.driver.collection))).json()
    [only] = told.get("data", told.get("results"))
    shown: dict[str, Any] = only
    return shown


@pytest.mark.parametrize(
    ("word", "provider"),
    [(registry, provider) for provider, _, registry, _ in WORDS if provider != "acr"],
)
async def test_sevallas_words_are_kept(world: World, word: str, provider: str) -> None:
    speaker = Speaker(world, driver_of("sevalla"))
    said = speaker.driver.create("a-login")
    reply = await speaker.say(Said(said.method, said.path, {**(said.body or {}), "registry": word}))

    assert reply.json()["registry"] == word
    native = await world.send("GET", "/v1/projects/-/credentials/a-login")
    assert native.json()["provider"] == provider
    assert (native.json()["scopes"] == []) == (word == "custom")


@pytest.mark.parametrize("word", ["DOCKER_HUB", "GCR", "ECR", "ACR", "PRIVATE"])
async def test_yottas_words_are_kept(world: World, word: str) -> None:
    speaker = Speaker(world, driver_of("yotta"))
    said = speaker.driver.create("a-login")
    reply = await speaker.say(Said(said.method, said.path, {**(said.body or {}), "type": word}))

    assert reply.json()["data"]["type"] == word


@pytest.mark.parametrize(
    ("url", "type_", "registry"),
    [
        ("docker.io", "DOCKER_HUB", "dockerHub"),
        ("https://index.docker.io/v1/", "DOCKER_HUB", "dockerHub"),
        ("https://ghcr.io", "PRIVATE", "github"),
        ("europe-west1-docker.pkg.dev/project", "GCR", "gcr"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ECR", "ecr"),
        ("acme.azurecr.io", "ACR", "custom"),
        ("https://registry.example.com", "PRIVATE", "custom"),
        ("my registry, at home", "PRIVATE", "custom"),
    ],
)
async def test_a_registry_that_gcore_was_told_has_its_familys_word(
    world: World, url: str, type_: str, registry: str
) -> None:
    speaker = Speaker(world, driver_of("gcore"))
    said = speaker.driver.create("a-login")
    body = {**(said.body or {}), "registry_url": url}

    reply = await speaker.say(Said(said.method, said.path, body))

    assert reply.json()["registry_url"] == url
    assert (await _shown(world, "yotta"))["type"] == type_
    assert (await _shown(world, "sevalla"))["registry"] == registry


@pytest.mark.parametrize("name", ["My Hub", "ünïcode", "a", "1", "UPPER", "x" * 255, "a.b_c@d+e"])
async def test_any_name_is_shown_and_addressed(world: World, name: str) -> None:
    await world.add(name, registry_url="docker.io")
    for face in speakers(world).values():
        seen = await seen_by(face, name)
        ref = _quoted(seen.ref)
        assert (await face.say(face.at(ref))).status_code == 200
        changed = face.driver.change(Shown(ref, name), "the-new-password")
        assert (await face.say(changed)).status_code == 200


def _quoted(ref: str) -> str:
    return ref.replace(" ", "%20").replace("ü", "%C3%BC").replace("ï", "%C3%AF")


async def test_gcore_takes_an_id_where_a_name_is_meant(world: World) -> None:
    made = await world.add("ci-pull")
    speaker = Speaker(world, driver_of("gcore"))

    assert (await speaker.say(speaker.at(made["id"]))).json()["name"] == "ci-pull"


EXTRAS: dict[str, Any] = {
    "labels": {"team": "shop"},
    "description": "Pulls the shop's images.",
    "expires_at": "2031-01-01T00:00:00Z",
    "settings": {"realm": "auth.example.com"},
}


@pytest.mark.parametrize("name", VENDORS)
async def test_what_a_face_does_not_know_is_kept_when_it_writes(world: World, name: str) -> None:
    made = await world.add("ci-pull", registry_url="https://registry.example.com/team", **EXTRAS)
    await world.send("PUT", "/v1/projects/-/credentials/ci-pull/uses/deployment/web", {})
    speaker = Speaker(world, driver_of(name))
    seen = await seen_by(speaker, "ci-pull")
    said = speaker.driver.change(seen, "the-new-password", "robot2")
    body = dict(said.body or {})
    if name == "gcore":
        body["registry_url"] = (await _shown(world, name))["registry_url"]

    reply = await speaker.say(Said(said.method, said.path, body))

    assert reply.status_code == 200, reply.text
    now = (await world.send("GET", "/v1/projects/-/credentials/ci-pull")).json()
    kept = {*EXTRAS, "registry_url", "scopes", "provider", "id", "number", "name", "created_at"}
    assert {key: now[key] for key in kept} == {key: made[key] for key in kept}
    assert now["username"] == "robot2"
    uses = await world.send("GET", "/v1/projects/-/credentials/ci-pull/uses")
    assert [use["name"] for use in uses.json()["items"]] == ["web"]
    assert await passwords(world, "registry.example.com/team/app") == ["the-new-password"]


@pytest.mark.parametrize("name", ["yotta", "sevalla"])
async def test_a_new_name_alone_keeps_password_and_verdict(world: World, name: str) -> None:
    await world.add("ci-pull", registry_url="docker.io")
    await world.send("POST", "/v1/projects/-/credentials/ci-pull:verify", {})
    speaker = Speaker(world, driver_of(name))
    seen = await seen_by(speaker, "ci-pull")

    reply = await speaker.say(Said("PATCH", speaker.at(seen.ref).path, {"name": "renamed"}))

    assert reply.status_code == 200
    now = (await world.send("GET", "/v1/projects/-/credentials/renamed")).json()
    assert now["verdict"]["verdict"] == "ok"
    assert await passwords(world) == [credential()["password"]]


@pytest.mark.parametrize("name", ["yotta", "sevalla"])
async def test_an_empty_change_changes_nothing(world: World, name: str) -> None:
    await world.add("ci-pull", registry_url="docker.io", **EXTRAS)
    speaker = Speaker(world, driver_of(name))
    seen = await seen_by(speaker, "ci-pull")

    reply = await speaker.say(Said("PATCH", speaker.at(seen.ref).path, {}))

    assert reply.status_code == 200
    assert await seen_by(speaker, "ci-pull") == seen
    assert await passwords(world) == [credential()["password"]]


async def test_gcore_moves_a_login_to_another_registry(world: World) -> None:
    """With a provider that has no logins there it becomes anyone's; one that does, stays."""
    await world.send(
        "POST", "/v1/projects/-/credentials",
        {"name": "hub-login", "username": "u", "password": "p", "provider": "docker_hub"},
    )  # fmt: skip
    await world.add("lab-login", registry_url="lab.example.com", provider="gitlab", **EXTRAS)
    await world.add("same-host", registry_url="https://registry.example.com/team", **EXTRAS)
    speaker = Speaker(world, driver_of("gcore"))

    async def move(name: str, url: str) -> Any:
        body = {"username": "u", "password": "p2", "registry_url": url}
        reply = await speaker.say(Said("PUT", f"{speaker.driver.collection}/{name}", body))
        assert reply.json()["registry_url"] == url
        return (await world.send("GET", f"/v1/projects/-/credentials/{name}")).json()

    moved = await move("hub-login", "https://registry.example.com")
    assert (moved["provider"], moved["scopes"]) == ("generic", ["registry.example.com"])
    stays = await move("lab-login", "lab2.example.com")
    assert (stays["provider"], stays["settings"]) == ("gitlab", {})
    same = await move("same-host", "https://registry.example.com/other")
    assert (same["registry_url"], same["settings"]) == (
        "https://registry.example.com/other",
        EXTRAS["settings"],
    )
    without = await move("lab-login", "")
    assert (without["registry_url"], without["provider"]) == (None, "generic")
    assert (without["scopes"], without["settings"]) == ([], {})


async def test_gcore_writes_back_what_it_was_shown(world: World) -> None:
    """A registry that only stands for a family is not turned into an address by that."""
    await world.send(
        "POST", "/v1/projects/-/credentials",
        {"name": "hub-login", "username": "u", "password": "p", "provider": "docker_hub"},
    )  # fmt: skip
    speaker = Speaker(world, driver_of("gcore"))
    shown = (await speaker.say(speaker.at("hub-login"))).json()

    body = {"username": "u", "password": "p2", "registry_url": shown["registry_url"]}
    await speaker.say(Said("PUT", speaker.at("hub-login").path, body))

    now = (await world.send("GET", "/v1/projects/-/credentials/hub-login")).json()
    assert shown["registry_url"] == "docker.io"
    assert (now["registry_url"], now["provider"]) == (None, "docker_hub")


async def test_sevalla_moves_a_login_only_if_another_registry_is_given(world: World) -> None:
    await world.add("ci-pull", registry_url="https://ghcr.io/acme", **EXTRAS)
    speaker = Speaker(world, driver_of("sevalla"))
    path = speaker.at((await seen_by(speaker, "ci-pull")).ref).path

    async def patch(**body: str) -> Any:
        assert (await speaker.say(Said("PATCH", path, body))).status_code == 200
        return (await world.send("GET", "/v1/projects/-/credentials/ci-pull")).json()

    same = await patch(registry="github")
    assert (same["registry_url"], same["settings"]) == (
        "https://ghcr.io/acme",
        EXTRAS["settings"],
    )
    moved = await patch(registry="gitlab")
    assert (moved["registry_url"], moved["provider"], moved["settings"]) == (None, "gitlab", {})
    assert moved["scopes"] == ["registry.gitlab.com"]
    nowhere = await patch(registry="custom")
    assert (nowhere["provider"], nowhere["scopes"]) == ("generic", [])


async def test_who_may_not_see_a_password_cannot_move_it_through_sevalla(world: World) -> None:
    """Whoever names the registry that a login is checked against receives its password."""
    await world.add("ci-pull", registry_url="docker.io")
    speaker = Speaker(world, driver_of("sevalla"))
    path = speaker.at((await seen_by(speaker, "ci-pull")).ref).path

    reply = await speaker.refused(Said("PATCH", path, {"registry": "github"}), 422, who="editor")
    again = await speaker.say(
        Said("PATCH", path, {"registry": "github", "secret": "typed-in-again"}), who="editor"
    )

    assert speaker.driver.blamed(reply) == {"secret"}
    assert again.status_code == 200


async def test_the_older_yotta_addresses_the_same_logins(world: World) -> None:
    speaker = Speaker(world, driver_of("yotta"))
    root = "/openapi/v1/credentials"
    made = await speaker.say(
        Said("POST", f"{root}/create", {"name": "old", "username": "u", "token": "t0ken-t0ken"})
    )
    number = made.json()["data"]

    shown = await speaker.say(Said("GET", f"{root}/{number}"))
    listed = await speaker.say(Said("GET", f"{root}/list"))
    newer = await speaker.say(speaker.at(number))
    await world.send("PUT", "/v1/projects/-/credentials/old/uses/pod/jupyter", {})
    in_use = await speaker.refused(Said("DELETE", f"{root}/{number}"), 409)
    await world.send("DELETE", "/v1/projects/-/credentials/old/uses/pod/jupyter")
    deleted = await speaker.say(Said("DELETE", f"{root}/{number}"))

    assert number == "1"
    assert shown.json()["data"] == {"id": "1", "name": "old"}
    assert listed.json()["data"] == [{"id": "1", "name": "old"}]
    assert newer.json()["data"]["id"] == 1
    assert in_use.json()["code"] == 25002
    assert in_use.json()["data"] == [{"type": "POD", "id": "jupyter", "name": "jupyter"}]
    assert deleted.json() == {"message": "success", "code": 10000, "data": None}
    assert await speaker.list() == []
    for method in ("PATCH", "PUT"):
        await speaker.refused(Said(method, f"{root}/1", {}), 405)


async def test_keys_of_both_kinds_at_once_yotta_looks_at_its_own(world: World) -> None:
    speaker = Speaker(world, driver_of("yotta"))
    good, bad = world.keys["admin"], "nonsense"
    said = Said("GET", speaker.driver.collection)

    async def ask(**headers: str) -> int:
        return (await speaker.say(said, who=None, headers=headers)).status_code

    assert await ask(Authorization=f"Bearer {good}") == 200
    assert await ask(**{"X-Api-Key": good, "Authorization": f"Bearer {bad}"}) == 200
    assert await ask(**{"X-Api-Key": bad, "Authorization": f"Bearer {good}"}) == 401
    assert await ask(**{"X-Api-Key": "", "Authorization": f"Bearer {good}"}) == 401
    assert await ask(Authorization=f"APIKey {good}") == 401


@pytest.mark.parametrize("scheme", ["apikey", "APIKey", "APIKEY", "ApiKey"])
async def test_gcores_scheme_is_compared_without_case(world: World, scheme: str) -> None:
    speaker = Speaker(world, driver_of("gcore"))
    said = Said("GET", speaker.driver.collection)
    key = world.keys["admin"]

    good = await speaker.say(said, who=None, headers={"Authorization": f"{scheme} {key}"})
    bearer = await speaker.refused(said, 401, who=None, headers={"Authorization": f"Bearer {key}"})

    assert good.status_code == 200
    assert bearer.json()["exception_class"] == "token_not_valid"
    # Split at the first space alone: the vendor's own test key has spaces in it.
    spaced = await speaker.refused(
        said, 401, who=None, headers={"Authorization": f"{scheme} My API Key"}
    )
    assert "My API Key" not in spaced.text
    await speaker.refused(said, 401, who=None, headers={"Authorization": f"{scheme}  {key}"})


async def test_an_operators_key_reaches_other_projects_by_gcores_numbers(world: World) -> None:
    await world.add("theirs", key="foreign admin")
    path = "/cloud/v3/inference/2/registry_credentials"
    speaker = Speaker(world, driver_of("gcore"))

    reply = await speaker.say(Said("GET", path), who="operator")

    assert reply.json()["results"][0] == {
        "project_id": 2,
        "name": "theirs",
        "username": "robot",
        "registry_url": "https://registry.example.com/team",
    }


async def test_offsets_and_totals_agree_with_what_is_there(world: World) -> None:
    for number in range(7):
        await world.add(f"login-{number}")
    await world.send("DELETE", "/v1/projects/-/credentials/login-2")
    names = [f"login-{n}" for n in (0, 1, 3, 4, 5, 6)]
    for name, total in (("gcore", "count"), ("sevalla", "total")):
        speaker = Speaker(world, driver_of(name))
        walked: list[str] = []
        for offset in (0, 4, 8):
            path = f"{speaker.driver.collection}?limit=4&offset={offset}"
            told = (await speaker.say(Said("GET", path))).json()
            assert told[total] == 6
            walked += [shown.name for shown in speaker.driver.listed(told)]
        assert walked == names
