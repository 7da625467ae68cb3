"""A pod pulls with its service-account token, as far as its workloads go, and does nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from regcred.domain.ports import StoredCluster, StoredWorkload
from regcred.domain.workload import EVERY_IMAGE
from tests.fakes.store import MemoryStore
from tests.tools.issuer import AUDIENCE, Issuer, rsa_key
from tests.web.delivery.asking import IMAGE, actions, get, names, resolve, told
from tests.web.operations import OPERATIONS, perform, targets
from tests.web.world import START, Reply, World, problem

WORKLOADS = "/v1/projects/-/workloads"
KUBELET = "/v1/projects/-/kubelet-credential"
PULLS = {"resolveImage", "dockerCredentialGet", "kubeletCredential"}


async def allow(
    world: World,
    *patterns: str,
    namespace: str = "shop",
    account: str = "web",
    key: str = "admin",
) -> str:
    """Let a service account pull; return the workload's path."""
    body = {
        "cluster": "prod-1",
        "namespace": namespace,
        "service_account": account,
        "image_patterns": list(patterns or ("registry.example.com/team",)),
    }
    reply = await world.send("POST", WORKLOADS, body, key=key)
    assert reply.status_code == 201, reply.text
    return f"{WORKLOADS}/{reply.json()['id']}"


@pytest.fixture
async def token(world: World) -> str:
    """A token of shop/web, which may pull the one login there is."""
    await world.set_up_cluster()
    await world.add()
    await allow(world)
    return world.issuer.token()


async def test_a_pod_gets_the_logins_that_its_workload_names(world: World, token: str) -> None:
    for project in ("-", str(world.home.id), str(world.home.number)):
        assert names(await resolve(world, key=token, project=project)) == ["ci-pull"]


async def test_the_audit_says_which_service_account_it_was(world: World, token: str) -> None:
    await resolve(world, key=token)

    row = (await world.send("GET", "/v1/projects/-/audit")).json()["items"][0]
    assert (row["action"], row["principal"]) == ("credential.revealed", "pod:prod-1/shop/web")


async def test_where_a_pod_runs_is_what_its_token_says(world: World, token: str) -> None:
    """A header is anybody's word, the token its cluster's."""
    headers = {"Regcred-Node": "made-up", "Regcred-Namespace": "made-up"}
    claims: dict[str, Any] = {"kubernetes.io": None}
    unbound = world.issuer.token(**claims)

    await resolve(world, key=token, headers=headers)
    await resolve(world, key=unbound, headers=headers)

    reply = await world.send("GET", "/v1/projects/-/credentials/ci-pull/fetches")
    told_ = {(one["node"], one["namespace"], one["principal"]) for one in reply.json()["items"]}
    assert told_ == {
        ("node-7", "shop", "pod:prod-1/shop/web"),
        ("", "shop", "pod:prod-1/shop/web"),
    }


async def test_dockers_helper_may_come_with_a_token_too(world: World, token: str) -> None:
    reply = await get(world, f"https://{IMAGE}", key=token)

    assert reply.json()["Username"] == "robot"


async def test_other_images_are_not_its(world: World, token: str) -> None:
    await world.add("other", registry_url="https://other.example.com")
    await world.add("wide", registry_url="https://registry.example.com")

    assert names(await resolve(world, "other.example.com/app", key=token)) == []
    assert names(await resolve(world, "registry.example.com/team2/app", key=token)) == []
    # Asked by host alone, only what its patterns take in whole.
    assert (await get(world, "registry.example.com", key=token)).json()["Username"] == "robot"
    assert (await get(world, "other.example.com", key=token)).status_code == 204


async def test_several_workloads_add_up(world: World, token: str) -> None:
    await world.add("other", registry_url="https://other.example.com")
    await allow(world, "other.example.com", account="*")

    assert names(await resolve(world, "other.example.com/app", key=token)) == ["other"]
    assert names(await resolve(world, key=token)) == ["ci-pull"]
    everything = await allow(world, "*", namespace="*", account="*")
    await world.add("third", registry_url="https://third.example.com")
    assert names(await resolve(world, "third.example.com/app", key=token)) == ["third"]
    await world.send("DELETE", everything)
    assert names(await resolve(world, "third.example.com/app", key=token)) == []


