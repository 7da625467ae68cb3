"""Every answer is counted once, by words that are the program's own."""

from __future__ import annotations

import pytest

from tests.web.world import World, credential

HERE = "/v1/projects/-"


class Counted:
    """Keeps what would be counted."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, str, int]] = []
        self.seconds: list[float] = []

    def __call__(self, face: str, route: str, method: str, status: int, seconds: float) -> None:
        self.answers.append((face, route, method, status))
        self.seconds.append(seconds)


async def test_answers_of_every_face_are_counted_by_their_pattern() -> None:
    counted = Counted()
    world = await World(answered=counted).populate()
    await world.send("POST", f"{HERE}/credentials", credential())
    await world.send("GET", f"{HERE}/credentials/ci-pull")
    await world.send("POST", f"{HERE}/resolve", {"image": "registry.example.com/team/app"})
    await world.send("POST", f"{HERE}/resolve", {"image": 1})
    await world.send("GET", "/cloud/v3/inference/1/registry_credentials")
    await world.send("GET", "/v3/docker-registries/not-there")
    await world.send("GET", "/livez")
    await world.send("BREW", "/Hunter2")

    one = "/v1/projects/{project}/credentials"
    resolve = "/v1/projects/{project}/resolve"
    assert counted.answers == [
        ("native", one, "POST", 201),
        ("native", f"{one}/{{credential}}", "GET", 200),
        ("native", resolve, "POST", 200),
        ("native", resolve, "POST", 422),
        ("gcore", "/cloud/v3/inference/{project_id}/registry_credentials", "GET", 401),
        ("sevalla", "/v3/docker-registries/{id}", "GET", 400),
        ("health", "-", "GET", 200),
        ("none", "-", "BREW", 404),
    ]
    assert all(seconds > 0 for seconds in counted.seconds)


@pytest.mark.parametrize("most", [0])
async def test_an_answer_of_a_service_that_has_too_much_to_do_is_counted(most: int) -> None:
    counted = Counted()
    world = await World(answered=counted, most_at_once=most).populate()

    await world.send("GET", f"{HERE}/credentials")

    assert counted.answers == [("native", "-", "GET", 503)]


async def test_what_clients_make_up_is_in_no_pattern() -> None:
    """However many paths are asked for, the patterns are as many as there are routes."""
    counted = Counted()
    world = await World(answered=counted).populate()
    for n in range(50):
        for path in (f"/Hunter2{n}", f"/v1/Hunter2{n}", f"/v2/x/{n}", f"/v1/projects/{n}/resolve"):
            await world.send("POST", path, {})
            await world.send("GET", f"{path}?q=Hunter2{n}")

    assert len({(face, route) for face, route, _, _ in counted.answers}) <= 8
    assert "Hunter2" not in str(counted.answers)
