"""A client that knows what a 503 means: nobody can say yet whether the request had its effect."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus

from tools.campaign.client import Answer, Broken, Client

PAUSE = 0.05
PATIENCE = 30.0
"""Seconds between two attempts, and until the last."""


class Patient(Client):
    """A client of a service whose database comes and goes.

    It repeats creates by an Idempotency-Key; another request that is refused is in doubt.
    """

    def __init__(self, port: int, key: str, refused: Counter[str]) -> None:
        super().__init__(port, key)
        self._refused = refused

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        request_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request until it is answered. Raise Broken for one that must not be repeated."""
        once = method == "POST" and path.endswith(("/credentials", "/keys"))
        more = {**(headers or {}), **({"Idempotency-Key": request_id} if once else {})}
        until = time.monotonic() + PATIENCE
        while True:
            answer = await super().ask(method, path, body, request_id=request_id, headers=more)
            if answer.status not in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT}:
                return answer
            self._refused[f"{answer.status} answers"] += 1
            if not once:
                raise Broken(f"{answer.status}")
            if time.monotonic() > until:
                return answer
            self._refused["creates repeated"] += 1
            await asyncio.sleep(PAUSE)
