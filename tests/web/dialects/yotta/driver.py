from __future__ import annotations

from typing import Any

from tests.web.dialects.driver import PASSWORD, Said, Shown
from tests.web.world import Reply


class Yotta:
    name = "yotta"
    root = "/v2"
    collection = "/v2/container-registry-auths"
    created, deleted = 200, 200
    secret = "password"
    shows_username = False
    blocks_delete = True

    def key(self, key: str) -> dict[str, str]:
        return {"X-Api-Key": key}

    def create(self, name: str, password: str = PASSWORD, username: str = "robot") -> Said:
        body = {"name": name, "username": username, "password": password}
        return Said("POST", self.collection, {**body, "type": "DOCKER_HUB"})

    def change(self, shown: Shown, password: str, username: str = "robot") -> Said:
        body = {"username": username, "password": password}
        return Said("PATCH", f"{self.collection}/{shown.ref}", body)

    def read(self, told: Any) -> Shown:
        return self._read(self._opened(told))

    def listed(self, told: Any) -> list[Shown]:
        return list(map(self._read, self._opened(told)))

    def check_error(self, reply: Reply) -> None:
        assert reply.headers["content-type"] == "application/json"
        told = reply.json()
        assert told.keys() == {"message", "code", "data"}
        assert told["code"] in {reply.status_code, 10001, 10002, 10007, 25002}
        assert (told["data"] is None) == (told["code"] != 25002)

    def blamed(self, reply: Reply) -> set[str]:
        return {part.partition(":")[0] for part in reply.json()["message"].split("; ")}

    def _opened(self, told: Any) -> Any:
        assert (told["message"], told["code"]) == ("success", 10000)
        return told["data"]

    def _read(self, data: Any) -> Shown:
        assert isinstance(data["id"], int)
        return Shown(str(data["id"]), data["name"])


DRIVER = Yotta()
