from __future__ import annotations

import pytest

from regcred.adapters.registries.judgement import Answer, Step, judge
from regcred.adapters.registries.messages import Reply
from regcred.domain.verdict import VerdictKind as V

EXPIRED = b"Your Authorization Token has expired. Reauthenticate and try again."


@pytest.mark.parametrize(
    ("step", "answer", "kind"),
    [
        (Step.PING, Answer(Reply(200)), None),
        (Step.PING, Answer(Reply(200, body=b"{}")), None),
        (Step.PING, Answer(Reply(200, body=b"<html>")), V.NOT_A_REGISTRY),
        (Step.PING, Answer(Reply(200, body=b"[" * 60_000)), V.NOT_A_REGISTRY),
        (
            Step.PING,
            Answer(Reply(200, (("docker-distribution-api-version", "registry/2.0"),), b"<x>")),
            None,
        ),
        (Step.PING, Answer(Reply(401)), None),
        (Step.PING, Answer(Reply(403)), V.UNSUPPORTED),
        (Step.PING, Answer(Reply(404)), V.NOT_A_REGISTRY),
        (Step.PING, Answer(Reply(400)), V.NOT_A_REGISTRY),
        (Step.PING, Answer(Reply(307)), V.NOT_A_REGISTRY),
        (Step.LOGIN, Answer(Reply(200)), None),
        (Step.LOGIN, Answer(Reply(401)), V.REJECTED),
        (Step.LOGIN, Answer(Reply(401, body=EXPIRED)), V.REJECTED),
        (Step.LOGIN, Answer(Reply(403, body=EXPIRED)), V.EXPIRED),
        (Step.LOGIN, Answer(Reply(403)), V.DENIED),
        (Step.LOGIN, Answer(Reply(404)), V.UNSUPPORTED),
        (Step.TOKEN, Answer(Reply(200)), None),
        (Step.TOKEN, Answer(Reply(401)), V.REJECTED),
        (Step.TOKEN, Answer(Reply(403)), V.REJECTED),
        (Step.TOKEN, Answer(Reply(403, body=EXPIRED)), V.EXPIRED),
        (Step.TOKEN, Answer(Reply(400)), V.UNSUPPORTED),
        (Step.TOKEN, Answer(Reply(400), identity_token=True), V.REJECTED),
        (Step.SCOPED_TOKEN, Answer(Reply(200)), None),
        (Step.SCOPED_TOKEN, Answer(Reply(401)), V.REJECTED),
        (Step.SCOPED_TOKEN, Answer(Reply(403)), V.DENIED),
        (Step.SCOPED_TOKEN, Answer(Reply(403, body=EXPIRED)), V.EXPIRED),
        (Step.SCOPED_TOKEN, Answer(Reply(400), identity_token=True), V.REJECTED),
        (Step.SCOPED_TOKEN, Answer(Reply(404)), V.UNSUPPORTED),
        (Step.MANIFEST, Answer(Reply(200)), None),
        (Step.MANIFEST, Answer(Reply(401)), V.DENIED),
        (Step.MANIFEST, Answer(Reply(403)), V.DENIED),
        (Step.MANIFEST, Answer(Reply(404)), V.MISSING),
        (Step.MANIFEST, Answer(Reply(404), ("pull",)), V.MISSING),
        (Step.MANIFEST, Answer(Reply(404), ("*",)), V.MISSING),
        (Step.MANIFEST, Answer(Reply(404), ()), V.DENIED),
        (Step.MANIFEST, Answer(Reply(404), ("push",)), V.DENIED),
        (Step.MANIFEST, Answer(Reply(405)), V.UNSUPPORTED),
    ],
)
def test_each_answer_has_one_verdict(step: Step, answer: Answer, kind: V | None) -> None:
    assert judge(step, answer).kind is kind


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize(
    ("status", "kind"), [(429, V.RATE_LIMITED), (500, V.UNREACHABLE), (503, V.UNREACHABLE)]
)
def test_a_registry_in_trouble_says_nothing_of_the_login(step: Step, status: int, kind: V) -> None:
    assert judge(step, Answer(Reply(status))).kind is kind


@pytest.mark.parametrize("step", Step)
def test_every_status_has_a_row(step: Step) -> None:
    kinds = {status: judge(step, Answer(Reply(status))).kind for status in range(1000)}

    # Nothing but the one good answer (and the ping's challenge) goes on.
    going_on = {status for status, kind in kinds.items() if kind is None}
    assert going_on == ({200, 401} if step is Step.PING else {200})
    assert V.OK not in kinds.values()
