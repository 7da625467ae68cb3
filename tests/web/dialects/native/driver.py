from __future__ import annotations

from typing import Any

from tests.web.dialects.driver import PASSWORD, Said, Shown
from tests.web.world import Reply, problem


class Native:
    name = "native"
    root = "/v1"
    collection = "/v1/projects/-/credentials"
    created, deleted = 201, 204
    secret = "password"
    shows_username = True
    blocks_delete = True

    def key(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    def create(self, name: str, password: str = PASSWORD, username: str = "robot") -> Said:
        body = {"name": name, "username": username, "password": password}
        return Said("POST", self.collection, {**body, "registry_url": "docker.io"})

    def change(self, shown: Shown, password: str, username: str = "robot") -> Said:
        body = {"username": username, "password": password}
        return Said("PATCH", f"{self.collection}/{shown.ref}", body)

    def read(self, told: Any) -> Shown:
        return Shown(told["id"], told["name"], told["username"])

    def listed(self, told: Any) -> list[Shown]:
        return [self.read(item) for item in told["items"]]

    def check_error(self, reply: Reply) -> None:
        problem(reply)

    def blamed(self, reply: Reply) -> set[str]:
        return {error["field"] for error in reply.json().get("errors", ())}


DRIVER = Native()
