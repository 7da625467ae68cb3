"""F15 in seconds: a few slow clients of the kinds whose end does not take half a minute to see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regcred.bootstrap.protocol import configured
from tools.campaign.echo_servers import LIMITS, bordered, serving, unguarded
from tools.campaign.slow_clients import SlowClients, kinds

COUNT = 10
SHORT = replace(LIMITS, header_deadline=0.5, drain_deadline=0.5)
PATIENCE = 20


@pytest.mark.parametrize("kind", ["idle", "header"])
def test_slow_clients_are_ended_and_their_places_are_free(kind: str) -> None:
    config = configured(bordered(), SHORT, keep_alive=1, grace=1)
    with serving(config) as address, SlowClients(address, kinds("/")[kind], COUNT) as slow:
        lives = slow.lives(PATIENCE)
        held = slow.held

    assert (len(lives), held) == (COUNT, 0)


def test_without_the_protocol_they_stay() -> None:
    """The control: what ends them is ours."""
    with (
        serving(unguarded()) as address,
        SlowClients(address, kinds("/")["header"], COUNT) as slow,
    ):
        slow.lives(2)
        held = slow.held

    assert held == COUNT
