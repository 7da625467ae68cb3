"""What every store promises about projects, keys and credentials."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from regcred.bootstrap.waves import Wave
from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    CredentialInUse,
    CredentialNotFound,
    KeyNotFound,
    NameTaken,
    ProjectNotEmpty,
    ProjectNotFound,
    RegcredError,
    VersionMismatch,
)
from regcred.domain.ports import (
    AlreadyDone,
    Creation,
    CredentialFilter,
    IdempotentRequest,
    SealedSecret,
    StoredKey,
)
from regcred.domain.project import Project
from regcred.domain.registry import ImagePattern, RegistryAddress, Scope
from regcred.domain.verdict import Standing, VerdictKind
from tests.adapters.storage.samples import (
    DIGEST,
    EVERYTHING,
    STAMP,
    START,
    World,
    a_credential,
    a_key,
    a_project,
    a_reveal,
    a_use,
    a_verdict,
    event,
    new_id,
    sealed,
    seed,
    stored,
)

LATER = START + timedelta(hours=1)


def again(digest: bytes = DIGEST, key: str = "once") -> IdempotentRequest:
    return IdempotentRequest("key:tester", key, digest)


class TestProjects:
    async def test_numbers_count_from_one(self, world: World) -> None:
        second = await world.add_project("beta")

        assert (world.project.number, second.number) == (1, 2)

    async def test_a_number_never_returns(self, world: World) -> None:
        gone = await world.add_project("beta")
        await world.store.delete_project(gone.id, None, event(Action.PROJECT_DELETED, gone.id))

        assert (await world.add_project("gamma")).number == 3

    async def test_found_by_id_and_by_number_as_stored(self, world: World) -> None:
        by_id = await world.store.find_project(world.id)
        by_number = await world.store.find_project(1)

        assert by_id == by_number == world.project

    @pytest.mark.parametrize("ref", [UUID(int=5), 2, 0, -1, 2**63, 2**200])
    async def test_what_is_not_there_is_not_found(self, world: World, ref: UUID | int) -> None:
        with pytest.raises(ProjectNotFound):
            await world.store.find_project(ref)

    async def test_a_name_is_taken_once_and_leaves_no_trace(self, world: World) -> None:
        twin = a_project("alpha")
        with pytest.raises(NameTaken) as refused:
            await world.store.create_project(twin, seed(), event(Action.PROJECT_CREATED, twin.id))

        assert refused.value.kind == "project"
        assert await world.actions(twin.id) == []
        assert [p.name for p in await world.store.list_projects(0, 10)] == ["alpha"]

    async def test_lists_page_by_number(self, world: World) -> None:
        for name in ("beta", "gamma", "delta"):
            await world.add_project(name)

        first = await world.store.list_projects(0, 2)
        rest = await world.store.list_projects(first[-1].number, 10)

        assert [p.name for p in [*first, *rest]] == ["alpha", "beta", "gamma", "delta"]

    async def test_update_counts_the_version_and_keeps_the_rest(self, world: World) -> None:
        changed = replace(
            world.project,
            name="omega",
            require_if_match=True,
            updated_at=LATER,
            number=99,
            created_at=LATER,
        )
        updated = await world.store.update_project(
            changed, 1, event(Action.PROJECT_UPDATED, world.id)
        )

        assert updated == await world.store.find_project(world.id)
        assert updated == replace(changed, number=1, created_at=START, version=2)
        assert await world.actions() == [Action.PROJECT_CREATED, Action.PROJECT_UPDATED]

    async def test_update_refuses_a_stale_version_a_taken_name_a_missing_project(
        self, world: World
    ) -> None:
        await world.add_project("beta")
        done = event(Action.PROJECT_UPDATED, world.id)

        with pytest.raises(VersionMismatch):
            await world.store.update_project(world.project, 7, done)
        with pytest.raises(NameTaken):
            await world.store.update_project(replace(world.project, name="beta"), None, done)
        with pytest.raises(ProjectNotFound):
            await world.store.update_project(a_project("new"), None, done)
        assert await world.store.find_project(world.id) == world.project
        assert await world.actions() == [Action.PROJECT_CREATED]

    async def test_delete_takes_keys_and_seed_and_leaves_the_audit(self, world: World) -> None:
        key = await world.add_key()
        await world.store.delete_project(world.id, 1, event(Action.PROJECT_DELETED, world.id))

        assert await world.store.key_for_authentication(key.id) is None
        with pytest.raises(ProjectNotFound):
            await world.store.find_project(world.id)
        with pytest.raises(ProjectNotFound):
            await world.store.project_seed(world.id)
        assert (await world.actions())[-1] is Action.PROJECT_DELETED

    async def test_delete_refuses_what_holds_credentials(self, world: World) -> None:
        await world.add()
        done = event(Action.PROJECT_DELETED, world.id)

        with pytest.raises(ProjectNotEmpty):
            await world.store.delete_project(world.id, None, done)
        with pytest.raises(VersionMismatch):
            await world.store.delete_project(world.id, 2, done)
        with pytest.raises(ProjectNotFound):
            await world.store.delete_project(new_id(), None, done)
        assert Action.PROJECT_DELETED not in await world.actions()

    async def test_an_emptied_project_can_be_deleted(self, world: World) -> None:
        only = await world.add()
        await world.store.delete_credential(
            world.id, only.id, None, event(Action.CREDENTIAL_DELETED, world.id)
        )
        await world.store.delete_project(world.id, None, event(Action.PROJECT_DELETED, world.id))

        assert await world.store.list_projects(0, 10) == []

    async def test_the_seed_is_the_projects_own(self, world: World) -> None:
        other = await world.add_project("beta")

        assert await world.store.project_seed(world.id) == seed("alpha")
        assert await world.store.project_seed(other.id) == seed("beta")


class TestKeys:
    async def test_a_key_comes_back_as_it_was_stored(self, world: World) -> None:
        key = await world.add_key(
            role=Role.PULLER,
            operator=True,
            image_patterns=(ImagePattern.parse("r.example/team"), ImagePattern.parse("*.b.c:5000")),
            expires_at=LATER,
        )

        assert await world.store.find_key(world.id, key.id) == (key, DIGEST, STAMP)
        assert await world.store.key_for_authentication(key.id) == (key, DIGEST, STAMP)
        assert isinstance(key.image_patterns[0], ImagePattern)

    async def test_an_unknown_key_is_nothing(self, world: World) -> None:
        assert await world.store.key_for_authentication("nobody") is None
        with pytest.raises(KeyNotFound):
            await world.store.find_key(world.id, "nobody")

    async def test_a_key_needs_its_project(self, world: World) -> None:
        key = a_key(new_id())
        with pytest.raises(ProjectNotFound):
            await world.store.create_key(stored(key), event(Action.KEY_CREATED, key.project_id))

        assert await world.actions(key.project_id) == []

    async def test_another_projects_key_is_not_found(self, world: World) -> None:
        other = await world.add_project("beta")
        key = await world.add_key(other.id)
        done = event(Action.KEY_UPDATED, world.id, key.id)

        with pytest.raises(KeyNotFound):
            await world.store.find_key(world.id, key.id)
        with pytest.raises(KeyNotFound):
            await world.store.update_key(stored(replace(key, project_id=world.id)), None, done)
        with pytest.raises(KeyNotFound):
            await world.store.delete_key(world.id, key.id, None, done)
        assert await world.store.list_keys(world.id, "", 10) == []

    async def test_lists_page_by_id(self, world: World) -> None:
        made = sorted([(await world.add_key()).id for _ in range(5)])

        first = await world.store.list_keys(world.id, "", 2)
        rest = await world.store.list_keys(world.id, first[-1].id, 10)

        assert [key.id for key in [*first, *rest]] == made

    async def test_update_stores_the_stamp_and_keeps_role_and_digest(self, world: World) -> None:
        key = await world.add_key()
        changed = replace(
            key,
            name="renamed",
            image_patterns=(ImagePattern.parse("r.example"),),
            expires_at=LATER,
            disabled=True,
            role=Role.ADMIN,
            operator=True,
        )
        updated = await world.store.update_key(
            StoredKey(changed, b"another", b"t" * 32),
            1,
            event(Action.KEY_UPDATED, world.id, key.id),
        )
        found = await world.store.key_for_authentication(key.id)

        assert updated == replace(changed, role=Role.EDITOR, operator=False, version=2)
        assert found == (updated, DIGEST, b"t" * 32)

    async def test_stale_versions_change_nothing(self, world: World) -> None:
        key = await world.add_key()
        done = event(Action.KEY_UPDATED, world.id, key.id)

        with pytest.raises(VersionMismatch):
            await world.store.update_key(stored(replace(key, name="x"), b"t" * 32), 2, done)
        with pytest.raises(VersionMismatch):
            await world.store.delete_key(world.id, key.id, 2, done)
        assert await world.store.find_key(world.id, key.id) == stored(key)
        assert await world.actions() == [Action.PROJECT_CREATED, Action.KEY_CREATED]

    async def test_a_deleted_key_is_gone_at_once(self, world: World) -> None:
        key = await world.add_key()
        await world.store.delete_key(
            world.id, key.id, 1, event(Action.KEY_DELETED, world.id, key.id)
        )

        assert await world.store.key_for_authentication(key.id) is None
        assert (await world.actions())[-1] is Action.KEY_DELETED


class TestCredentials:
    async def test_a_credential_comes_back_as_it_was_stored(self, world: World) -> None:
        new = a_credential(
            world.id,
            "Łódź 🔑 x",
            "https://r.example:5000/team",
            provider="gcp",
            username="_json_key",
            settings={"realm": "https://auth.example", "ca": "-----\nPEM\n"},
            description="two\nlines",
            labels={"env": "prod", "team/name": ""},
            expires_at=LATER,
        )
        stored = await world.store.create_credential(new, sealed(), world.created(new))

        assert stored == replace(new, number=1)
        assert await world.store.find_credential(world.id, new.id) == stored
        assert await world.store.sealed_secret(world.id, new.id) == sealed()

    async def test_no_registry_and_free_text_have_no_scopes(self, world: World) -> None:
        none = await world.add("none", None)
        free = await world.add("free", "our registry, ask Bob")

        assert (none.registry_url, none.scopes) == (None, ())
        assert await world.store.find_credential(world.id, free.id) == free

    async def test_numbers_count_per_project_and_never_return(self, world: World) -> None:
        other = await world.add_project("beta")
        first = await world.add("a")
        await world.store.delete_credential(
            world.id, first.id, None, event(Action.CREDENTIAL_DELETED, world.id)
        )

        assert (await world.add("b")).number == 2
        assert (await world.add("b", project_id=other.id)).number == 1

    async def test_a_refused_create_uses_no_number(self, world: World) -> None:
        await world.add("a")
        with pytest.raises(NameTaken):
            await world.add("a")

        assert (await world.add("b")).number == 2

    async def test_of_many_each_has_the_outcome_it_would_have_alone(self, world: World) -> None:
        await world.add("old")
        beta = (await world.add_project("beta")).id
        wanted = [("a", world.id), ("old", world.id), ("a", beta), ("a", world.id), ("b", new_id())]
        logins = [a_credential(project_id, name) for name, project_id in wanted]

        create = Wave[Creation, RegistryCredential](world.store.create_credentials)
        outcomes = await asyncio.gather(
            *(create(Creation(login, sealed(), world.created(login))) for login in logins),
            return_exceptions=True,
        )

        assert [getattr(outcome, "number", type(outcome)) for outcome in outcomes] == [
            2,
            NameTaken,
            1,
            NameTaken,
            ProjectNotFound,
        ]
        assert await world.names() == ["old", "a"]

    async def test_found_by_id_by_its_text_by_name_and_by_number(self, world: World) -> None:
        await world.add("before")
        login = await world.add()

        for ref in (login.id, str(login.id), str(login.id).upper(), "login", 2):
            assert await world.store.find_credential(world.id, ref) == login

    async def test_several_are_found_by_their_ids_and_others_projects_are_not(
        self, world: World
    ) -> None:
        first, second, _ = [await world.add(name) for name in ("first", "second", "third")]
        other = await world.add_project("beta")
        theirs = await world.add(project_id=other.id)

        async def found(*ids: UUID) -> list[RegistryCredential]:
            several = await world.store.credentials_of(world.id, set(ids))
            return sorted(several, key=lambda login: login.number)

        assert await found(second.id, new_id(), first.id, theirs.id) == [first, second]
        assert await found(new_id()) == await found() == []

    async def test_a_text_that_is_an_id_is_tried_as_an_id_first(self, world: World) -> None:
        plain = await world.add("plain")
        other = new_id()
        await world.add(str(plain.id))
        odd = await world.add(str(other))

        assert await world.store.find_credential(world.id, str(plain.id)) == plain
        assert await world.store.find_credential(world.id, str(other)) == odd

    @pytest.mark.parametrize(
        "ref",
        ["", "LOGIN", "log%", "login\0", "\ud800", UUID(int=3), "1", 0, 2, -1, 2**63 - 1, 2**70],
    )
    async def test_what_is_not_there_is_not_found(
        self, world: World, ref: str | UUID | int
    ) -> None:
        await world.add("login")

        with pytest.raises(CredentialNotFound):
            await world.store.find_credential(world.id, ref)

    async def test_a_name_is_taken_within_its_project_alone(self, world: World) -> None:
        other = await world.add_project("beta")
        await world.add("same")
        await world.add("same", project_id=other.id)

        with pytest.raises(NameTaken) as refused:
            await world.add("same")
        assert refused.value.kind == "credential"
        assert (await world.actions()).count(Action.CREDENTIAL_CREATED) == 1

    async def test_a_credential_needs_its_project(self, world: World) -> None:
        orphan = a_credential(new_id())
        with pytest.raises(ProjectNotFound):
            await world.store.create_credential(orphan, sealed(), world.created(orphan))

        assert await world.actions(orphan.project_id) == []

    async def test_a_foreign_project_finds_and_changes_nothing(self, world: World) -> None:
        other = await world.add_project("beta")
        theirs = await world.add(project_id=other.id)
        stolen = replace(theirs, project_id=world.id)
        done = event(Action.CREDENTIAL_UPDATED, world.id)
        store, ours, id_ = world.store, world.id, theirs.id
        attempts = [
            store.find_credential(ours, id_),
            store.find_credential(ours, theirs.name),
            store.update_credential(stolen, None, sealed(2), done),
            store.delete_credential(ours, id_, None, done, with_uses=True),
            store.sealed_secret(ours, id_),
            store.record_verdict(ours, id_, 1, a_verdict(VerdictKind.OK), done),
            store.put_use(ours, id_, a_use(), done),
            store.delete_use(ours, id_, "deployment", "web", done),
            store.list_uses(ours, id_, START),
        ]

        for attempt in attempts:
            with pytest.raises(CredentialNotFound):
                await attempt
        assert await store.list_verdicts(ours, id_, 0, 10) == []
        assert await store.find_credential(other.id, id_) == theirs
        assert await world.actions() == [Action.PROJECT_CREATED]

    async def test_update_stores_everything_but_what_is_not_a_persons(self, world: World) -> None:
        old = await world.add()
        changed = a_credential(
            world.id,
            "new",
            "q.example/x",
            provider="ecr",
            username="AWS",
            settings={"region": "eu-1"},
            description="d",
            labels={"k": "v"},
            expires_at=LATER,
        )
        changed = replace(
            changed,
            id=old.id,
            number=77,
            created_at=LATER,
            updated_at=LATER,
            standing=Standing(VerdictKind.OK, START),
            last_used_by="key:me",
            secret_version=9,
        )
        updated = await world.store.update_credential(
            changed, 1, None, event(Action.CREDENTIAL_UPDATED, world.id, old.id)
        )

        assert updated == await world.store.find_credential(world.id, old.id)
        assert updated == replace(
            changed,
            number=1,
            created_at=START,
            version=2,
            standing=Standing(),
            last_used_by=None,
            secret_version=1,
        )
        assert await world.store.sealed_secret(world.id, old.id) == sealed(text="login")

    async def test_update_moves_where_the_login_is_found(self, world: World) -> None:
        old = await world.add("login", "r.example/old", labels={"env": "dev"})
        changed = replace(old, scopes=(Scope.parse("r.example/new"),), labels={"env": "prod"})
        await world.store.update_credential(
            changed, None, None, event(Action.CREDENTIAL_UPDATED, world.id, old.id)
        )

        assert await world.matched("old/app") == []
        assert await world.matched("new/app") == ["login r.example/new"]
        assert await world.names(CredentialFilter(label=("env", "dev"))) == []
        assert await world.names(CredentialFilter(label=("env", "prod"))) == ["login"]

    async def test_a_new_secret_replaces_the_old_and_resets_the_standing(
        self, world: World
    ) -> None:
        old = await self._rejected(world)
        await world.store.update_credential(
            old, None, sealed(2, "new"), event(Action.CREDENTIAL_REPLACED, world.id, old.id)
        )
        found = await world.store.find_credential(world.id, old.id)

        assert (found.secret_version, found.standing) == (2, Standing())
        assert await world.store.sealed_secret(world.id, old.id) == sealed(2, "new")

    async def test_a_secret_sealed_again_keeps_version_and_standing(self, world: World) -> None:
        old = await self._rejected(world)
        await world.store.update_credential(
            old, None, sealed(1, "again"), event(Action.CREDENTIAL_UPDATED, world.id, old.id)
        )
        found = await world.store.find_credential(world.id, old.id)

        assert found.standing.last is VerdictKind.REJECTED
        assert await world.store.sealed_secret(world.id, old.id) == sealed(1, "again")

    async def test_update_refuses_stale_taken_and_missing(self, world: World) -> None:
        await world.add("taken")
        old = await world.add("login")
        done = event(Action.CREDENTIAL_UPDATED, world.id, old.id)
        refusals: list[tuple[type[RegcredError], RegistryCredential, int | None]] = [
            (VersionMismatch, old, 4),
            (NameTaken, replace(old, name="taken"), None),
            (CredentialNotFound, replace(old, id=new_id()), None),
        ]

        for refusal, new, version in refusals:
            with pytest.raises(refusal):
                await world.store.update_credential(new, version, sealed(2), done)
        assert await world.store.find_credential(world.id, old.id) == old
        assert await world.store.sealed_secret(world.id, old.id) == sealed(text="login")
        assert Action.CREDENTIAL_UPDATED not in await world.actions()

    async def test_of_two_writers_with_one_version_one_wins(self, world: World) -> None:
        old = await world.add()
        done = event(Action.CREDENTIAL_UPDATED, world.id, old.id)
        outcomes = await asyncio.gather(
            *(
                world.store.update_credential(replace(old, description=f"{n}"), 1, None, done)
                for n in range(8)
            ),
            return_exceptions=True,
        )

        assert [type(o) for o in outcomes].count(VersionMismatch) == 7
        assert (await world.actions()).count(Action.CREDENTIAL_UPDATED) == 1

    async def test_delete_takes_everything_of_it(self, world: World) -> None:
        login = await world.add(labels={"env": "prod"})
        await world.store.record_verdict(
            world.id, login.id, 1, a_verdict(VerdictKind.OK), event(Action.USE_PUT, world.id)
        )
        await world.store.delete_credential(
            world.id, login.id, 1, event(Action.CREDENTIAL_DELETED, world.id, login.id)
        )

        with pytest.raises(CredentialNotFound):
            await world.store.find_credential(world.id, login.id)
        with pytest.raises(CredentialNotFound):
            await world.store.sealed_secret(world.id, login.id)
        assert await world.matched("app") == []
        assert await world.names() == []
        assert await world.store.list_verdicts(world.id, login.id, 0, 10) == []
        assert (await world.add("login")).number == 2

    async def test_delete_refuses_stale_and_missing(self, world: World) -> None:
        login = await world.add()
        done = event(Action.CREDENTIAL_DELETED, world.id, login.id)

        with pytest.raises(VersionMismatch):
            await world.store.delete_credential(world.id, login.id, 2, done)
        with pytest.raises(CredentialNotFound):
            await world.store.delete_credential(world.id, new_id(), None, done)
        assert Action.CREDENTIAL_DELETED not in await world.actions()

    async def test_delete_in_use_names_the_users(self, world: World) -> None:
        login = await world.add()
        done = event(Action.CREDENTIAL_DELETED, world.id, login.id)
        await world.store.put_use(world.id, login.id, a_use("web"), event(Action.USE_PUT, world.id))

        with pytest.raises(CredentialInUse) as refused:
            await world.store.delete_credential(world.id, login.id, None, done)
        assert refused.value.uses == (a_use("web"),)
        assert await world.store.find_credential(world.id, login.id) == login
        assert Action.CREDENTIAL_DELETED not in await world.actions()

    async def test_delete_by_force_takes_the_uses(self, world: World) -> None:
        login = await world.add()
        await world.store.put_use(world.id, login.id, a_use(), event(Action.USE_PUT, world.id))
        await world.store.delete_credential(
            world.id,
            login.id,
            None,
            event(Action.CREDENTIAL_DELETED, world.id, login.id),
            with_uses=True,
        )

        assert await world.names() == []

    async def test_an_expired_lease_does_not_keep_a_credential(self, world: World) -> None:
        login = await world.add()
        lease = a_use("job", START + timedelta(minutes=5))
        await world.store.put_use(world.id, login.id, lease, event(Action.USE_PUT, world.id))
        done = event(Action.CREDENTIAL_DELETED, world.id, login.id)

        with pytest.raises(CredentialInUse):
            await world.store.delete_credential(world.id, login.id, None, done)
        await world.store.delete_credential(
            world.id, login.id, None, replace(done, at=START + timedelta(minutes=5))
        )
        assert await world.names() == []

    async def _rejected(self, world: World) -> RegistryCredential:
        login = await world.add()
        await world.store.record_verdict(
            world.id,
            login.id,
            1,
            a_verdict(VerdictKind.REJECTED),
            event(Action.CREDENTIAL_VERIFIED, world.id, login.id),
        )
        return await world.store.find_credential(world.id, login.id)


class TestLists:
    async def test_pages_go_by_number(self, world: World) -> None:
        for n in range(7):
            await world.add(f"c{n}")

        pages, after = [], 0
        while page := await world.store.list_credentials(world.id, EVERYTHING, after, 3):
            pages.append([c.name for c in page])
            after = page[-1].number

        assert pages == [["c0", "c1", "c2"], ["c3", "c4", "c5"], ["c6"]]

    async def test_a_list_shows_its_own_project(self, world: World) -> None:
        other = await world.add_project("beta")
        await world.add(project_id=other.id)

        assert await world.names() == []
        assert await world.store.credentials_at(world.id, 0, 10) == []
        assert await world.store.count_credentials(world.id) == 0

    async def test_places_and_the_count_follow_what_is_there(self, world: World) -> None:
        logins = [await world.add(f"c{n}") for n in range(5)]
        removed = event(Action.CREDENTIAL_DELETED, world.id, logins[1].id)
        await world.store.delete_credential(world.id, logins[1].id, None, removed)
        with pytest.raises(NameTaken):
            await world.add("c0")

        async def names(offset: int, limit: int) -> list[str]:
            return [c.name for c in await world.store.credentials_at(world.id, offset, limit)]

        assert await names(0, 2) == ["c0", "c2"]
        assert await names(2, 2) == ["c3", "c4"]
        assert await names(3, 9) == ["c4"]
        assert await names(4, 9) == []
        assert await names(2**63 - 1, 9) == []
        assert await world.store.count_credentials(world.id) == 4

    async def test_a_project_that_is_not_there_has_no_count(self, world: World) -> None:
        with pytest.raises(ProjectNotFound):
            await world.store.count_credentials(new_id())

    async def test_a_long_list_is_whole_and_in_order(self, world: World) -> None:
        for n in range(450):
            await world.add(f"c{n}")

        found = await world.store.list_credentials(world.id, EVERYTHING, 0, 440)

        assert [c.number for c in found] == list(range(1, 441))

    @pytest.mark.parametrize(
        ("narrowed", "expected"),
        [
            (CredentialFilter(name="a"), ["a"]),
            (CredentialFilter(name="A"), []),
            (CredentialFilter(provider="ecr"), ["b"]),
            (CredentialFilter(username="bob"), ["b", "c"]),
            (CredentialFilter(registry=RegistryAddress("r.example")), ["a", "c"]),
            (CredentialFilter(registry=RegistryAddress("r.example", 5000)), ["b"]),
            (CredentialFilter(registry=RegistryAddress("*.example")), ["d"]),
            (CredentialFilter(registry=RegistryAddress("x.example")), []),
            (CredentialFilter(label=("env", None)), ["a", "b"]),
            (CredentialFilter(label=("env", "prod")), ["a"]),
            (CredentialFilter(label=("env", "")), []),
            (CredentialFilter(label=("nope", None)), []),
            (CredentialFilter(verdict=VerdictKind.OK), ["c"]),
            (CredentialFilter(expiring_before=LATER), ["b"]),
            (CredentialFilter(expiring_before=LATER + timedelta(microseconds=1)), ["b", "c"]),
            (CredentialFilter(unused_since=LATER), ["a", "b", "c"]),
            (CredentialFilter(unused_since=LATER + timedelta(microseconds=1)), list("abcd")),
            (CredentialFilter(username="bob", provider="generic"), ["c"]),
            (CredentialFilter(name="a", label=("env", "prod"), username="bob"), []),
            (
                CredentialFilter(registry=RegistryAddress("r.example"), label=("env", "prod")),
                ["a"],
            ),
            (
                CredentialFilter(registry=RegistryAddress("r.example"), label=("env", None)),
                ["a"],
            ),
        ],
    )
    async def test_filters(
        self, world: World, narrowed: CredentialFilter, expected: list[str]
    ) -> None:
        await world.add("a", scopes=["r.example", "r.example/x"], labels={"env": "prod"})
        await world.add(
            "b",
            "r.example:5000",
            provider="ecr",
            username="bob",
            labels={"env": "dev"},
            expires_at=START,
        )
        c = await world.add("c", "r.example/y", username="bob", expires_at=LATER)
        d = await world.add("d", "*.example")
        verified = event(Action.CREDENTIAL_VERIFIED, world.id, c.id)
        await world.store.record_verdict(world.id, c.id, 1, a_verdict(VerdictKind.OK), verified)
        await world.store.record_reveal(a_reveal(world.id, d.id, at=LATER))

        assert await world.names(narrowed) == expected

    async def test_filters_page_too(self, world: World) -> None:
        for n in range(6):
            await world.add(f"c{n}", labels={"odd": str(n % 2)}, username=f"u{n % 2}")

        for narrowed in (
            CredentialFilter(label=("odd", "1")),
            CredentialFilter(username="u1"),
            CredentialFilter(registry=RegistryAddress("r.example"), username="u1"),
        ):
            first = await world.store.list_credentials(world.id, narrowed, 0, 2)
            rest = await world.store.list_credentials(world.id, narrowed, first[-1].number, 2)

            assert [c.name for c in [*first, *rest]] == ["c1", "c3", "c5"]


class TestIdempotency:
    async def test_the_second_time_says_what_the_first_made(self, world: World) -> None:
        first = a_credential(world.id)
        await world.store.create_credential(first, sealed(), world.created(first), again())
        second = a_credential(world.id)

        with pytest.raises(AlreadyDone) as done:
            await world.store.create_credential(second, sealed(), world.created(second), again())
        assert (done.value.resource_id, done.value.digest) == (str(first.id), DIGEST)
        assert await world.names() == ["login"]

    async def test_it_is_looked_for_before_the_name(self, world: World) -> None:
        first = a_credential(world.id)
        await world.store.create_credential(first, sealed(), world.created(first), again())

        with pytest.raises(AlreadyDone) as done:
            await world.store.create_credential(
                replace(first, id=new_id()), sealed(), world.created(first), again(b"x" * 32)
            )
        assert done.value.digest == DIGEST

    async def test_a_refused_write_remembers_nothing(self, world: World) -> None:
        await world.add("login")
        twin = a_credential(world.id)
        with pytest.raises(NameTaken):
            await world.store.create_credential(twin, sealed(), world.created(twin), again())

        assert await world.store.find_idempotent("key:tester", "once") is None

    async def test_keys_are_covered_too(self, world: World) -> None:
        key = a_key(world.id)
        made = event(Action.KEY_CREATED, world.id, key.id)
        await world.store.create_key(stored(key), made, again())

        with pytest.raises(AlreadyDone) as done:
            await world.store.create_key(stored(a_key(world.id)), made, again())
        assert done.value.resource_id == key.id

    async def test_projects_are_covered_too_before_the_name(self, world: World) -> None:
        first, twin = a_project("beta"), a_project("beta")
        made = event(Action.PROJECT_CREATED, first.id)
        await world.store.create_project(first, seed(), made, again())

        with pytest.raises(AlreadyDone) as done:
            await world.store.create_project(twin, seed(), made, again(b"x" * 32))
        assert (done.value.resource_id, done.value.digest) == (str(first.id), DIGEST)
        assert [p.name for p in await world.store.list_projects(0, 10)] == ["alpha", "beta"]

    async def test_a_projects_creation_is_not_repeated_after_its_deletion(
        self, world: World
    ) -> None:
        first = a_project("beta")
        made = event(Action.PROJECT_CREATED, first.id)
        await world.store.create_project(first, seed(), made, again())
        await world.store.delete_project(first.id, None, made)

        with pytest.raises(AlreadyDone) as done:
            await world.store.create_project(a_project("beta"), seed(), made, again())
        assert (done.value.resource_id, done.value.digest) == (str(first.id), DIGEST)

    async def test_equal_creations_of_a_project_at_once_have_one_effect(self, world: World) -> None:
        attempts = [a_project("beta") for _ in range(4)]
        outcomes = await asyncio.gather(
            *(
                world.store.create_project(p, seed(), event(Action.PROJECT_CREATED, p.id), again())
                for p in attempts
            ),
            return_exceptions=True,
        )

        [made] = [p.id for p in outcomes if isinstance(p, Project)]
        done = [done for done in outcomes if isinstance(done, AlreadyDone)]
        assert [(one.resource_id, one.digest) for one in done] == [(str(made), DIGEST)] * 3

    async def test_its_day_is_over_in_every_project(self, world: World) -> None:
        beta = World(world.store, world.clock)
        beta.project = await world.add_project("beta")
        first, second = a_credential(world.id), a_credential(beta.id)
        await world.store.create_credential(first, sealed(), world.created(first), again())
        with pytest.raises(AlreadyDone):
            await world.store.create_credential(second, sealed(), beta.created(second), again())
        world.clock.pass_(hours=24)

        await world.store.create_credential(second, sealed(), beta.created(second), again())
        with pytest.raises(AlreadyDone) as done:
            await world.store.create_credential(second, sealed(), beta.created(second), again())
        assert done.value.resource_id == str(second.id)

    async def test_a_project_that_was_refused_remembers_nothing(self, world: World) -> None:
        twin = a_project("alpha")
        with pytest.raises(NameTaken):
            await world.store.create_project(
                twin, seed(), event(Action.PROJECT_CREATED, twin.id), again()
            )

        assert await world.store.find_idempotent("key:tester", "once") is None

    async def test_it_is_one_principals_and_lasts_a_day(self, world: World) -> None:
        first = a_credential(world.id, "first")
        await world.store.create_credential(first, sealed(), world.created(first), again())
        found = await world.store.find_idempotent("key:tester", "once")

        assert found is not None
        assert found.resource_id == str(first.id)
        assert await world.store.find_idempotent("key:other", "once") is None
        world.clock.pass_(hours=24)
        assert await world.store.find_idempotent("key:tester", "once") is None
        second = a_credential(world.id, "second")
        await world.store.create_credential(second, sealed(), world.created(second), again())
        assert await world.names() == ["first", "second"]

    async def test_many_at_once_have_one_effect(self, world: World) -> None:
        attempts = [a_credential(world.id, f"c{n}") for n in range(8)]
        outcomes = await asyncio.gather(
            *(
                world.store.create_credential(c, sealed(), world.created(c), again())
                for c in attempts
            ),
            return_exceptions=True,
        )

        assert [type(outcome) for outcome in outcomes].count(AlreadyDone) == 7
        assert len(await world.names()) == 1


async def test_a_sealed_secret_carries_its_own_seed(world: World) -> None:
    login = await world.add()
    stored = await world.store.sealed_secret(world.id, login.id)

    assert isinstance(stored, SealedSecret)
    assert stored.seed == seed("alpha")
