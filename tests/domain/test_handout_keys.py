"""Keys of pull secrets and auth files: what is tried first is what resolve puts first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain import keyring
from regcred.domain.handout import AskedImage, Entry, Gathered, LeftOut, Opened
from regcred.domain.handout_keys import (
    Keys,
    _Patterns,
    containers_keys,
    containers_lookup,
    kubelet_keys,
    spell_hub_twice,
    spell_hub_where_it_is_hidden,
)
from regcred.domain.ports import Candidate
from regcred.domain.registry import ImageReference, Scope
from regcred.domain.secret import Secret
from regcred.domain.selection import in_order, matched_scope, rank
from tests.domain.examples import candidate

HUB = "https://index.docker.io/v1/"


def entry(found: Candidate, scope: Scope, username: str = "") -> Entry:
    opened = Opened(username or found.delivery.username, Secret("password"), None)
    return Entry(found.id, found.name, scope, opened)


def whole(candidates: Sequence[Candidate]) -> Gathered:
    return Gathered(tuple(entry(c, matched_scope(c)) for c in in_order(candidates)))


def of_images(candidates: Sequence[Candidate], *images: str) -> Gathered:
    """Return what these images get, at their own registries, as the use case gathers it."""
    asked, ranked = {}, []
    for text in images:
        reference = ImageReference.parse(text)
        address = reference.address()
        mine = rank(c for c in candidates if matched_scope(c).covers(address, reference.repository))
        entries = [entry(c, Scope(address.host, address.port, matched_scope(c).path)) for c in mine]
        image = AskedImage(reference, tuple(entries))
        asked[image.name] = image
        ranked += list(zip(mine, entries, strict=True))
    order = {id(c): at for at, c in enumerate(in_order(c for c, _ in ranked))}
    entries = [e for _, e in sorted(ranked, key=lambda pair: order[id(pair[0])])]
    return Gathered(tuple(entries), tuple(asked.values()))


def kubelet(gathered: Gathered) -> tuple[Keys, set[str]]:
    left_out = LeftOut()
    return kubelet_keys(gathered, left_out), {name for name, _ in left_out.all()}


def login(name: str, scope: str, age: int = 0) -> Candidate:
    return candidate(name, str(Scope.parse(scope)), age=age)


# --- what single cases show


def test_a_path_ends_in_a_slash_so_that_its_neighbours_do_not_match() -> None:
    keys, _ = kubelet(whole([login("team", "reg.example.com/team")]))

    assert list(keys.held) == ["reg.example.com/team/"]


def test_a_login_for_one_repository_is_found_if_its_image_is_named() -> None:
    gathered = of_images([login("one", "reg.example.com/app")], "reg.example.com/app")
    keys, _ = kubelet(gathered)

    assert list(keys.held) == ["reg.example.com/app/", "reg.example.com/app"]


def test_of_two_logins_with_one_key_the_better_stands_and_the_other_is_named() -> None:
    made = [login("old", "reg.example.com", age=2), login("new", "reg.example.com")]
    keys, left_out = kubelet(whole(made))

    assert {key: held.name for key, (held, _) in keys.held.items()} == {"reg.example.com": "new"}
    assert left_out == {"old"}


def test_a_pattern_that_the_kubelet_would_put_first_is_left_out() -> None:
    better = login("better", "*.example.com/team")
    keys, left_out = kubelet(whole([better, login("worse", "reg.*.com")]))

    assert list(keys.held) == ["*.example.com/team/"]
    assert left_out == {"worse"}


@pytest.mark.parametrize(
    ("others", "spelled"),
    [
        ([], [HUB]),
        (["reg.example.com"], [HUB]),
        (["*.example"], [HUB]),
        (["docker.io/acme"], [HUB, "docker.io"]),
        (["*.io"], [HUB, "docker.io"]),
        (["docker.*/acme"], [HUB, "docker.io"]),
    ],
)
def test_docker_hub_is_spelled_twice_where_another_key_hides_its_url(
    others: list[str], spelled: list[str]
) -> None:
    made = [login("hub", "docker.io"), *(login(scope, scope) for scope in others)]
    keys, _ = kubelet(whole(made))
    spell_hub_where_it_is_hidden(keys)

    assert [key for key, (held, _) in keys.held.items() if held.name == "hub"] == spelled


def test_podman_gets_whole_paths_and_both_spellings_of_docker_hub() -> None:
    made = [
        login("hub", "docker.io"),
        login("team", "reg.example.com/team"),
        login("all", "*.example.com"),
    ]
    left_out = LeftOut()
    keys = containers_keys(whole(made), left_out)

    assert sorted(keys.held) == ["docker.io", HUB, "reg.example.com/team"]
    assert left_out.all() == (("all", "a pattern"),)


def test_images_that_hide_one_another_each_get_their_own_key() -> None:
    made = [login("app", "reg.example.com/app"), login("all", "reg.example.com", age=1)]
    images = ["reg.example.com/app", "reg.example.com/apps", "reg.example.com/app:v2"]
    keys, _ = kubelet(of_images(made, *images))

    assert keys.held["reg.example.com/app"][0].name == "app"
    assert keys.held["reg.example.com/apps"][0].name == "all"


def test_a_login_without_a_registry_has_no_key() -> None:
    bare = Entry("id", "bare", None, Opened("ada", Secret("p"), None))
    for keys_of in (kubelet_keys, containers_keys):
        left_out = LeftOut()

        assert not keys_of(Gathered((bare,)), left_out).held
        assert left_out.all() == (("bare", "no registry"),)


def test_an_address_in_brackets_without_a_port_matches_nothing_for_the_kubelet() -> None:
    keys, left_out = kubelet(whole([login("six", "[::1]"), login("port", "[::1]:5000")]))

    assert list(keys.held) == ["[::1]:5000"]
    assert left_out == {"six"}
    assert keyring.lookup(["[::1]"], "[::1]/app") == []


def test_the_kubelet_gets_no_identity_token_and_podman_does() -> None:
    found = login("token", "reg.example.com/app")
    gathered = Gathered((entry(found, matched_scope(found), "<token>"),))

    assert not kubelet(gathered)[0].held
    assert list(containers_keys(gathered, LeftOut()).held) == ["reg.example.com/app"]


# --- what holds for all


HOSTS = st.sampled_from(
    ["reg.example.com", "docker.io", "app.example.com", "host:5000", "[::1]:5000"]
)
PATTERNS = st.sampled_from(["*.example.com", "reg.*.com", "*.*.com", "*.io", "docker.*", "*:5000"])
COMPONENTS = st.sampled_from(["team", "teams", "app", "apps", "v1", "library"])
PATHS = st.lists(COMPONENTS, max_size=3).map("/".join)
SCOPES = st.tuples(st.one_of(HOSTS, HOSTS, PATTERNS), PATHS).map(
    lambda parts: "/".join(filter(None, parts))
)
LOGINS = st.lists(st.tuples(SCOPES, st.integers(0, 2)), min_size=1, max_size=8)
IMAGES = st.tuples(HOSTS, PATHS.filter(bool)).map("/".join)


def scope_of(text: str) -> str:
    """Return a scope as stored: without a scheme, `v1` is a path."""
    host, _, path = text.partition("/")
    name, colon, port = host.rpartition(":")
    name = name if colon else host
    return str(Scope(name, int(port) if colon else None, path))


def stored(logins: list[tuple[str, int]]) -> list[Candidate]:
    return [
        candidate(f"login {number}", scope_of(scope), age=age)
        for number, (scope, age) in enumerate(logins)
    ]


def first(candidates: Sequence[Candidate], image: str) -> str | None:
    """Return what resolve puts first."""
    reference = ImageReference.parse(image)
    address = reference.address()
    ranked = rank(c for c in candidates if matched_scope(c).covers(address, reference.repository))
    return ranked[0].name if ranked else None


@pytest.mark.parametrize("spell_hub", [spell_hub_twice, spell_hub_where_it_is_hidden])
@given(logins=LOGINS, image=IMAGES)
def test_a_pull_secrets_first_login_is_resolves_first(
    spell_hub: object, logins: list[tuple[str, int]], image: str
) -> None:
    made = stored(logins)
    reference = ImageReference.parse(image)
    name = f"{reference.registry}/{reference.repository}"
    # `reg/app/` does not match the image `reg/app`: for that the image has to be named.
    if any(matched_scope(c).path == reference.repository for c in made):
        return
    keys, left_out = kubelet(whole(made))
    assert callable(spell_hub)
    spell_hub(keys)

    tried = keyring.lookup(sorted(keys.held), name)

    expected = first([c for c in made if c.name not in left_out], image)
    assert (keys.held[tried[0]][0].name if tried else None) == expected


@given(logins=LOGINS, images=st.lists(IMAGES, min_size=1, max_size=5))
def test_every_named_image_gets_resolves_first(
    logins: list[tuple[str, int]], images: list[str]
) -> None:
    made = stored(logins)
    gathered = of_images(made, *images)
    keys, _ = kubelet(gathered)
    spell_hub_twice(keys)
    files = containers_keys(gathered, LeftOut())

    for image in gathered.images:
        expected = first(made, str(image.reference))
        if expected is not None:
            tried = keyring.lookup(sorted(keys.held), image.name)
            (read,) = containers_lookup(list(files.held), image.name)
            assert keys.held[tried[0]][0].name == expected
            assert files.held[read][0].name == expected


@given(logins=LOGINS, image=IMAGES)
def test_an_auth_files_login_is_resolves_first(logins: list[tuple[str, int]], image: str) -> None:
    made = stored(logins)
    reference = ImageReference.parse(image)
    left_out = LeftOut()
    keys = containers_keys(whole(made), left_out)
    missing = {name for name, _ in left_out.all()}

    read = containers_lookup(list(keys.held), f"{reference.registry}/{reference.repository}")

    expected = first([c for c in made if c.name not in missing], image)
    assert [keys.held[key][0].name for key in read] == ([expected] if expected else [])


labels = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3).map(".".join)
scopes = st.builds(
    Scope, labels, st.sampled_from([None, 80]), st.sampled_from(["", "a", "a/b", "b"])
)


@given(scopes.filter(lambda s: s.pattern), st.lists(scopes.filter(lambda s: s.pattern)))
def test_patterns_are_found_as_if_each_was_looked_at(scope: Scope, others: list[Scope]) -> None:
    patterns = _Patterns()
    for other in others:
        patterns.add(other)

    assert patterns.any_tried_after(scope) is any(
        scope.overlaps(other) and f"{scope}/" > f"{other}/" for other in others
    )


def test_patterns_that_have_no_host_in_common_are_not_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A project may have hundreds, and each with each are too many for one request."""
    candidates = [login(f"l{n}", f"*.h{n}.example.com") for n in range(200)]
    compared: list[Scope] = []

    def overlaps(_: Scope, other: Scope) -> bool:
        compared.append(other)
        return False

    monkeypatch.setattr(Scope, "overlaps", overlaps)
    keys, _ = kubelet(whole(candidates))

    assert len(keys.held) == 200
    assert compared == []


def test_a_key_is_read_once_for_all_images_and_not_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[bytes] = []
    normalise = keyring._normalise

    def counting(key: bytes) -> bytes | None:
        read.append(key)
        return normalise(key)

    monkeypatch.setattr(keyring, "_normalise", counting)
    paths = [f"reg.io/p{n}" for n in range(20)]
    images = [f"{path}/app" for path in paths]
    gathered = of_images([login(f"l{n}", path) for n, path in enumerate(paths)], *images)
    keys, _ = kubelet(gathered)

    assert len(keys.held) == len(read) == 20
