"""F3 and F4 in seconds: a few flipped bits, a few moves, edits and rollbacks."""

from __future__ import annotations

import pytest

from tools.campaign import f03_flips, f04_edits
from tools.campaign.harmless import HARMLESS

pytestmark = pytest.mark.system


def test_a_flipped_bit_never_makes_another_password_and_the_control_is_caught() -> None:
    report = f03_flips.run(0.01)

    assert report.violations == []
    assert report.counts["flips"] >= 50
    assert [control for control in report.controls if not control.caught] == []


def test_moves_edits_and_rollbacks_are_noticed_and_the_control_is_caught() -> None:
    report = f04_edits.run(0.04)

    assert report.violations == []
    assert report.counts["moves"] > 0
    assert report.counts["rollbacks"] > 0
    assert [control for control in report.controls if not control.caught] == []


def test_what_is_listed_as_harmless_has_a_reason() -> None:
    assert [column for column, why in HARMLESS.items() if len(why) < 20] == []
