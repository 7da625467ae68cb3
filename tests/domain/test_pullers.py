"""What docker, podman, crane, containerd and the kubelet each do with the same logins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from regcred.domain.access import Role
from regcred.domain.keyring import lookup
from regcred.domain.login_keys import keyring_key, keys_for_image
from regcred.domain.ports import Candidate
from regcred.domain.pullers import Behaviour, behaviours
from regcred.domain.registry import ImageReference, Scope
from tests.domain.examples import WITHHELD, caller, candidate

HELPED = {"docker", "podman", "crane", "nerdctl"}
"""They run the helper, and go on anonymously if it has nothing."""
KEYED = {"auth.json", "kubelet", "kubelet-plugin"}
CLIENTS = HELPED | KEYED | {"containerd", "nomad"}
HUB = "https://index.docker.io/v1/"


def ask(
    image: str,
    *found: Candidate,
    patterns: tuple[str, ...] = (),
    failing: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Behaviour]:
    role = Role.PULLER if patterns else Role.ADMIN
    return behaviours(caller(role, *patterns), ImageReference.parse(image), found, failing)


def nobody_tries(said: dict[str, Behaviour]) -> bool:
    """Whether all go on anonymously, but Nomad, which fails."""
    return {name for name, b in said.items() if b.anonymous and not b.tried} == CLIENTS - {"nomad"}


def tried(behaviour: Behaviour) -> list[tuple[str, str]]:
    return [(attempt.candidate.name, attempt.known_as) for attempt in behaviour.tried]


def notes(behaviour: Behaviour) -> str:
    return "; ".join(behaviour.notes)


def test_the_page_about_explain_tells_of_every_client() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)

    assert set(rows) == CLIENTS
    assert len(rows) == len(CLIENTS)


def test_without_logins_everyone_goes_on_anonymously() -> None:
    said = ask("reg.example.com/team/app")

    assert set(said) == CLIENTS
    assert nobody_tries(said)
    assert "fails Nomad's task" in notes(said["nomad"])


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


@pytest.mark.parametrize("client", ["docker", "podman", "nerdctl", "nomad"])
def test_a_login_wider_than_a_narrowed_key_is_named_where_the_host_is_all_there_is(
    client: str,
) -> None:
    found = candidate("all", "reg.example.com")

    said = ask("reg.example.com/team/app", found, patterns=("reg.example.com/team/*",))

    assert said[client].tried == ()
    assert (
        "all covers more than this key may have: for clients that ask by host alone take a key for "
        "reg.example.com, or a login scoped to the path"
    ) in notes(said[client])
    assert tried(said["crane"]) == [("all", "reg.example.com/team/app")]
    assert tried(said["kubelet-plugin"]) == [("all", "reg.example.com")]


@pytest.mark.parametrize("client", ["auth.json", "kubelet"])
def test_it_is_named_where_a_file_is_made_for_no_image(client: str) -> None:
    found = candidate("all", "reg.example.com")

    said = ask("reg.example.com/team/app", found, patterns=("reg.example.com/team/*",))[client]

    assert said.tried == ()
    assert "all covers more than this key may have: it stands in what is made for the image" in (
        notes(said)
    )
    assert "no key here" not in notes(said)


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


def test_a_key_of_a_pull_secret_is_the_newest_logins() -> None:
    found = [candidate("old", "reg.example.com", age=5), candidate("new", "reg.example.com")]

    said = ask("reg.example.com/app", *found)["kubelet"]

    assert tried(said) == [("new", "reg.example.com")]
    assert "old is left out of pull secrets (another comes first)" in notes(said)


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

    assert tried(said["kubelet"]) == [("hub", "docker.io")]
    assert tried(said["docker"]) == [("hub", HUB)]


def test_a_hub_path_login_would_hide_the_hub_wide_one_and_so_that_one_is_spelled_twice() -> None:
    """A docker.io hit suppresses the fall-back to index.docker.io: Kubernetes' own trap."""
    found = [candidate("acme", "docker.io/acme"), candidate("hub", "docker.io")]

    said = ask("acme/app", *found)["kubelet"]

    assert tried(said) == [("acme", "docker.io/acme/"), ("hub", "docker.io")]
    assert "only where no other key matched" in notes(said)
    assert "no other key" not in notes(ask("acme/app", found[1])["kubelet"])


