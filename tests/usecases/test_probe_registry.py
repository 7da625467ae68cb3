"""A registry is asked what it wants of a login, and that it was asked is kept."""

from __future__ import annotations

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.errors import AccessDenied, InvalidInput
from regcred.domain.verdict import VerdictKind
from tests.usecases.world import World


async def test_a_registry_is_asked_without_a_login_and_it_is_audited(world: World) -> None:
    await world.login()

    found = await world.probe(world.operator, None, "reg.example.com/team", {})

    assert (found.registry, found.kind) == ("reg.example.com", VerdictKind.OK)
    assert found.asked_at == world.clock.now
    assert world.registries.probed == ["https://reg.example.com"]
    assert world.registries.asked == []
    (event,) = await world.events(Action.REGISTRY_PROBED)
    assert event.details == {"verdict": "ok", "registry": "reg.example.com"}
    present = await world.credentials.get(world.operator, None, "hub")
    assert (present.standing.last, present.version) == (None, 1)


@pytest.mark.parametrize(
    ("registry_url", "settings", "field"),
    [
        ("*.example.com", {}, "registry_url"),
        ("http://reg.example.com" + "/" * 3000, {}, "registry_url"),
        ("https://u:c4n4ry@reg.example.com", {}, "registry_url"),
        ("reg.example.com", {"region": "eu"}, "settings.region"),
        ("reg.example.com", {"realm": "no realm"}, "settings.realm"),
        ("reg.example.com", {"ca_bundle": "c4n4ry"}, "settings.ca_bundle"),
    ],
)
async def test_what_is_no_registry_is_not_asked(
    world: World, registry_url: str, settings: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.probe(world.operator, None, registry_url, settings)

    assert [violation.field for violation in refused.value.violations] == [field]
    assert "c4n4ry" not in str(refused.value)
    assert world.registries.probed == []
    assert await world.events(Action.REGISTRY_PROBED) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER])
async def test_readers_ask_nothing(world: World, role: Role) -> None:
    with pytest.raises(AccessDenied):
        await world.probe(await world.caller(role), None, "reg.example.com", {})

    assert world.registries.probed == []
