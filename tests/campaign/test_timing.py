from __future__ import annotations

from tools.campaign import f21_timing


def test_questions_with_one_answer_differ_in_no_other_way() -> None:
    """Nothing timed is asserted on a shared machine but what is planted, which is many times it."""
    report = f21_timing.run(0.005)

    assert all(one.caught for one in report.controls), report.controls
    assert report.counts["samples of each pair"] == 500
    assert len([name for name in report.counts if name.startswith("|t| ")]) == 5