def test_a_withheld_login_is_tried_by_nobody_and_everybody_hears_of_it() -> None:
    said = ask("reg.example.com/app", candidate("dead", "reg.example.com", standing=WITHHELD))

    assert nobody_tries(said)
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

    assert nobody_tries(said)


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


def token(name: str, scope: str) -> Candidate:
    """Return a login whose secret is an identity token."""
    plain = candidate(name, scope)
    return plain._replace(delivery=plain.delivery._replace(username="<token>"))


def test_an_identity_token_is_of_no_use_to_the_kubelet_and_to_nomad() -> None:
    said = ask("reg.example.com/app", token("it", "reg.example.com"))

    for client in HELPED | {"auth.json"}:
        assert tried(said[client])
    assert "it is left out of pull secrets (an identity token)" in notes(said["kubelet"])
    assert "it is an identity token" in notes(said["kubelet-plugin"])
    assert said["kubelet"].anonymous
    assert said["kubelet-plugin"].anonymous
    assert "Nomad takes <token> for a user name" in notes(said["nomad"])


def test_what_could_not_be_exchanged_is_tried_by_nobody() -> None:
    found = [candidate("ecr", "reg.example.com/a"), candidate("all", "reg.example.com", age=1)]

    said = ask("reg.example.com/a", *found, failing={"id-ecr": "The key is disabled."})

    for client in CLIENTS - {"containerd"}:
        assert [name for name, _ in tried(said[client])] == ["all"]
        assert "could not be exchanged" in notes(said[client])


def test_where_nothing_could_be_exchanged_helpers_fail_and_the_plugin_gives_way() -> None:
    why = {"id-ecr": "The key is disabled."}
    said = ask("reg.example.com/app", candidate("ecr", "reg.example.com"), failing=why)

    for client in HELPED:
        assert (said[client].tried, said[client].anonymous) == ((), False)
        assert "the helper answers with an error" in notes(said[client])
    assert said["kubelet-plugin"].anonymous
    assert "so the plugin fails" in notes(said["kubelet-plugin"])
    assert said["kubelet"].anonymous


def test_podman_takes_the_first_key_of_its_file_and_no_other() -> None:
    found = [
        candidate("all", "reg.example.com"),
        candidate("team", "reg.example.com/team"),
        candidate("app", "reg.example.com/team/app"),
    ]

    said = ask("reg.example.com/team/app:1", *found)["auth.json"]
    below = ask("reg.example.com/team/app/part", *found)["auth.json"]
    beside = ask("reg.example.com/teams/app", *found)["auth.json"]

    assert tried(said) == [("app", "reg.example.com/team/app")]
    assert tried(below) == [("app", "reg.example.com/team/app")]
    assert tried(beside) == [("all", "reg.example.com")]
    assert not said.anonymous


def test_a_file_of_exact_keys_holds_no_host_pattern() -> None:
    said = ask("reg.example.com/app", candidate("glob", "*.example.com"))["auth.json"]

    assert said.anonymous
    assert "glob: no key here" in notes(said)


def test_nerdctl_asks_with_the_port_first() -> None:
    everywhere = [candidate("all", scope) for scope in ("reg.example.com", "docker.io")]

    assert tried(ask("reg.example.com/app", everywhere[0])["nerdctl"]) == [
        ("all", "reg.example.com:443")
    ]
    assert tried(ask("reg.example.com:443/app", everywhere[0])["nerdctl"]) == [
        ("all", "reg.example.com:443")
    ]
    assert tried(ask("app", everywhere[1])["nerdctl"]) == [("all", HUB)]
    assert tried(ask("reg.example.com:5000/app", candidate("p", "reg.example.com:5000"))["nerdctl"])
    assert "also asks for https://" in notes(ask("reg.example.com/app")["nerdctl"])


