"""Who may do what: the table of roles, and what a caller may see."""

from __future__ import annotations

from uuid import UUID

import pytest

from regcred.domain.access import GRANTS, Permission, Principal, Role
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import RegistryCredential, derive_scopes
from regcred.domain.errors import AccessDenied, ProjectNotFound
from regcred.domain.registry import RegistryAddress, Scope
from tests.domain.examples import ELSEWHERE, HOME, NOON, caller

# The table of the design, columns in its order.
TABLE = {
    Role.VIEWER: "read",
    Role.PULLER: "read reveal",
    Role.EDITOR: "read write verify",
    Role.ADMIN: "read write verify reveal administer",
}


def credential(registry_url: str | None) -> RegistryCredential:
    return RegistryCredential(
        UUID(int=7), 1, HOME, "n", "generic", "u", NOON, NOON, scopes=derive_scopes(registry_url)
    )


def test_roles_grant_exactly_what_the_table_says() -> None:
    assert {role: {str(p) for p in granted} for role, granted in GRANTS.items()} == {
        role: set(permissions.split()) for role, permissions in TABLE.items()
    }


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_require_passes_exactly_what_is_granted_at_home(role: Role, permission: Permission) -> None:
    who = caller(role)

    if str(permission) in TABLE[role].split():
        who.require(permission, HOME)
    else:
        with pytest.raises(AccessDenied) as denied:
            who.require(permission, HOME)
        assert denied.value.needs == permission


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_another_project_is_no_project_whatever_the_role(
    role: Role, permission: Permission
) -> None:
    with pytest.raises(ProjectNotFound):
        caller(role).require(permission, ELSEWHERE)


@pytest.mark.parametrize("role", Role)
def test_an_operator_goes_anywhere_within_its_role(role: Role) -> None:
    who = caller(role, operator=True)

    who.require(Permission.READ, ELSEWHERE)
    if role is not Role.ADMIN:
        with pytest.raises(AccessDenied):
            who.require(Permission.ADMINISTER, ELSEWHERE)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("operator", [False, True])
def test_only_an_operators_admin_runs_the_service(role: Role, *, operator: bool) -> None:
    who = caller(role, operator=operator)

    if operator and role is Role.ADMIN:
        who.require_operator()
    else:
        with pytest.raises(AccessDenied):
            who.require_operator()


@pytest.mark.parametrize(
    ("repository", "may"), [("team/app", True), ("team", True), ("teams/app", False), (None, True)]
)
def test_a_narrowed_key_pulls_its_images(repository: str | None, *, may: bool) -> None:
    who = caller(Role.PULLER, "reg.example.com/team")

    assert who.may_pull(RegistryAddress("reg.example.com"), repository) is may
    assert caller(Role.PULLER).may_pull(RegistryAddress("reg.example.com"), repository)


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        ("reg.example.com/team", True),
        ("reg.example.com/team/app", True),
        ("reg.example.com", False),
        ("reg.example.com/teams", False),
        ("reg.example.com:5000/team", False),
        ("*.example.com/team", False),
    ],
)
def test_a_narrowed_key_receives_only_what_its_patterns_cover_whole(
    scope: str, *, may: bool
) -> None:
    who = caller(Role.PULLER, "reg.example.com/team", "other.example.com")

    assert who.may_receive(Scope.parse(scope)) is may
    assert caller(Role.PULLER).may_receive(Scope.parse(scope))


@pytest.mark.parametrize(
    ("url", "sees"),
    [
        ("reg.example.com", True),
        ("reg.example.com/team/app", True),
        ("*.example.com", True),
        ("reg.example.com/other", False),
        ("elsewhere.example.org", False),
        ("free text", False),
        (None, False),
    ],
)
def test_a_narrowed_puller_sees_only_its_own_matches(url: str | None, *, sees: bool) -> None:
    assert caller(Role.PULLER, "reg.example.com/team").may_see(credential(url)) is sees


@pytest.mark.parametrize("url", ["reg.example.com/other", None])
def test_a_key_that_is_not_narrowed_sees_every_credential(url: str | None) -> None:
    for role in Role:
        assert caller(role).may_see(credential(url))
        assert not caller(role, "reg.example.com/team").may_see(credential(url))


def test_a_narrowed_key_writes_logins_for_its_images_alone() -> None:
    who = caller(Role.EDITOR, "reg.example.com/team")
    inside, above, beside = map(
        Scope.parse, ("reg.example.com/team/app", "reg.example.com", "reg.example.com/teams")
    )

    caller(Role.EDITOR).require_within((above, beside))
    who.require_within((inside,))
    for scopes in ((above,), (beside,), (inside, beside), ()):
        with pytest.raises(AccessDenied, match="not narrowed"):
            who.require_within(scopes)


def test_a_principal_is_written_with_its_kind() -> None:
    assert str(Principal("key", "K0")) == "key:K0"


def test_an_event_takes_who_and_whence_from_the_caller() -> None:
    who = caller()._replace(request_id="r1", peer="192.0.2.1")

    event = AuditEvent.by(
        who, Action.USE_PUT, HOME, NOON, "t", secret_version=3, kind="pod", name="web"
    )

    assert event == AuditEvent(
        Action.USE_PUT,
        HOME,
        "key:K0",
        NOON,
        "t",
        3,
        "r1",
        "192.0.2.1",
        {"kind": "pod", "name": "web"},
    )
