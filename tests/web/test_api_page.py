"""What docs/api.md says of errors and examples is what the service does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from regcred.domain.errors import InvalidInput, RegcredError, StartRefused
from regcred.web.dialects.native.problems import TABLE, render, slug

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_the_table_of_errors_is_the_services() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, re.MULTILINE)
    written = {
        (int(status), name)
        for status, names in rows
        for name in re.findall(r"`([a-z]+(?:-[a-z]+)*)`", names)
    }
    unseen = {RegcredError, StartRefused}

    assert written == {
        (row.status, slug(fact)) for fact, row in TABLE.items() if fact not in unseen
    }


def test_the_example_of_a_problem_is_one() -> None:
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    example = json.loads(found[1])
    error = InvalidInput(example["errors"][0]["field"], example["errors"][0]["rule"])

    assert json.loads(render(error, example["request_id"]).body) == example
