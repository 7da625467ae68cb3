from __future__ import annotations

import json

import pytest

from tests.web.world import World
from tools.campaign import f05_isolation
from tools.campaign.isolation.operations import DOCUMENTS, Unlisted, every_operation


def test_nobody_is_told_of_another_projects_things() -> None:
    report = f05_isolation.run(0.04)

    assert report.violations == []
    assert report.good, report.controls
    assert report.counts["operations"] >= 78
    assert report.counts["cells"] > 300


@pytest.fixture
async def documents(world: World) -> dict[str, str]:
    return {face: (await world.send("GET", url, key=None)).text for face, url in DOCUMENTS.items()}


@pytest.fixture
async def world() -> World:
    return await World().populate()


@pytest.mark.parametrize(
    ("face", "old", "new"),
    [
        pytest.param("native", '"getKey"', '"getKeyAgain"', id="a new operation"),
        pytest.param("gcore", '"offset"', '"owner"', id="a new parameter"),
        pytest.param("yotta", '"username":{', '"team":{', id="a new field"),
    ],
)
def test_what_is_new_stops_the_matrix_until_it_joins(
    documents: dict[str, str], face: str, old: str, new: str
) -> None:
    read = {name: json.loads(text) for name, text in documents.items()}
    assert len(every_operation(read)) >= 78
    assert old in documents[face]
    read[face] = json.loads(documents[face].replace(old, new))

    with pytest.raises(Unlisted):
        every_operation(read)
