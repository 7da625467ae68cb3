"""What docker, podman, crane, containerd and the kubelet each do with the same logins."""

from __future__ import annotations

import pytest

from regcred.domain.access import Role
from regcred.domain.ports import Candidate
from regcred.domain.pullers import Behaviour, behaviours, keyring_key
from regcred.domain.registry import ImageReference, Scope
from tests.domain.examples import WITHHELD, caller, candidate

CLIENTS = {"docker", "podman", "crane", "containerd", "kubelet"}
HUB = "https://index.docker.io/v1/"


def ask(image: str, *found: Candidate, patterns: tuple[str, ...] = ()) -> dict[str, Behaviour]:
    role = Role.PULLER if patterns else Role.ADMIN
    return behaviours(caller(role, *patterns), ImageReference.parse(image), found)


def tried(behaviour: Behaviour) -> list[tuple[str, str]]:
    return [(attempt.candidate.name, attempt.known_as) for attempt in behaviour.tried]


def notes(behaviour: Behaviour) -> str:
    return "; ".join(behaviour.notes)


def test_without_logins_everyone_goes_on_anonymously() -> None:
    said = ask("reg.example.com/team/app")

    assert set(said) == CLIENTS
    assert all(b.anonymous and not b.tried for b in said.values())


def test_one_login_for_the_whole_registry_serves_everyone_who_asks() -> None:
    said = ask("reg.example.com/team/app:v1", candidate("all", "reg.example.com"))

    assert tried(said["docker"]) == [("all", "reg.example.com")]
    assert tried(said["podman"]) == [("all", "reg.example.com")]
    assert tried(said["crane"]) == [("all", "reg.example.com/team/app")]
    assert tried(said["kubelet"]) == [("all", "reg.example.com")]
    assert not any(said[client].anonymous for client in CLIENTS - {"containerd"})


def test_containerd_asks_no_helper() -> None:
    said = ask("reg.example.com/app", candidate("all", "reg.example.com"))["containerd"]

    assert said.anonymous
    assert said.tried == ()
    assert "hosts.toml" in notes(said)


def test_docker_hub_has_a_spelling_for_each_client() -> None:
    said = ask("app", candidate("hub", "docker.io"))

    assert tried(said["docker"]) == [("hub", HUB)]
    assert tried(said["podman"]) == [("hub", "docker.io")]
    assert tried(said["crane"]) == [("hub", "index.docker.io/library/app")]
    assert tried(said["kubelet"]) == [("hub", HUB)]


def test_several_scoped_logins_help_only_who_names_the_repository() -> None:
    found = [candidate("a", "reg.example.com/a"), candidate("b", "reg.example.com/b")]

    said = ask("reg.example.com/a/app", *found)

    assert said["docker"].anonymous
    assert said["podman"].anonymous
    assert "names no repository" in notes(said["docker"])
    assert tried(said["crane"]) == [("a", "reg.example.com/a/app")]
    assert tried(said["kubelet"]) == [("a", "reg.example.com/a/")]


def test_the_only_login_is_used_by_host_even_where_it_is_not_scoped_to_the_image() -> None:
    said = ask("reg.example.com/b/app", candidate("a", "reg.example.com/a"))

    for client in ("docker", "podman"):
        assert tried(said[client]) == [("a", "reg.example.com")]
        assert "not scoped to this image" in notes(said[client])
    assert said["kubelet"].anonymous


def test_crane_asks_again_by_host_when_the_repository_finds_nothing() -> None:
    said = ask("reg.example.com/b/app", candidate("a", "reg.example.com/a"))["crane"]

    assert tried(said) == [("a", "reg.example.com")]
    assert not said.anonymous
    assert "asks again by host alone" in notes(said)
    hub = ask("b/app", candidate("a", "docker.io/a"))["crane"]
    assert tried(hub) == [("a", HUB)]


def test_the_kubelet_tries_every_match_in_byte_order() -> None:
    found = [
        candidate("glob", "*.example.com/team/app"),
        candidate("all", "reg.example.com"),
        candidate("team", "reg.example.com/team"),
        candidate("other", "reg.example.com/other"),
    ]

    said = ask("reg.example.com/team/app/x", *found)["kubelet"]

    assert [name for name, _ in tried(said)] == ["team", "all", "glob"]
    assert "never anonymously" in notes(said)


