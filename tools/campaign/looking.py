"""Looks, through the API and beside it, for what acts must have left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from tools.campaign.client import Client
from tools.campaign.installation import Installation
from tools.campaign.report import Report
from tools.campaign.story import PROJECT, Act, Actor, Thing, host_of, judge

_KEYS = "SELECT name FROM api_keys"
_USES = """
    SELECT c.name, u.name FROM uses u JOIN credentials c
    ON c.project_id = u.project_id AND c.id = u.credential_id
"""


class Looking:
    """Reads with a connection of its own what is there."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._client = Client(installation.port, installation.key)
        self._keys: set[str] = set()
        self._uses: set[tuple[str, str]] = set()

    async def close(self) -> None:
        """Close the connection; the next look opens another."""
        await self._client.close()

    async def look(
        self,
        actors: Iterable[Actor],
        acts: Mapping[str, list[Act]],
        audited: Iterable[str],
        report: Report,
    ) -> None:
        """Compare every thing that those acts touched, by actor, with what was acknowledged."""
        self._keys = {row[0] for row in self._installation.rows(_KEYS)}
        self._uses = {(row[0], row[1]) for row in self._installation.rows(_USES)}
        for actor in actors:
            touched = {thing for act in acts.get(actor.name, []) for thing in act.changes}
            if actor.doubt is not None:
                touched |= actor.doubt.changes.keys()
                report.add("in doubt")
            found: dict[Thing, str] = {}
            for thing in touched:
                there = await self._find(actor, thing)
                if there is not None:
                    found[thing] = there
            report.add("looked at", len(touched))
            report.violations += judge(actor.present, touched, actor.doubt, found, audited)

    async def _find(self, actor: Actor, thing: Thing) -> str | None:
        match thing:
            case ("login", name):
                body = {"image": f"{host_of(name)}/app:1", "client": "campaign-look"}
                answer = await self._client.ask("POST", f"{PROJECT}/resolve", body)
                if answer.status != HTTPStatus.OK:
                    return f"unreadable: {answer.status}"
                logins = answer.json["logins"]
                return str(logins[0]["password"]) if logins else None
            case ("use", name, use):
                return "there" if (name, use) in self._uses else None
            case ("key", name):
                there = name in self._keys
                if name in actor.tokens:
                    token = Client(self._installation.port, actor.tokens[name][1])
                    opened = (await token.ask("GET", "/v1/whoami")).status == HTTPStatus.OK
                    await token.close()
                    if opened != there:
                        return f"opens: {opened}"
                return "there" if there else None
            case _:
                raise ValueError(thing)
