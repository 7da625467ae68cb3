"""Explain says what resolve does, and why, without a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.access import Role
from regcred.domain.errors import InvalidInput, InvalidReference
from regcred.usecases.explain_image import Explanation
from regcred.usecases.serve_docker_helper import question_for_server
from tests.usecases.test_resolve_image import got, kill
from tests.usecases.world import PASSWORD, REGISTRY, World, presented


def ranks(explanation: Explanation) -> list[tuple[str, int | None]]:
    return [(ranked.candidate.name, ranked.rank) for ranked in explanation.candidates]


def rules(explanation: Explanation) -> dict[str, str]:
    return {ranked.candidate.name: ranked.rule for ranked in explanation.candidates}


async def test_candidates_stand_in_order_with_the_rule_that_ranked_them(world: World) -> None:
    await world.login("glob", "*.example.com/team")
    await world.login("all", REGISTRY)
    world.clock.forward(seconds=1)
    await world.login("newer", REGISTRY)
    await world.login("team", f"{REGISTRY}/team")
    await world.login("other", f"{REGISTRY}/teams")
    await world.login("elsewhere", "other.example.com")

    explained = await world.explain(world.operator, None, f"{REGISTRY}/team/app:v1")

    assert ranks(explained) == [
        ("team", 1),
        ("newer", 2),
        ("all", 3),
        ("glob", 4),
        ("other", None),
    ]
    assert rules(explained) == {
        "team": "exact host, covers path team",
        "newer": "exact host, covers the whole registry; after a longer path",
        "all": "exact host, covers the whole registry; after a newer login of the same scope",
        "glob": "host pattern, covers path team; after an exact host",
        "other": f"its scope {REGISTRY}/teams does not cover team/app by whole path components",
    }
    assert explained.reference.tag == "v1"


async def test_it_shows_no_secret(world: World) -> None:
    await world.login()

    explained = await world.explain(world.operator, None, f"{REGISTRY}/app")

    # Candidates carry the sealed bytes, in which the tests' sealer leaves the password readable.
    shown = [(r.candidate.name, r.rank, r.rule) for r in explained.candidates]
    assert PASSWORD not in repr(shown)
    assert world.store.reveals == []


async def test_a_dead_login_is_ranked_and_marked(world: World) -> None:
    await world.login()
    await kill(world)

    explained = await world.explain(world.operator, None, f"{REGISTRY}/app")

    (ranked,) = explained.candidates
    assert (ranked.rank, ranked.candidate.standing.withheld) == (1, True)
    assert explained.clients["docker"].anonymous


async def test_a_narrowed_puller_sees_what_its_patterns_touch(world: World) -> None:
    await world.login("wide", REGISTRY)
    await world.login("mine", f"{REGISTRY}/team/app")
    await world.login("other", f"{REGISTRY}/other")
    puller = await world.caller(Role.PULLER, f"{REGISTRY}/team")

    explained = await world.explain(puller, None, f"{REGISTRY}/team/app")

    assert ranks(explained) == [("mine", 1), ("wide", 2)]


async def test_for_another_image_a_narrowed_key_hears_that_it_is_narrowed(world: World) -> None:
    await world.login("wide", REGISTRY)
    puller = await world.caller(Role.PULLER, f"{REGISTRY}/team")

    explained = await world.explain(puller, None, f"{REGISTRY}/other")

    assert ranks(explained) == [("wide", None)]
    assert rules(explained) == {"wide": "this key is narrowed to other images"}
    assert all(client.anonymous for client in explained.clients.values())


@pytest.mark.parametrize("role", Role)
async def test_every_role_may_ask_why(world: World, role: Role) -> None:
    explained = await world.explain(await world.caller(role), None, "app")

    assert explained.candidates == ()


@pytest.mark.parametrize(
    ("image", "error"), [("UPPER", InvalidReference), ("reg.example.com:99999/a", InvalidInput)]
)
async def test_what_is_no_image_is_refused(
    world: World, image: str, error: type[InvalidInput]
) -> None:
    with pytest.raises(error):
        await world.explain(world.operator, None, image)


scopes = st.sampled_from(
    [REGISTRY, f"{REGISTRY}/a", f"{REGISTRY}/a/b", f"{REGISTRY}/ab", "*.example.com", "docker.io/a"]
)


@given(
    st.lists(st.tuples(scopes, st.booleans()), max_size=4),
    st.lists(scopes, max_size=1),
    st.sampled_from([f"{REGISTRY}/a/b/c", f"{REGISTRY}/ab", f"{REGISTRY}/z", "a/b"]),
)
async def test_explain_says_what_the_pullers_get(
    logins: list[tuple[str, bool]], patterns: list[str], image: str
) -> None:
    world = await World().open()
    for n, (scope, dead) in enumerate(logins):
        await world.login(f"n{n}", scope)
        if dead:
            await kill(world, f"n{n}")
    key = await world.key(Role.PULLER, *patterns)
    caller = await world.authenticate(key, request_id="", peer="")

    explained = await world.explain(caller, None, image)

    pulled = await world.pull(key, image)
    ranked = [r.candidate for r in explained.candidates if r.rank is not None]
    assert [c.name for c in ranked if not c.standing.withheld] == got(pulled)
    assert {c.name for c in ranked if c.standing.withheld} == {
        w.credential_name for w in pulled.withheld
    }
    host = str(explained.reference.address())
    by_host = got(await world.resolve(presented(key), question_for_server(host)))
    for client in ("docker", "podman"):
        tried = [a.candidate.name for a in explained.clients[client].tried]
        assert tried == by_host[:1]
    crane = [a.candidate.name for a in explained.clients["crane"].tried]
    assert crane == (got(pulled) or by_host)[:1]