async def test_a_withdrawn_workload_counts_from_the_very_next_request(world: World) -> None:
    await world.set_up_cluster()
    await world.add()
    path = await allow(world)
    token = world.issuer.token()
    before = names(await resolve(world, key=token))

    await world.send("DELETE", path)
    here = await resolve(world, key=token, project=str(world.home.number))

    assert before == ["ci-pull"]
    assert problem(here) == "project-not-found"
    nowhere = await resolve(world, key=token)
    assert problem(nowhere) == "access-denied"
    assert "needs a workload that names it" in nowhere.json()["detail"]


async def test_a_deleted_cluster_counts_from_the_very_next_request(world: World) -> None:
    await world.set_up_cluster()
    path = await allow(world)
    token = world.issuer.token()
    in_use = await world.send("DELETE", "/v1/clusters/prod-1", key="operator")
    await world.send("DELETE", path)
    await world.send("DELETE", "/v1/clusters/prod-1", key="operator")

    assert problem(in_use) == "cluster-in-use"
    assert problem(await resolve(world, key=token)) == "not-authenticated"


async def test_another_project_looks_like_one_that_is_not_there(world: World, token: str) -> None:
    same = {"X-Request-Id": "the-same-id"}

    theirs, missing = [
        await resolve(world, key=token, project=project, headers=same)
        for project in (str(world.foreign.id), "019a9c1e-ffff-7fff-bfff-ffffffffffff")
    ]
    by_number = await resolve(world, key=token, project=str(world.foreign.number), headers=same)
    odd = await resolve(world, key=token, project="no project", headers=same)

    assert told(theirs) == told(missing) == told(by_number) == told(odd)
    assert problem(theirs) == "project-not-found"


async def test_a_service_account_of_two_projects_has_to_say_which(world: World, token: str) -> None:
    await world.add("theirs", key="foreign admin")
    await allow(world, key="foreign admin")

    unclear = await resolve(world, key=token)

    assert problem(unclear) == "invalid-input"
    assert unclear.json()["errors"][0]["field"] == "project"
    assert names(await resolve(world, key=token, project=str(world.foreign.number))) == ["theirs"]
    assert names(await resolve(world, key=token, project=str(world.home.number))) == ["ci-pull"]


# The kubelet


def request(token: object, **more: Any) -> dict[str, Any]:
    api = "credentialprovider.kubelet.k8s.io/v1"
    kind = "CredentialProviderRequest"
    body = {"apiVersion": api, "kind": kind, "image": IMAGE, "serviceAccountToken": token}
    return {**body, **more}


async def kubelet(world: World, token: object, key: str | None = None, **more: Any) -> Reply:
    return await world.send("POST", KUBELET, request(token, **more), key=key)


async def test_the_kubelet_hands_the_token_on_and_needs_no_key(world: World, token: str) -> None:
    reply = await kubelet(world, token)

    assert reply.status_code == 200, reply.text
    said = reply.json()
    assert [login["username"] for login in said["auth"].values()] == ["robot"]
    # A node keeps it no longer than the token lasts, and for this image alone.
    assert said["cacheKeyType"] == "Image"
    assert 3000 < int(said["cacheDuration"].removesuffix("s")) < 3600
    row = (await world.send("GET", "/v1/projects/-/audit")).json()["items"][0]
    assert row["principal"] == "pod:prod-1/shop/web"


async def test_a_login_of_the_whole_registry_is_this_pods_alone(world: World, token: str) -> None:
    await world.add("whole", registry_url="https://whole.example.com")
    await allow(world, "whole.example.com", account="*")

    said = (await kubelet(world, token, image="whole.example.com/app")).json()

    assert said["auth"]
    assert said["cacheKeyType"] == "Image"


