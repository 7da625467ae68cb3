"""Hand-outs over HTTP: each form as the program that reads it would, and the headers around it."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from regcred.domain import keyring
from tests.system.conftest import RequireTool, require_tool_fixture
from tests.tools.programs import environment, find, run
from tests.web.delivery.asking import PASSWORD, actions, add_dead
from tests.web.operations import OPERATIONS
from tests.web.world import Reply, World, problem

require_tool = require_tool_fixture

HOST = "registry.example.com"
HUB = "https://index.docker.io/v1/"
FORMS = tuple(op.path.rpartition("/")[2] for op in OPERATIONS if op.id in {
    "getDockerConfig", "getAuthFile", "getDockerAuthConfig", "getKubernetesSecret",
    "getExternalSecret", "getArgoCd", "getNomad", "getHostsToml",
})  # fmt: skip
NASTY = (
    "plain",
    "a<b>&c",
    "line\nline\r\n\ttab",
    'quote"back\\slash',
    "caf\u00e9 \u2028 \u2029 \U0001f600",
    "${var} $${var} $$${x} %{if} %%{if} $ % {}",
    "pass:word:with:colons",
    " spaces ",
)


async def ask(
    world: World, form: str, query: str = "", *, key: str = "puller", **more: Any
) -> Reply:
    return await world.send("GET", f"/v1/projects/-/{form}{query}", key=key, **more)


async def given(world: World, form: str, query: str = "") -> Reply:
    reply = await ask(world, form, query)
    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    return reply


async def auths(world: World, form: str, query: str = "") -> Any:
    return json.loads((await given(world, form, query)).text)["auths"]


def pair(auth: str) -> str:
    return base64.b64decode(auth, validate=True).decode()


# --- Kubernetes


@pytest.mark.parametrize("password", NASTY)
@pytest.mark.parametrize(
    ("registry", "server"), [("docker.io", HUB), (HOST, HOST), (f"{HOST}/team", f"{HOST}/team/")]
)
async def test_a_secret_of_one_login_is_what_kubectl_makes(
    world: World,
    tmp_path: Path,
    require_tool: RequireTool,
    registry: str,
    server: str,
    password: str,
) -> None:
    require_tool("kubectl")
    await world.add(registry_url=registry, username="robot<&>$x", password=password)

    ours = (await given(world, "kubernetes-secret", "?name=pull.me&namespace=prod")).json()
    made = run(
        [
            find("kubectl"), "create", "secret", "docker-registry", "pull.me", "--namespace=prod",
            f"--docker-server={server}", "--docker-username=robot<&>$x",
            f"--docker-password={password}", "--dry-run=client", "-o", "json",
        ],
        env=environment(tmp_path),
    )  # fmt: skip
    theirs = json.loads(made.out)

    def config(manifest: Any) -> bytes:
        return base64.b64decode(manifest["data"][".dockerconfigjson"])

    assert config(ours) == config(theirs)
    assert ours == theirs


async def test_a_secret_has_a_name_and_no_namespace_unless_told(world: World) -> None:
    await world.add()

    manifest = (await given(world, "kubernetes-secret")).json()

    assert manifest["metadata"] == {"name": "regcred", "creationTimestamp": None}
    assert manifest["type"] == "kubernetes.io/dockerconfigjson"


@pytest.mark.parametrize(
    "query",
    ["name=", "name=A", "name=a_b", "name=-a", "name=a..b", f"name={'a' * 254}", "namespace=a.b",
     "namespace=", f"namespace={'a' * 64}", "name=a%0a", "name=a&name=b"],
)  # fmt: skip
async def test_what_kubernetes_would_not_take_is_refused(world: World, query: str) -> None:
    reply = await ask(world, "kubernetes-secret", f"?{query}")

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("form", ["kubernetes-secret", "dockerconfigjson", "external-secrets"])
async def test_a_secret_that_kubernetes_could_not_store_is_refused(world: World, form: str) -> None:
    for number in range(36):
        await world.add(
            f"big-{number}", registry_url=f"r{number}.example.com", password="p" * 16384
        )

    reply = await ask(world, form)

    assert problem(reply) == "invalid-input"
    assert "1 MiB" in reply.text


async def test_docker_hub_is_spelled_twice_where_a_path_would_hide_it(world: World) -> None:
    await world.add("hub", registry_url="docker.io", username="hub")
    await world.add("acme", registry_url="docker.io/acme", username="acme")

    manifest = (await given(world, "kubernetes-secret")).json()
    held = json.loads(base64.b64decode(manifest["data"][".dockerconfigjson"]))["auths"]

    assert sorted(held) == ["docker.io", "docker.io/acme/", HUB]
    for image, user in (("docker.io/acme/app", "acme"), ("docker.io/library/nginx", "hub")):
        assert held[keyring.lookup(list(held), image)[0]]["username"] == user


@pytest.mark.parametrize("form", ["dockerconfigjson", "kubernetes-secret", "external-secrets"])
async def test_a_repository_that_the_kubelet_would_not_find_is_named(
    world: World, form: str
) -> None:
    await world.add("app", registry_url=f"{HOST}/team/app")
    await world.add("hub", registry_url="docker.io/acme")

    every = await given(world, form)
    named = await given(world, form, f"?image={HOST}/team/app")

    assert every.headers["regcred-left-out"] == (
        f"app (the image {HOST}/team/app itself: name it with image=)"
    )
    assert "regcred-left-out" not in named.headers


async def test_it_is_not_named_where_another_key_of_the_login_is_found(world: World) -> None:
    made = await world.add("all", registry_url=HOST)
    await world.add("team", registry_url=f"{HOST}/team")

    reply = await given(world, "kubernetes-secret")
    alone = await given(world, "kubernetes-secret", f"?credential={made['id']}")

    assert reply.headers["regcred-left-out"].startswith("team (the image ")
    assert "regcred-left-out" not in alone.headers


async def test_dockerconfigjson_has_scoped_keys_and_both_spellings(world: World) -> None:
    await world.add("team")
    await world.add("hub", registry_url="docker.io")
    await world.add("family", registry_url="*.example.org")

    held = await auths(world, "dockerconfigjson")

    assert sorted(held) == ["*.example.org", "docker.io", HUB, f"{HOST}/team/"]
    for login in held.values():
        assert login == {
            "username": "robot",
            "password": PASSWORD,
            "auth": base64.b64encode(f"robot:{PASSWORD}".encode()).decode(),
        }


@pytest.mark.parametrize("password", NASTY)
async def test_external_secrets_reads_flat_texts(world: World, password: str) -> None:
    end = world.clock.now + timedelta(hours=1)
    await world.add(password=password, expires_at=end.isoformat())

    flat = (await given(world, "external-secrets")).json()

    assert all(isinstance(value, str) for value in flat.values())
    assert (flat["username"], flat["password"]) == ("robot", password)
    assert flat["registry"] == f"{HOST}/team"
    assert flat["expires_at"].endswith("Z")
    held = json.loads(flat["dockerconfigjson"])["auths"]
    assert held[f"{HOST}/team/"]["password"] == password


async def test_of_several_logins_external_secrets_gets_the_configuration_alone(
    world: World,
) -> None:
    await world.add("one")
    await world.add("two", registry_url="two.example.com")

    assert list((await given(world, "external-secrets")).json()) == ["dockerconfigjson"]


# --- docker, podman


async def test_an_auth_file_has_paths_without_a_slash(world: World) -> None:
    await world.add("team")
    await world.add("hub", registry_url="docker.io")
    await world.add("identity", registry_url="id.example.com", username="<token>")

    held = await auths(world, "auth.json")

    assert sorted(held) == ["docker.io", HUB, "id.example.com", f"{HOST}/team"]
    assert pair(held[f"{HOST}/team"]["auth"]) == f"robot:{PASSWORD}"
    assert held["id.example.com"]["identitytoken"] == PASSWORD
    assert pair(held["id.example.com"]["auth"]) == "<token>:"


async def test_docker_auth_config_knows_hosts_alone_and_one_member(world: World) -> None:
    await world.add("all", registry_url=HOST, username="all")
    await world.add("team", username="team")
    await world.add("hub", registry_url="docker.io", username="hub")

    reply = await given(world, "docker-auth-config")
    held = json.loads(reply.text)["auths"]

    assert reply.headers["content-type"].startswith("text/plain")
    assert {host: pair(login["auth"]).split(":")[0] for host, login in held.items()} == {
        HOST: "all",
        "docker.io": "hub",
        HUB: "hub",
    }
    assert {member for login in held.values() for member in login} == {"auth"}
    assert "\n" not in reply.text


async def test_a_host_with_several_scoped_logins_gets_none_and_says_so(world: World) -> None:
    await world.add("team")
    await world.add("shop", registry_url=f"{HOST}/shop")
    await world.add("only", registry_url="only.example.com/path")
    await world.add("family", registry_url="*.example.org")

    reply = await given(world, "docker-auth-config")

    assert list(json.loads(reply.text)["auths"]) == ["only.example.com"]
    assert {*reply.headers["regcred-left-out"].split(", ")} == {
        "team (several at one registry)",
        "shop (several at one registry)",
        "family (a pattern)",
    }


async def test_an_image_says_which_of_them_is_meant(world: World) -> None:
    await world.add("team", username="team")
    await world.add("shop", registry_url=f"{HOST}/shop", username="shop")

    held = await auths(world, "docker-auth-config", f"?image={HOST}/shop/web")

    assert pair(held[HOST]["auth"]).startswith("shop:")


async def test_a_withheld_login_still_counts_where_a_host_decides(world: World) -> None:
    await world.add("team")
    await add_dead(world, registry_url=f"{HOST}/shop")

    assert problem(await ask(world, "docker-auth-config")) == "logins-withheld"


async def test_a_host_takes_the_next_login_where_the_best_is_withheld(world: World) -> None:
    await world.add("old", registry_url=HOST, username="old")
    await world.add("older-still", registry_url="*.example.com")
    await add_dead(world, registry_url=HOST)

    reply = await given(world, "docker-auth-config")

    assert pair(json.loads(reply.text)["auths"][HOST]["auth"]).startswith("old:")
    assert reply.headers["regcred-left-out"] == "older-still (another comes first)"


# --- one login


async def test_argocd_gets_user_and_password(world: World) -> None:
    await world.add(password="pass:word")

    reply = await given(world, "argocd")

    assert reply.text == "robot:pass:word"
    assert reply.headers["content-type"].startswith("text/plain")


async def test_of_one_image_the_first_login_is_taken(world: World) -> None:
    await world.add("old", registry_url=HOST, username="old")
    await world.add("new", registry_url=HOST, username="new")

    reply = await given(world, "argocd", f"?image={HOST}/app")

    assert reply.text == f"new:{PASSWORD}"
    assert reply.headers["regcred-left-out"] == "old (another comes first)"


@pytest.mark.parametrize("form", ["argocd", "nomad", "hosts.toml"])
async def test_what_holds_one_login_takes_no_two(world: World, form: str) -> None:
    for one in range(2):
        await world.add(f"login-{one}", registry_url=f"r{one}.example.com")

    reply = await ask(world, form)

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == "credential"
    assert "2" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("form", "more"),
    [
        ("argocd", {"password": "two\nlines"}),
        ("argocd", {"username": "<token>"}),
        ("nomad", {"username": "<token>"}),
        ("hosts.toml", {"username": "<token>"}),
        ("hosts.toml", {"password": "bell\a"}),
    ],
)
async def test_a_login_that_does_not_fit_is_refused(
    world: World, form: str, more: dict[str, str]
) -> None:
    await world.add(**more)

    reply = await ask(world, form)

    assert problem(reply) == "invalid-input"
    assert more.get("password", PASSWORD) not in reply.text


def unquoted(text: str) -> str:
    """Read a quoted HCL string as its specification does: escapes, then doubled signs."""
    out, rest = "", text[1:-1]
    escapes = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
    while rest:
        if rest.startswith("\\u"):
            out, rest = out + chr(int(rest[2:6], 16)), rest[6:]
        elif rest.startswith("\\"):
            out, rest = out + escapes[rest[1]], rest[2:]
        elif rest.startswith(("$${", "%%{")):
            out, rest = out + rest[1:3], rest[3:]
        else:
            assert not rest.startswith(("${", "%{", '"')), "a template would begin here"
            out, rest = out + rest[0], rest[1:]
    return out


@pytest.mark.parametrize("password", NASTY)
async def test_nomads_block_says_what_is_stored(world: World, password: str) -> None:
    await world.add(password=password)

    reply = await given(world, "nomad")
    block = re.fullmatch(
        r'auth \{\n  username = (".*")\n  password = (".*")\n  server_address = (".*")\n\}\n',
        reply.text,
    )

    assert block is not None
    assert [unquoted(text) for text in block.groups()] == ["robot", password, HOST]


async def test_nomad_hears_of_no_server_where_there_is_not_one(world: World) -> None:
    await world.add("family", registry_url="*.example.com")
    await world.add("bare", registry_url=None)

    for name in ("family", "bare"):
        assert "server_address" not in (await given(world, "nomad", f"?credential={name}")).text
    at = (await given(world, "nomad", f"?image={HOST}/app")).text
    assert f'server_address = "{HOST}"' in at


@pytest.mark.parametrize(
    ("registry", "server"),
    [(HOST, HOST), (f"{HOST}:5000/team", f"{HOST}:5000")],
)
@pytest.mark.parametrize("password", NASTY)
async def test_containerd_reads_the_header(
    world: World, registry: str, server: str, password: str
) -> None:
    await world.add(registry_url=registry, password=password)

    reply = await given(world, "hosts.toml")
    read = tomllib.loads(reply.text)

    url = f"https://{server}"
    assert reply.headers["content-type"] == "application/toml"
    assert read["server"] == url
    assert list(read["host"]) == [url]
    assert read["host"][url]["capabilities"] == ["pull", "resolve"]
    kind, _, auth = read["host"][url]["header"]["Authorization"].partition(" ")
    assert (kind, pair(auth)) == ("Basic", f"robot:{password}")


@pytest.mark.parametrize("query", ["", "?image=nginx"])
async def test_containerd_gets_no_header_for_docker_hub_which_would_not_take_it(
    world: World, query: str
) -> None:
    await world.add(registry_url="docker.io")

    reply = await ask(world, "hosts.toml", query)

    assert problem(reply) == "invalid-input"
    assert reply.json()["errors"][0]["field"] == "credential"
    assert "the kubelet's plugin" in reply.json()["detail"]
    assert "credential.revealed" not in await actions(world)


# --- headers


@pytest.mark.parametrize("form", FORMS)
async def test_what_a_client_has_is_not_handed_out_again(world: World, form: str) -> None:
    await world.add()
    first = await given(world, form)
    tag = first.headers["etag"]
    revealed = (await actions(world)).count("credential.revealed")

    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await ask(world, form, headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "no-store"
    assert (await actions(world)).count("credential.revealed") == revealed == 1
    other = await ask(world, form, headers={"If-None-Match": '"other"'})
    assert other.content == first.content


async def test_the_tag_is_strong_and_moves_with_the_content(world: World) -> None:
    await world.add()
    tags = {(await given(world, "dockerconfigjson")).headers["etag"] for _ in range(2)}
    for change in ({"password": "another"}, {"expires_at": "2031-01-01T00:00:00Z"}):
        path = "/v1/projects/-/credentials/ci-pull"
        assert (await world.send("PATCH", path, change)).status_code == 200
        tags.add((await given(world, "dockerconfigjson")).headers["etag"])

    assert len(tags) == 3
    assert all(re.fullmatch(r'"[0-9a-f]{32,}"', tag) for tag in tags)


@pytest.mark.parametrize("form", FORMS)
async def test_a_tag_says_nothing_of_another_projects_passwords(world: World, form: str) -> None:
    """Who saw it could store guesses as logins of a project of their own, and compare."""
    await world.add()
    await world.add(key="foreign admin")
    tag = (await given(world, form)).headers["etag"]

    condition = {"If-None-Match": tag}
    foreign = await ask(world, form, key="foreign puller", headers=condition)

    assert foreign.status_code == 200
    assert foreign.headers["etag"] != tag
    for ref in (world.home.id, world.home.number):
        path = f"/v1/projects/{ref}/{form}"
        same = await world.send("GET", path, key="puller", headers=condition)
        assert same.status_code == 304


@pytest.mark.parametrize("sent", ["", "x", '"a" "b"', ",".join(['"a"'] * 33)])
async def test_a_condition_that_is_none_is_refused(world: World, sent: str) -> None:
    await world.add()

    reply = await ask(world, "dockerconfigjson", headers={"If-None-Match": sent})

    assert reply.json()["errors"][0]["field"] == "If-None-Match"


async def test_the_soonest_end_is_told(world: World) -> None:
    for name, end in (("late", "2031-02-01T00:00:00Z"), ("soon", "2031-01-01T00:00:00Z")):
        await world.add(name, registry_url=f"{name}.example.com", expires_at=end)
    await world.add("never", registry_url="never.example.com")

    reply = await given(world, "auth.json")

    assert reply.headers["regcred-expires-at"] == "2031-01-01T00:00:00Z"
    other = await given(world, "auth.json", "?credential=never")
    assert "regcred-expires-at" not in other.headers


async def test_withheld_logins_are_named_and_come_if_they_are_forced(world: World) -> None:
    await add_dead(world, "d\u00e9j\u00e0, vu (2)")
    await world.add("good", registry_url="good.example.com")

    reply = await given(world, "dockerconfigjson")

    assert list(reply.json()["auths"]) == ["good.example.com"]
    assert reply.headers["regcred-withheld"] == "d%C3%A9j%C3%A0%2C vu %282%29 (rejected)"
    forced = await auths(world, "dockerconfigjson", "?force=true")
    assert list(forced) == ["good.example.com", f"{HOST}/team/"]


@pytest.mark.parametrize("form", FORMS)
async def test_nothing_is_handed_out_empty_because_it_would_replace_what_is_there(
    world: World, form: str
) -> None:
    none = await ask(world, form)
    for_image = await ask(world, form, f"?image={HOST}/app", headers={"If-None-Match": "*"})
    await add_dead(world)
    withheld = await ask(world, form)

    assert (none.status_code, problem(none)) == (404, "no-login")
    assert (for_image.status_code, problem(for_image)) == (404, "no-login")
    assert (withheld.status_code, problem(withheld)) == (409, "logins-withheld")
    assert withheld.json()["withheld"] == [{"name": "dead", "verdict": "rejected"}]
    assert "dead (rejected)" in withheld.json()["detail"]
    assert "credential.revealed" not in await actions(world)


@pytest.mark.parametrize("form", ["dockerconfigjson", "kubernetes-secret", "external-secrets"])
async def test_what_a_form_leaves_out_to_the_last_is_named(world: World, form: str) -> None:
    await world.add("identity", username="<token>")

    reply = await ask(world, form)

    assert problem(reply) == "no-login"
    assert reply.json()["left_out"] == [{"name": "identity", "why": "an identity token"}]
    assert "identity (an identity token)" in reply.json()["detail"]


async def test_of_many_left_out_a_sentence_names_some(world: World) -> None:
    for number in range(30):
        await world.add(
            f"token-{number}", registry_url=f"r{number}.example.com", username="<token>"
        )

    reply = await ask(world, "dockerconfigjson")

    assert len(reply.json()["left_out"]) == 30
    assert reply.json()["detail"].endswith(", and 10 more")


async def test_an_image_that_gets_nothing_beside_others_is_named(world: World) -> None:
    await world.add("good")
    await add_dead(world, registry_url="dead.example.com")
    await world.add("token", registry_url="token.example.com", username="<token>")
    images = ("registry.example.com/team/app", "dead.example.com/a", "none.example.com/b:1",
              "token.example.com/c")  # fmt: skip

    reply = await given(world, "dockerconfigjson", "?image=" + "&image=".join(images))

    assert {*reply.headers["regcred-left-out"].split(", ")} == {
        "token (an identity token)",
        "dead.example.com/a (every login is withheld)",
        "none.example.com/b (no login fits)",
        "token.example.com/c (the form takes none of its logins)",
    }


async def test_a_header_that_names_many_stays_short(world: World) -> None:
    for number in range(40):
        await world.add(f"{'long ' * 40}{number}", registry_url="*.example.com")
    await world.add("good")

    told = (await given(world, "auth.json")).headers["regcred-left-out"]

    assert len(told) < 2500
    assert re.search(r", and \d+ more\Z", told)


async def test_one_bad_entry_breaks_nothing_beside_it(world: World) -> None:
    await world.add("good", registry_url=HOST)
    await world.add("bell", registry_url="bell.example.com", password="bell\a")
    await world.add("token", registry_url="token.example.com", username="<token>")

    reply = await given(world, "dockerconfigjson")

    assert list(reply.json()["auths"]) == [HOST]
    assert {*reply.headers["regcred-left-out"].split(", ")} == {
        "bell (control characters)",
        "token (an identity token)",
    }


async def test_several_names_and_images_may_be_given_and_nothing_else(world: World) -> None:
    for name in ("one", "two", "three"):
        await world.add(name, registry_url=f"{name}.example.com")

    named = await auths(world, "auth.json", "?credential=one&credential=two")
    images = await auths(world, "auth.json", "?image=two.example.com/a&image=three.example.com/a")

    assert sorted(named) == ["one.example.com", "two.example.com"]
    assert sorted(images) == ["three.example.com", "two.example.com"]
    for query in ("?force=true&force=true", "?credentials=one", "?force=maybe"):
        assert problem(await ask(world, "auth.json", query)) == "invalid-input"
    assert problem(await ask(world, "auth.json", "?credential=none")) == "credential-not-found"


async def test_where_it_goes_is_recorded(world: World) -> None:
    await world.add()
    where = {"Regcred-Node": "node-7", "Regcred-Namespace": "shop"}
    await ask(world, "auth.json", f"?image={HOST}/team/app:1", headers=where)

    path = "/v1/projects/-/credentials/ci-pull/fetches"
    (fetched,) = (await world.send("GET", path)).json()["items"]
    assert (fetched["client"], fetched["image"]) == ("auth.json", f"{HOST}/team/app")
    assert (fetched["node"], fetched["namespace"]) == ("node-7", "shop")
    refused = await ask(world, "auth.json", headers={"Regcred-Node": "a b"})
    assert refused.json()["errors"][0]["field"] == "Regcred-Node"


async def test_head_tells_the_headers_alone(world: World) -> None:
    await world.add()

    reply = await world.send("HEAD", "/v1/projects/-/auth.json", key="puller")

    assert reply.status_code == 200
    assert reply.content == b""
    assert reply.headers["etag"] == (await given(world, "auth.json")).headers["etag"]
