"""Stored secrets that are exchanged: what pullers get, how often the cloud is asked, by whom."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    InvalidInput,
    KeyringUnavailable,
    NotAuthenticated,
    QuotaExceeded,
    RegcredError,
    StoreUnavailable,
)
from regcred.domain.event import EventKind
from regcred.domain.ports import EventFilter, LoginPlace, ResolveRead
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.token import ApiToken
from regcred.domain.verdict import VerdictKind
from regcred.usecases.change_credential import Change
from regcred.usecases.exchange_logins import PRINCIPAL
from regcred.usecases.kept_login import Exchangeable, NoLogin, Patience
from regcred.usecases.open_login import Login
from regcred.usecases.pull import Resolution
from regcred.usecases.waiting_pulls import ROOM
from tests.fakes.registries import AWAY, REJECTED
from tests.usecases.world import CHECKS, World

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "a secret access key"
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE = f"{HOST}/team/app:1"
ELSEWHERE = IMAGE.replace("eu-west-1", "us-east-1")


@pytest.fixture
async def world() -> World:
    return await World().open()


async def store(world: World, registry: str | None = HOST, **more: Any) -> RegistryCredential:
    fields = {"username": KEY_ID, "password": SECRET, "provider": "ecr", **more}
    return await world.login("ecr", registry, **fields)


async def pull(world: World, image: str = IMAGE, **more: Any) -> Resolution:
    return await world.pull(await world.key(Role.PULLER), image, **more)


async def renew(world: World) -> int:
    due = await world.exchanges.claim_due(100)
    for place, claim in due:
        await world.exchanges.renew(place, claim)
    return len(due)


def only(answer: Resolution) -> Login:
    (login,) = answer.logins
    return login


async def test_a_puller_gets_the_login_and_never_the_secret(world: World) -> None:
    await store(world)

    now = world.clock()
    login = only(await pull(world))

    assert (login.username, login.password.reveal()) == ("AWS", "fresh login 1")
    assert login.expires_at == now + timedelta(hours=12)
    assert world.registries.exchanged == [(KEY_ID, "eu-west-1")]


async def test_the_next_pulls_get_the_same_login_without_an_exchange(world: World) -> None:
    await store(world)
    first = only(await pull(world))
    world.clock.forward(hours=11)
    last = only(await pull(world))

    assert first.password == last.password
    assert len(world.registries.exchanged) == 1


async def test_a_login_that_has_ended_is_exchanged_by_the_pull_itself(world: World) -> None:
    await store(world)
    await pull(world)
    world.clock.forward(hours=12)

    assert only(await pull(world)).password.reveal() == "fresh login 2"


async def test_every_region_has_a_login_of_its_own(world: World) -> None:
    await store(world, None)

    both = [only(await pull(world, image)) for image in (IMAGE, ELSEWHERE)]

    assert [login.password.reveal() for login in both] == ["fresh login 1", "fresh login 2"]
    assert [place for _, place in world.registries.exchanged] == ["eu-west-1", "us-east-1"]


async def test_storing_has_a_login_ready_before_the_first_pull(world: World) -> None:
    await store(world)

    assert await renew(world) == 1
    assert only(await pull(world)).password.reveal() == "fresh login 1"
    assert len(world.registries.exchanged) == 1


async def test_where_the_region_is_not_known_yet_nothing_is_planned(world: World) -> None:
    await store(world, None)

    assert await renew(world) == 0


async def test_a_login_is_renewed_once_half_of_its_life_is_over(world: World) -> None:
    await store(world)
    await renew(world)
    world.clock.forward(hours=5, minutes=59)
    early = await renew(world)
    world.clock.forward(hours=2)
    late = await renew(world)

    assert (early, late) == (0, 1)
    assert only(await pull(world)).password.reveal() == "fresh login 2"


async def test_the_old_login_is_handed_out_while_the_next_is_under_way(world: World) -> None:
    await store(world)
    await renew(world)
    world.clock.forward(hours=8)
    assert len(await world.exchanges.claim_due(9)) == 1

    assert only(await pull(world)).password.reveal() == "fresh login 1"


async def test_many_first_pulls_ask_the_cloud_once(world: World) -> None:
    await store(world)
    key = await world.key(Role.PULLER)

    answers = await asyncio.gather(*(world.pull(key, IMAGE) for _ in range(50)))

    assert {only(answer).password.reveal() for answer in answers} == {"fresh login 1"}
    assert len(world.registries.exchanged) == 1


async def test_who_waits_too_long_for_another_is_told_so(world: World) -> None:
    await store(world, None)
    world.bell.hangs = True
    before = world.clock()

    answer = await pull(world)

    assert answer.logins == []
    (withheld,) = answer.withheld
    assert (withheld.verdict, "under way" in withheld.reason) == ("unreachable", True)
    assert timedelta(seconds=8) <= world.clock() - before < timedelta(seconds=9)


async def test_a_pull_of_many_logins_waits_no_longer_than_one(world: World) -> None:
    for number in range(5):
        await world.login(f"ecr-{number}", HOST, username=KEY_ID, password=SECRET, provider="ecr")
    world.bell.hangs = True
    before = world.clock()

    answer = await pull(world)

    assert len(answer.withheld) == 5
    assert world.clock() - before < timedelta(seconds=9)
    world.bell.hangs = False
    assert await renew(world) == 5, "all of them were asked for"


async def test_half_of_all_places_hold_one_projects_waiting_pulls(world: World) -> None:
    await store(world, None)
    world.bell.hangs = True
    key = await world.key(Role.PULLER)

    answers = await asyncio.gather(*(world.pull(key, IMAGE) for _ in range(ROOM // 2 + 10)))

    assert world.bell.most == ROOM // 2
    assert all(answer.withheld for answer in answers)


async def test_a_rollout_plans_one_exchange(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(world, None)
    key = await world.key(Role.PULLER)
    planned: list[LoginPlace] = []
    plan = world.store.plan_login

    async def slow(place: LoginPlace, *rest: Any) -> bool:
        planned.append(place)
        await asyncio.sleep(0)
        return await plan(place, *rest)

    monkeypatch.setattr(world.store, "plan_login", slow)

    answers = await asyncio.gather(*(world.pull(key, IMAGE) for _ in range(10)))

    assert len(planned) == 1
    assert {only(answer).password.reveal() for answer in answers} == {"fresh login 1"}


async def test_a_worker_that_died_is_replaced(world: World) -> None:
    await store(world, None)
    world.bell.hangs = True
    await pull(world)
    (place, _), *_ = await world.exchanges.claim_due(1)
    world.bell.hangs = False
    busy = await pull(world)
    world.clock.forward(seconds=30)

    assert place.place == "eu-west-1"
    assert busy.logins == []
    assert only(await pull(world)).password.reveal() == "fresh login 1"


async def test_a_refused_secret_is_refused_with_the_reason(world: World) -> None:
    await store(world, password=REJECTED)

    answer = await pull(world)

    assert answer.logins == []
    assert [(w.verdict, w.reason) for w in answer.withheld] == [("rejected", "The script says no.")]
    assert world.store.reveals == []


async def test_pulls_do_not_try_a_refused_secret_again(world: World) -> None:
    await store(world, password=REJECTED)
    for _ in range(10):
        await pull(world)

    assert len(world.registries.exchanged) == 1


async def test_a_refused_secret_is_confirmed_once_and_then_withheld(world: World) -> None:
    stored = await store(world, password=REJECTED)
    for _ in range(100):
        await renew(world)
        world.clock.forward(minutes=10)

    found = await world.store.find_credential(world.home.id, stored.id)
    assert len(world.registries.exchanged) == 2
    assert found.standing.withheld
    assert [w.reason for w in (await pull(world)).withheld] == [""]


async def test_a_secret_that_a_check_found_dead_is_not_tried_by_a_renewal(world: World) -> None:
    stored = await store(world)
    await renew(world)
    world.registries.says = VerdictKind.REJECTED
    for _ in range(2):
        await world.verification.stored(world.operator, None, stored.id, None)
        world.clock.forward(hours=4)
    await renew(world)

    assert len(world.registries.exchanged) == 1
    assert await renew(world) == 0


async def test_a_cloud_that_is_away_spoils_no_login_that_works(world: World) -> None:
    stored = await store(world)
    await renew(world)
    world.registries.away = True
    world.clock.forward(hours=8)
    await renew(world)

    assert only(await pull(world)).password.reveal() == "fresh login 1"
    found = await world.store.find_credential(world.home.id, stored.id)
    assert found.standing.last is None


async def test_a_cloud_that_is_away_is_asked_again_soon(world: World) -> None:
    await store(world, password=AWAY)
    first = await pull(world)
    second = await pull(world)
    world.clock.forward(seconds=10)
    third = await pull(world)

    assert [len(answer.withheld) for answer in (first, second, third)] == [1, 1, 1]
    assert len(world.registries.exchanged) == 2


async def test_a_new_secret_ends_the_old_login(world: World) -> None:
    stored = await store(world)
    await pull(world)
    change = Change(frozenset({"username"}), username="AKIAI44QH8DHBEXAMPLE")
    await world.credentials.patch(world.operator, None, stored.id, None, change)

    login = only(await pull(world))

    assert login.password.reveal() == "fresh login 2"
    assert world.registries.exchanged[-1] == ("AKIAI44QH8DHBEXAMPLE", "eu-west-1")


async def test_a_person_who_verifies_wakes_an_exchange_that_rests(world: World) -> None:
    stored = await store(world, password=AWAY)
    await pull(world)
    reference = ImageReference.parse(IMAGE)
    world.registries.says = VerdictKind.OK
    await world.verification.stored(world.operator, None, stored.id, reference)

    assert await renew(world) == 1


async def test_an_exchange_is_audited_with_its_place(world: World) -> None:
    stored = await store(world)
    await pull(world)

    (event,) = await world.events(Action.CREDENTIAL_EXCHANGED)
    assert (event.principal, event.target) == (PRINCIPAL, str(stored.id))
    assert event.details["place"] == "eu-west-1"


async def test_a_failed_exchange_is_audited_with_its_verdict(world: World) -> None:
    await store(world, password=REJECTED)
    await pull(world)

    (event,) = await world.events(Action.CREDENTIAL_EXCHANGED)
    (checked,) = await world.events(Action.CREDENTIAL_VERIFIED)
    assert event.details["verdict"] == checked.details["verdict"] == "rejected"


async def test_the_first_failure_in_a_row_is_news(world: World) -> None:
    stored = await store(world)
    await renew(world)
    world.registries.away = True
    world.clock.forward(hours=8)
    for _ in range(3):
        assert await renew(world) == 1
        world.clock.forward(minutes=20)

    told = await world.store.list_events(
        world.home.id, EventFilter(EventKind.EXCHANGE_FAILED), 0, 10
    )
    (event,) = told
    assert event.credential_id == stored.id
    assert event.details == {
        "verdict": "unreachable",
        "place": "eu-west-1",
        "next_step": "The script says no.",
    }


async def test_a_place_that_is_not_there_and_never_worked_is_no_news(world: World) -> None:
    await store(world, None)
    world.registries.away = True
    for number in range(5):
        await pull(world, IMAGE.replace("eu-west-1", f"eu-fake-{number}"))

    assert not await world.store.list_events(world.home.id, EventFilter(), 0, 10)


@pytest.mark.parametrize("registry", [HOST.replace("eu-west-1", "foo"), "1.dkr-ecr.x.on.aws"])
async def test_where_one_cannot_tell_the_region_the_key_stays_here_all_the_same(
    world: World, registry: str
) -> None:
    await store(world, None)

    answer = await pull(world, f"{registry}/team/app:1", force=True)

    assert answer.logins == []
    assert [w.verdict for w in answer.withheld] == ["unsupported"]
    assert world.store.reveals == []


@pytest.mark.parametrize("provider", ["ecr", "generic"])
async def test_an_editor_may_not_have_pullers_get_the_key_by_another_user_name(
    world: World, provider: str
) -> None:
    stored = await store(world, provider=provider)
    editor = await world.caller(Role.EDITOR)
    change = Change(frozenset({"username"}), username="AWS")

    with pytest.raises(InvalidInput, match="password: must be given again"):
        await world.credentials.patch(editor, None, stored.id, None, change)
    await world.credentials.patch(world.operator, None, stored.id, None, change)

    assert only(await pull(world)).password.reveal() == SECRET, "an admin may see it anyway"


async def test_an_editor_may_mend_a_user_name_where_nothing_is_exchanged(world: World) -> None:
    stored = await world.login("hub")
    editor = await world.caller(Role.EDITOR)
    change = Change(frozenset({"username"}), username="grace")

    changed = await world.credentials.patch(editor, None, stored.id, None, change)

    assert changed.username == "grace"


async def test_what_should_not_happen_gives_the_claim_back(world: World) -> None:
    await store(world)

    async def breaks() -> None:
        raise RuntimeError("a library's own")

    world.registries.meanwhile = breaks
    ((place, claim),) = await world.exchanges.claim_due(9)
    with pytest.raises(RuntimeError):
        await world.exchanges.renew(place, claim)

    assert await renew(world) == 0
    world.clock.forward(minutes=5)
    assert await renew(world) == 1
    assert only(await pull(world)).password.reveal() == "fresh login 2"


@pytest.mark.parametrize(
    ("hitch", "first", "last"),
    [
        (StoreUnavailable("away"), timedelta(seconds=5), timedelta(seconds=5)),
        (KeyringUnavailable("away"), timedelta(seconds=5), timedelta(seconds=5)),
        (QuotaExceeded("exchanges", 2), timedelta(seconds=2), timedelta(seconds=8)),
    ],
)
async def test_what_a_hitch_holds_up_comes_again_soon(
    world: World, hitch: RegcredError, first: timedelta, last: timedelta
) -> None:
    await store(world)

    async def happens() -> None:
        raise hitch

    world.registries.meanwhile = happens
    ((place, claim),) = await world.exchanges.claim_due(9)
    with contextlib.suppress(StoreUnavailable, KeyringUnavailable):
        await world.exchanges.renew(place, claim)
    kept = await world.store.find_login(place)

    assert kept is not None
    assert kept.refresh_at is not None
    assert first <= kept.refresh_at - world.clock() <= last
    assert kept.failure is None


async def test_a_good_exchange_says_nothing_of_what_the_registry_refuses(world: World) -> None:
    stored = await store(world)
    await renew(world)
    for _ in range(2):
        world.registries.says = VerdictKind.REJECTED
        await world.verification.stored(world.operator, None, stored.id, None)
        world.clock.forward(hours=8)
        await renew(world)

    found = await world.store.find_credential(world.home.id, stored.id)
    assert found.standing.withheld


async def test_a_secret_that_the_cloud_gives_no_login_for_is_told_once(world: World) -> None:
    """Its checks say so every day, and wake nothing."""
    stored = await store(world)
    world.registries.exchange_says = VerdictKind.DENIED
    await renew(world)
    for _ in range(3):
        world.clock.forward(hours=1)
        await world.verification.stored(world.operator, None, stored.id, None)
        await renew(world)

    events = await world.store.list_events(world.home.id, EventFilter(), 0, 100)
    assert [e.kind for e in events].count(EventKind.EXCHANGE_FAILED) == 1


async def test_a_login_that_is_withheld_is_refused_at_once_even_if_it_is_forced(
    world: World,
) -> None:
    stored = await store(world)
    world.registries.says = VerdictKind.REJECTED
    for _ in range(2):
        await world.verification.stored(world.operator, None, stored.id, None)
        world.clock.forward(hours=4)
    answer = await pull(world, force=True)

    assert [(w.verdict, "verify or replace" in w.reason) for w in answer.withheld] == [
        ("rejected", True)
    ]
    assert world.bell.most == 0


async def test_a_pull_plans_once_though_the_login_is_withheld_meanwhile(world: World) -> None:
    """What it read before may be wrong by now; it must not ask again and again."""
    stored = await store(world)
    found = await world.store.find_credential(world.home.id, stored.id)
    world.registries.says = VerdictKind.REJECTED
    for _ in range(2):
        await world.verification.stored(world.operator, None, stored.id, None)
        world.clock.forward(hours=4)
    await renew(world)
    place = LoginPlace(str(world.home.id), str(stored.id), "eu-west-1")
    wanted = Exchangeable(place, 1, found.delivery, found.standing)
    login = await world.exchanges.login(wanted, Patience(world.clock() + timedelta(seconds=8)))

    assert isinstance(login, NoLogin)
    assert login.kind is VerdictKind.REJECTED
    assert world.bell.most == 1


async def test_a_pull_does_not_wait_for_what_was_put_off(world: World) -> None:
    await store(world)
    ((place, claim),) = await world.exchanges.claim_due(1)
    await world.store.put_off_login(place, claim, world.clock() + timedelta(minutes=5))
    (withheld,) = (await pull(world)).withheld

    assert "put off until 00:05:00 UTC" in withheld.reason
    assert world.bell.most == 0


async def test_what_rests_in_one_region_is_woken_by_a_check_in_another(world: World) -> None:
    stored = await store(world, None)
    await pull(world)
    await pull(world, ELSEWHERE)
    world.registries.says = VerdictKind.REJECTED
    for _ in range(2):
        await world.verification.stored(
            world.operator, None, stored.id, ImageReference.parse(IMAGE)
        )
        world.clock.forward(hours=13)
        await renew(world)
    world.registries.says = VerdictKind.OK
    await world.verification.stored(world.operator, None, stored.id, ImageReference.parse(IMAGE))

    assert len((await pull(world)).logins) == 1
    assert len((await pull(world, ELSEWHERE)).logins) == 1


async def test_first_exchanges_are_counted_for_their_project_and_renewals_are_not(
    world: World,
) -> None:
    await store(world, None)
    for number in range(CHECKS + 5):
        await pull(world, IMAGE.replace("eu-west-1", f"eu-north-{number % 40}"))

    assert len(world.registries.exchanged) < CHECKS + 5
    assert not await world.store.list_events(world.home.id, EventFilter(), 0, 10)
    failed = await world.events(Action.CREDENTIAL_EXCHANGED)
    assert all("verdict" not in event.details for event in failed)


async def test_a_login_token_is_handed_over_as_it_was_stored(world: World) -> None:
    await store(world, username="AWS", password="a token")

    assert only(await pull(world)).password.reveal() == "a token"
    assert world.registries.exchanged == []


async def test_a_credential_that_is_gone_is_no_error_to_a_renewal(world: World) -> None:
    stored = await store(world)
    ((place, claim),) = await world.exchanges.claim_due(9)
    await world.credentials.delete(world.operator, None, stored.id, None)

    await world.exchanges.renew(place, claim)

    assert world.registries.exchanged == []


async def test_a_refused_secret_is_not_tried_again_in_every_region(world: World) -> None:
    await store(world, None, password=REJECTED)
    for region in ("eu-west-1", "us-east-1", "ap-south-1"):
        answer = await pull(world, IMAGE.replace("eu-west-1", region))
        assert answer.logins == []
        assert answer.withheld[0].reason

    assert len(world.registries.exchanged) == 1


async def test_regions_that_do_not_exist_are_no_way_to_wear_a_login_out(world: World) -> None:
    await store(world, None)
    await pull(world)
    world.registries.away = True
    for number in range(40):
        await pull(world, IMAGE.replace("eu-west-1", f"eu-fake-{number}"))
    world.registries.away = False
    world.clock.forward(minutes=5)

    assert only(await pull(world)).password.reveal() == "fresh login 1"
    assert len((await pull(world, ELSEWHERE)).logins) == 1


async def test_a_login_with_no_room_left_is_refused_at_once(world: World) -> None:
    await store(world, None)
    for number in range(32):
        await pull(world, IMAGE.replace("eu-west-1", f"eu-north-{number}"))
    before = world.clock()

    answer = await pull(world)

    assert answer.withheld[0].reason.endswith("too many regions.")
    assert world.clock() == before


async def test_a_login_of_a_secret_that_was_replaced_meanwhile_is_not_handed_out(
    world: World,
) -> None:
    stored = await store(world, None)

    async def replace() -> None:
        change = Change(frozenset({"password"}), password=Secret("another"))
        await world.credentials.patch(world.operator, None, stored.id, None, change)

    world.registries.meanwhile = replace

    answer = await pull(world)

    assert only(answer).password.reveal() == "fresh login 2"
    assert [reveal.logins for reveal in world.store.reveals] == [((str(stored.id), 2),)]


async def test_what_is_withheld_while_a_pull_waits_is_not_handed_out(world: World) -> None:
    stored = await store(world, None)

    async def withhold() -> None:
        world.registries.says = VerdictKind.REJECTED
        for _ in range(2):
            await world.verification.stored(world.operator, None, stored.id, None)
            world.clock.forward(hours=4)

    world.registries.meanwhile = withhold

    answer = await pull(world)

    assert answer.logins == []
    assert [login.verdict for login in answer.withheld] == ["rejected"]
    assert world.store.reveals == []


@pytest.mark.parametrize("gone", [True, False])
async def test_a_key_that_is_revoked_while_its_pull_waits_gets_nothing(
    world: World, gone: bool
) -> None:
    await store(world)
    key = await world.key(Role.PULLER)

    async def revoke() -> None:
        key_id = ApiToken.parse(key).id
        if gone:
            await world.keys.delete(world.operator, None, key_id, None)
        else:
            await world.keys.update(world.operator, None, key_id, None, {"disabled": True})

    world.registries.meanwhile = revoke

    with pytest.raises(NotAuthenticated) as caught:
        await world.pull(key, IMAGE)

    assert caught.value.reason == ("unknown" if gone else "disabled")
    assert world.store.reveals == []


async def test_a_key_that_ends_while_its_pull_waits_gets_nothing(world: World) -> None:
    await store(world)
    key = await world.key(Role.PULLER, expires_at=world.clock() + timedelta(seconds=3))

    async def slowly() -> None:
        world.clock.forward(seconds=4)

    world.registries.meanwhile = slowly

    with pytest.raises(NotAuthenticated) as caught:
        await world.pull(key, IMAGE)

    assert caught.value.reason == "expired"
    assert world.store.reveals == []


async def test_a_pull_that_waits_for_nothing_reads_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(world)
    await renew(world)
    reads = 0
    read = world.store.read_for_resolve

    async def counted(*asked: Any) -> ResolveRead:
        nonlocal reads
        reads += 1
        return await read(*asked)

    monkeypatch.setattr(world.store, "read_for_resolve", counted)

    only(await pull(world))

    assert reads == 1


async def test_renaming_a_login_does_not_try_a_refused_secret_again(world: World) -> None:
    stored = await store(world, password=REJECTED)
    await pull(world)
    change = Change(frozenset({"description"}), description="renamed")
    await world.credentials.patch(world.operator, None, stored.id, None, change)

    assert await renew(world) == 0