async def test_the_token_wins_over_a_key(world: World, token: str) -> None:
    stranger = Issuer(START, key=rsa_key("stranger")).token()

    assert problem(await kubelet(world, stranger, key="admin")) == "not-authenticated"
    await kubelet(world, token, key="admin")
    row = (await world.send("GET", "/v1/projects/-/audit")).json()["items"][0]
    assert row["principal"] == "pod:prod-1/shop/web"


@pytest.mark.parametrize("project", ["-", "1", "999"])
async def test_a_key_is_no_token(world: World, token: str, project: str) -> None:
    path = KUBELET.replace("-/", f"{project}/", 1)
    key = world.keys["admin"]

    reply = await world.send("POST", path, request(key), key=None)

    assert problem(reply) == "not-authenticated"
    assert key not in reply.text
    assert token not in reply.text


async def test_who_comes_with_a_token_hears_what_is_wrong_with_the_rest(
    world: World, token: str
) -> None:
    for broken in ({"image": "NO"}, {"kind": "x"}, {"unknown": 1}):
        known = await kubelet(world, token, **broken)
        unknown = await kubelet(world, "a.b.c", **broken)

        assert known.status_code == 422, known.text
        assert problem(unknown) == "not-authenticated"
        assert problem(await kubelet(world, None, **broken)) == "not-authenticated"
        assert problem(await kubelet(world, 7, **broken)) == "not-authenticated"


# What is refused


def _refused(issuer: Issuer) -> dict[str, tuple[str, str]]:
    """Return tokens by what is wrong with them, with the words that the log has for it."""
    stranger = Issuer(START, key=rsa_key("stranger"))
    return {
        "an unknown cluster": (issuer.token(iss="https://no.example"), "no cluster has"),
        "another audience": (issuer.token(aud=["x"]), "no cluster has"),
        "expired": (issuer.token(exp=int(START.timestamp()) - 60), "it has expired"),
        "a stranger's signature": (stranger.token(), "its signature"),
        "another key": (issuer.token(header={"kid": "x"}), "no key of this id"),
        "two audiences": (issuer.token(aud=[AUDIENCE, "x"]), "iss or aud"),
        "no service account": (issuer.token(sub="someone"), "its sub"),
        "no token": ("not.a.token", "compact form"),
        "too long": (issuer.token(more="x" * 12_000), "too long"),
    }


@pytest.mark.usefixtures("token")
async def test_every_refused_token_is_told_the_same(world: World) -> None:
    asked = {"X-Request-Id": "the-same-id"}
    answers = []
    for label, (bad, why) in _refused(world.issuer).items():
        for project in ("-", str(world.home.number), "999"):
            with capture_logs() as logs:
                reply = await resolve(world, key=bad, project=project, headers=asked)
            answers.append(told(reply))

            assert problem(reply) == "not-authenticated", label
            reasons = [line["reason"] for line in logs if "reason" in line]
            assert len(reasons) == 1, label
            assert why in reasons[0], label
            # Neither the answer nor the log holds any part of the token.
            for part in bad.split(".") if len(bad) > 100 else [bad]:
                assert part not in reply.text
                assert part not in str(logs)

    assert len(set(map(str, answers))) == 1
    assert "credential.revealed" not in await actions(world)


@pytest.mark.usefixtures("token")
async def test_a_refused_token_hears_nothing_of_its_question(world: World) -> None:
    for bad, _ in _refused(world.issuer).values():
        reply = await world.send("POST", "/v1/projects/-/resolve", {"image": 7}, key=bad)

        assert problem(reply) == "not-authenticated"


async def test_a_known_pod_hears_what_is_wrong_with_its_question(world: World, token: str) -> None:
    reply = await world.send("POST", "/v1/projects/-/resolve", {"image": 7}, key=token)

    assert problem(reply) == "invalid-input"
    elsewhere = await world.send("POST", "/v1/projects/999/resolve", {"image": 7}, key=token)
    assert problem(elsewhere) == "project-not-found"


