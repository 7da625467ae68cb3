from __future__ import annotations

from typing import Any

from tests.web.dialects.driver import PASSWORD, Said, Shown
from tests.web.world import Reply


class Gcore:
    name = "gcore"
    root = "/cloud/v3"
    collection = "/cloud/v3/inference/1/registry_credentials"
    created, deleted = 200, 204
    secret = "password"
    shows_username = True
    blocks_delete = False

    def key(self, key: str) -> dict[str, str]:
        return {"Authorization": f"APIKey {key}"}

    def create(self, name: str, password: str = PASSWORD, username: str = "robot") -> Said:
        body = {"name": name, "username": username, "password": password}
        return Said("POST", self.collection, {**body, "registry_url": "docker.io"})

    def change(self, shown: Shown, password: str, username: str = "robot") -> Said:
        body = {"username": username, "password": password, "registry_url": "docker.io"}
        return Said("PUT", f"{self.collection}/{shown.ref}", body)

    def read(self, told: Any) -> Shown:
        return Shown(told["name"], told["name"], told["username"])

    def listed(self, told: Any) -> list[Shown]:
        assert told["count"] >= len(told["results"])
        return [self.read(item) for item in told["results"]]

    def check_error(self, reply: Reply) -> None:
        assert reply.headers["content-type"] == "application/json"
        told = reply.json()
        always = {"exception_class", "message", "request_id"}
        assert told.keys() - {"invalid_fields", "info"} == always
        assert isinstance(told.get("info", {}), dict)
        assert told["request_id"] == reply.headers["x-request-id"]
        if "invalid_fields" in told:
            assert told["exception_class"] == "ValidationError"
            assert told["message"] == str(told["invalid_fields"])
        retried = reply.headers.get("x-should-retry")
        assert retried == ("false" if reply.status_code == 409 else None)

    def blamed(self, reply: Reply) -> set[str]:
        return set(reply.json().get("invalid_fields", ()))


DRIVER = Gcore()
