"""A rollout: 1,000 nodes that want one image at once, and nobody has exchanged its secret yet."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.tools.minter import HOST, USER, Minter
from tests.tools.service import Service
from tools.benchmarks.common import SERVER_CORES, Bench, Goal, request, write_requests

NODES = 1_000
_ANSWER_SECONDS = 0.05
_LONGEST = 10.0
_P99 = Goal(3.0)
_WARM = f"{HOST}/warm/app:1"
_COLD = f"{HOST}/cold/app:1"


def measure(bench: Bench) -> None:
    """Measure the p99 of a cold rollout against one whose login is ready, of as many nodes."""
    with Minter(seconds=_ANSWER_SECONDS).serving() as cloud:
        service = bench.service(
            "rollout",
            REGCRED_ENDPOINTS=f"digitalocean={cloud.url}",
            # All nodes are one address here.
            REGCRED_CONNECTIONS_PER_PEER="2000",
        )
        with service.serving(), service.api() as api:
            for name in ("warm", "cold"):
                where = f"https://{HOST}/{name}"
                api.add(name, where, USER, f"token-{name}", provider="digitalocean")
            key = api.make_key("nodes")["key"]
            api.resolve(_WARM)
        steady, cold, asked = [], [], []
        for _ in range(bench.rounds):
            _never_exchanged(service.data / "store")
            cloud.asked.clear()
            with service.serving(cores=SERVER_CORES):
                # Once each, to have both meet a service that has answered before.
                _p99(bench, service, key, _WARM)
                steady.append(_p99(bench, service, key, _WARM))
                cold.append(_p99(bench, service, key, _COLD))
            asked.append(float(len(cloud.asked)))
    bench.add(f"rollout to {NODES:,} nodes, login ready: p99", "ms", steady)
    bench.add(f"cold rollout to {NODES:,} nodes: p99", "ms", cold)
    bench.compare("p99 of a rollout, cold / login ready", cold, steady, _P99)
    bench.add("cold rollout: exchanges beyond one", "", [a - 1 for a in asked], Goal(0))


def _p99(bench: Bench, service: Service, key: str, image: str) -> float:
    """Have every node resolve once, all at the same time; return the p99 in ms."""
    asks = [request("/v1/projects/-/resolve", key, {"image": image})]
    requests = write_requests(bench.folder / "rollout.json", asks)
    report = bench.load(service.port, requests, seconds=_LONGEST, count=NODES, connections=NODES)
    return float(report["p99_ms"])


def _never_exchanged(store: Path) -> None:
    """Forget the login of the cold image, as if its secret had just been stored."""
    with closing(sqlite3.connect(store / "regcred.db")) as database:
        database.execute(
            "DELETE FROM credential_logins WHERE credential_id IN "
            "(SELECT id FROM credentials WHERE name = 'cold')"
        )
        database.commit()