def test_the_plugin_gives_every_login_in_resolves_order() -> None:
    found = [
        candidate("glob", "*.example.com/team/app"),
        candidate("old", "reg.example.com", age=5),
        candidate("new", "reg.example.com"),
        candidate("team", "reg.example.com/team"),
        candidate("other", "reg.example.com/other"),
    ]

    said = ask("reg.example.com/team/app/x", *found)["kubelet-plugin"]

    assert [name for name, _ in tried(said)] == ["team", "new", "old", "glob"]
    keys = [key for _, key in tried(said)]
    assert lookup(sorted(keys), "reg.example.com/team/app/x") == keys


def test_the_plugin_leaves_out_what_has_no_key_left() -> None:
    found = [candidate(f"n{age}", "reg.example.com", age=age) for age in range(4)]

    said = ask("reg.example.com/app", *found)["kubelet-plugin"]

    assert [name for name, _ in tried(said)] == ["n0", "n1"]
    assert "n2: the image has no room" in notes(said)
    assert "n3: the image has no room" in notes(said)


def test_a_narrowed_key_gets_a_wide_login_through_the_plugin() -> None:
    wide = candidate("all", "reg.example.com")

    said = ask("reg.example.com/team/app", wide, patterns=("reg.example.com/team",))

    assert tried(said["kubelet-plugin"]) == [("all", "reg.example.com")]
    assert said["auth.json"].anonymous


@pytest.mark.parametrize(
    ("image", "scope", "why"),
    [
        ("reg.example.com:443/app", "reg.example.com", "compared as text"),
        ("REG.example.com/app", "reg.example.com", "compared as text"),
        ("registry-1.docker.io/acme/app", "docker.io", "compared as text"),
        ("reg.example.com/team", "reg.example.com/team", "matches only what is below"),
        ("reg.example.com/teams/app", "reg.example.com/team", "as plain text"),
    ],
)
def test_where_the_kubelet_differs_it_is_said(image: str, scope: str, why: str) -> None:
    said = ask(image, candidate("it", scope))["kubelet"]

    assert said.anonymous
    assert why in notes(said)


def test_a_pattern_that_the_kubelet_would_try_too_early_is_left_out() -> None:
    found = [
        candidate("path", "reg.example.com/a"),
        candidate("pattern", "reg.*.com"),
        candidate("other", "*.example.com/a"),
    ]

    said = ask("reg.example.com/a/app", *found)["kubelet"]

    assert [name for name, _ in tried(said)] == ["path", "other"]
    assert "pattern is left out of pull secrets (the kubelet would try it first)" in notes(said)


def test_traps_of_pull_secrets_are_told_where_one_is_used() -> None:
    said = ask("reg.example.com/app", candidate("all", "reg.example.com"))

    assert "one unreadable entry" in notes(said["kubelet"])
    assert "never anonymously" in notes(said["kubelet"])
    assert "mirrors" in notes(said["containerd"])


@pytest.mark.parametrize(
    ("scopes", "keys"),
    [
        ([], []),
        (["reg.io"], ["reg.io"]),
        (["reg.io/a/b", "reg.io/a", "reg.io"], ["reg.io/a/b", "reg.io/a/", "reg.io"]),
        (["reg.io", "reg.io"], ["reg.io/a/", "reg.io"]),
    ],
)
def test_an_images_keys_are_its_own_prefixes(scopes: list[str], keys: list[str]) -> None:
    image = ImageReference.parse("reg.io/a/b")

    assert keys_for_image(image, [Scope.parse(scope) for scope in scopes]) == keys
