from __future__ import annotations

from typing import Any

from tests.web.dialects.driver import PASSWORD, Said, Shown
from tests.web.world import Reply


class Sevalla:
    name = "sevalla"
    root = "/v3"
    collection = "/v3/docker-registries"
    created, deleted = 201, 200
    secret = "secret"
    shows_username = True
    blocks_delete = False

    def key(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def create(self, name: str, password: str = PASSWORD, username: str = "robot") -> Said:
        body = {"name": name, "username": username, "secret": password}
        return Said("POST", self.collection, {**body, "registry": "dockerHub"})

    def change(self, shown: Shown, password: str, username: str = "robot") -> Said:
        body = {"username": username, "secret": password}
        return Said("PATCH", f"{self.collection}/{shown.ref}", body)

    def read(self, told: Any) -> Shown:
        return Shown(told["id"], told["name"], told["username"])

    def listed(self, told: Any) -> list[Shown]:
        assert told["total"] >= len(told["data"])
        return [self.read(item) for item in told["data"]]

    def check_error(self, reply: Reply) -> None:
        assert reply.headers["content-type"] == "application/json"
        told = reply.json()
        assert told.keys() == {"message", "status", "data"}
        assert told["status"] == reply.status_code
        assert told["data"].keys() == {"code", "message"}
        for name in ("limit", "remaining", "reset"):
            assert reply.headers[f"x-ratelimit-{name}"].isdigit()

    def blamed(self, reply: Reply) -> set[str]:
        return {part.partition(":")[0] for part in reply.json()["message"].split("; ")}


DRIVER = Sevalla()
