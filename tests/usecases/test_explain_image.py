"""Explain says what resolve does, and why, without a secret."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.access import Role
from regcred.domain.errors import InvalidInput, InvalidReference
from regcred.domain.verdict import VerdictKind
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
    assert not any(client.tried for client in explained.clients.values())


ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEYS = {"username": "AKIAIOSFODNN7EXAMPLE", "provider": "ecr"}


async def why_not(world: World, image: str = f"{ECR}/app") -> str:
    """Return the reason that explain gives, after checking that resolve's is the same."""
    explained = await world.explain(world.operator, None, image)
    exchanged = len(world.registries.exchanged)
    pulled = await world.pull(await world.key(Role.PULLER), image)
    (ranked,) = explained.candidates

    assert ranked.withheld == bool(pulled.withheld)
    assert [ranked.reason] == [w.reason for w in pulled.withheld] or not pulled.withheld
    assert bool(explained.clients["crane"].tried) == bool(pulled.logins)
    assert len(world.registries.exchanged) == exchanged or not pulled.withheld
    return ranked.reason


async def exchange(world: World, says: VerdictKind) -> None:
    world.registries.exchange_says = says
    for place, claim in await world.exchanges.claim_due(9):
        await world.exchanges.renew(place, claim)


async def test_a_failed_exchange_is_told_with_its_reason_and_none_is_made(world: World) -> None:
    await world.login("ecr", ECR, **KEYS)
    await exchange(world, VerdictKind.DENIED)

    assert await why_not(world) == "The script says no."


async def test_a_login_that_is_kept_counts_until_its_end(world: World) -> None:
    await world.login("ecr", ECR, **KEYS)
    await exchange(world, VerdictKind.OK)
    world.clock.forward(hours=7)
    await exchange(world, VerdictKind.DENIED)

    assert await why_not(world) == ""
    world.clock.forward(hours=5)
    await exchange(world, VerdictKind.DENIED)
    assert await why_not(world) == "The script says no."


async def test_an_exchange_that_rests_or_was_put_off_is_told(world: World) -> None:
    await world.login("ecr", ECR, **KEYS)
    ((place, claim),) = await world.exchanges.claim_due(1)
    await world.store.put_off_login(place, claim, world.clock() + timedelta(minutes=5))

    assert "put off until 00:05:00 UTC" in await why_not(world)


async def test_what_was_refused_lately_is_told(world: World) -> None:
    stored = await world.login("ecr", ECR, **KEYS)
    world.registries.says = VerdictKind.REJECTED
    await world.verification.stored(world.operator, None, stored.id, None)

    assert "was refused lately" in await why_not(world)


async def test_a_login_without_a_region_says_that_it_has_none(world: World) -> None:
    await world.login("ecr", None, **KEYS)

    assert "does not say where" in await why_not(world, "1.dkr.ecr.evil.amazonaws.com/app")


async def test_before_the_first_exchange_there_is_nothing_to_say(world: World) -> None:
    await world.login("ecr", ECR, **KEYS)

    explained = await world.explain(world.operator, None, f"{ECR}/app")

    assert explained.candidates[0].reason == ""
    assert world.registries.exchanged == []


async def test_a_key_that_was_just_revoked_still_hears_what_it_asked(world: World) -> None:
    await world.login()
    gone = await world.caller(Role.VIEWER)
    await world.keys.delete(world.operator, None, gone.principal.id, None)

    assert len((await world.explain(gone, None, f"{REGISTRY}/app")).candidates) == 1


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