async def test_a_token_ends_while_the_pod_lives(world: World, token: str) -> None:
    world.clock.now += timedelta(hours=1, seconds=31)

    assert problem(await resolve(world, key=token)) == "not-authenticated"


async def test_a_pod_gets_into_nothing_else(world: World) -> None:
    """Whatever its workload: every other operation of the table of roles refuses it."""
    names_ = await targets(world, "x")
    await allow(world, "*", namespace="*", account="*")
    pod = world.issuer.token()
    others = [operation for operation in OPERATIONS if operation.id not in PULLS]

    for operation in others:
        reply = await perform(world, operation, who=pod, **names_)

        assert problem(reply) == "not-authenticated", operation.id
        assert pod not in reply.text
    assert len(others) == len(OPERATIONS) - len(PULLS)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/cloud/v3/inference/1/registry_credentials", "Authorization: apikey {}"),
        ("/v2/container-registry-auths", "X-Api-Key: {}"),
        ("/v3/docker-registries", "Authorization: Bearer {}"),
    ],
)
async def test_nor_into_another_language(world: World, token: str, path: str, headers: str) -> None:
    name, _, value = headers.format(token).partition(": ")

    reply: Reply = await world.send("GET", path, key=None, headers={name: value})

    assert reply.status_code == 401
    assert token not in reply.text


# Rows that somebody edited


async def test_an_edited_row_hands_nothing_out(world: World, token: str) -> None:
    store = world.store
    assert isinstance(store, MemoryStore)
    (kept,) = store._workloads.values()
    cluster = await store.find_cluster("prod-1")
    attacker = Issuer(START, key=rsa_key("attacker"))
    body: dict[str, Any] = attacker.jwks()

    store.edit_workload(
        StoredWorkload(replace(kept.workload, image_patterns=(EVERY_IMAGE,)), kept.stamp)
    )
    wider = await resolve(world, key=token)
    store.edit_workload(kept)
    store.edit_cluster(
        StoredCluster(replace(cluster.cluster, jwks=str(body).replace("'", '"')), cluster.stamp)
    )
    believed = await resolve(world, key=attacker.token())

    assert problem(wider) == problem(believed) == "seal-broken"
    assert "credential.revealed" not in await actions(world)


async def test_a_narrowed_admin_lets_nobody_pull_more(world: World) -> None:
    await world.set_up_cluster()
    made = await world.send(
        "POST",
        "/v1/projects/-/keys",
        {"name": "n", "role": "admin", "image_patterns": ["registry.example.com/team"]},
    )
    narrow = made.json()["key"]
    body = {"cluster": "prod-1", "namespace": "shop", "service_account": "web"}

    for wider in (["*"], ["registry.example.com"], ["registry.example.com/team", "x.example"]):
        reply = await world.send("POST", WORKLOADS, {**body, "image_patterns": wider}, key=narrow)
        assert problem(reply) == "access-denied", wider
    within = {**body, "image_patterns": ["registry.example.com/team/app"]}
    assert (await world.send("POST", WORKLOADS, within, key=narrow)).status_code == 201


async def test_a_key_that_ends_lets_nobody_pull_for_ever(world: World) -> None:
    await world.set_up_cluster()
    made = await world.send(
        "POST",
        "/v1/projects/-/keys",
        {"name": "n", "role": "admin", "expires_at": "2030-06-01T00:00:00Z"},
    )
    body = {
        "cluster": "prod-1",
        "namespace": "shop",
        "service_account": "web",
        "image_patterns": ["registry.example.com"],
    }

    reply = await world.send("POST", WORKLOADS, body, key=made.json()["key"])

    assert problem(reply) == "access-denied"


async def test_where_no_token_is_taken_the_refusal_says_where_one_is(
    world: World, token: str
) -> None:
    for path in ("dockerconfigjson", "credentials"):
        reply = await world.send("GET", f"/v1/projects/-/{path}", key=token)

        assert (reply.status_code, problem(reply)) == (401, "not-authenticated")
        assert "by resolve, docker's get and kubelet-credential alone" in reply.json()["detail"]