def test_the_kubelet_tries_logins_of_one_key_newest_first() -> None:
    found = [candidate("old", "reg.example.com", age=5), candidate("new", "reg.example.com")]

    said = ask("reg.example.com/app", *found)["kubelet"]

    assert tried(said) == [("new", "reg.example.com"), ("old", "reg.example.com")]


def test_a_trailing_slash_keeps_the_kubelet_to_whole_components() -> None:
    team = candidate("team", "reg.example.com/team")

    assert tried(ask("reg.example.com/team/app", team)["kubelet"]) == [
        ("team", "reg.example.com/team/")
    ]
    assert ask("reg.example.com/teams/app", team)["kubelet"].anonymous


def test_the_kubelet_does_not_know_that_443_is_no_port() -> None:
    said = ask("reg.example.com:443/app", candidate("all", "reg.example.com"))

    assert said["kubelet"].anonymous
    assert tried(said["docker"]) == [("all", "reg.example.com:443")]


def test_a_scoped_hub_login_does_not_serve_other_repositories_of_hub() -> None:
    said = ask("other/app", candidate("acme", "docker.io/acme"), candidate("hub", "docker.io"))

    assert tried(said["kubelet"]) == [("hub", HUB)]
    assert tried(said["docker"]) == [("hub", HUB)]


def test_a_hub_path_login_hides_the_hub_wide_one_from_the_kubelet() -> None:
    """A docker.io hit suppresses the fall-back to index.docker.io: Kubernetes' own trap."""
    said = ask("acme/app", candidate("acme", "docker.io/acme"), candidate("hub", "docker.io"))

    assert tried(said["kubelet"]) == [("acme", "docker.io/acme/")]


def test_a_withheld_login_is_tried_by_nobody_and_everybody_hears_of_it() -> None:
    said = ask("reg.example.com/app", candidate("dead", "reg.example.com", standing=WITHHELD))

    assert all(b.anonymous and not b.tried for b in said.values())
    assert all("withheld" in notes(said[client]) for client in CLIENTS - {"containerd"})


def test_a_withheld_login_gives_way_to_the_next_of_its_kind() -> None:
    found = [
        candidate("dead", "reg.example.com", standing=WITHHELD),
        candidate("live", "reg.example.com", age=5),
    ]

    said = ask("reg.example.com/app", *found)

    assert all(tried(said[c])[0][0] == "live" for c in CLIENTS - {"containerd"})


@pytest.mark.parametrize("dead", ["reg.example.com", "reg.example.com/a"])
def test_a_withheld_login_does_not_make_a_scoped_one_the_only_one(dead: str) -> None:
    """The service decides by host over all logins, and then keeps back: so does explain."""
    found = [candidate("dead", dead, standing=WITHHELD), candidate("live", "reg.example.com/b")]

    said = ask("reg.example.com/b/app", *found)

    assert said["docker"].anonymous
    assert tried(said["crane"]) == [("live", "reg.example.com/b/app")]


def test_a_narrowed_key_gets_a_wide_login_for_its_image_but_not_for_the_host() -> None:
    wide = candidate("all", "reg.example.com")

    said = ask("reg.example.com/team/app", wide, patterns=("reg.example.com/team",))

    assert tried(said["crane"]) == [("all", "reg.example.com/team/app")]
    assert said["docker"].anonymous
    assert said["kubelet"].anonymous


def test_a_narrowed_key_gets_nothing_for_other_images() -> None:
    wide = candidate("all", "reg.example.com")

    said = ask("reg.example.com/other/app", wide, patterns=("reg.example.com/team",))

    assert all(b.anonymous for b in said.values())


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("docker.io", HUB),
        ("docker.io/acme", "docker.io/acme/"),
        ("reg.example.com", "reg.example.com"),
        ("reg.example.com:5000/team", "reg.example.com:5000/team/"),
        ("*.example.com", "*.example.com"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_a_pull_secrets_key_says_what_the_scope_says(scope: str, key: str) -> None:
    assert keyring_key(Scope.parse(scope)) == key
