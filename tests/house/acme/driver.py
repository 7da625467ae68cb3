from __future__ import annotations

from typing import Any

from tests.web.dialects.driver import PASSWORD, Said, Shown
from tests.web.world import Reply


class Acme:
    name = "acme"
    root = "/acme"
    collection = "/acme/logins"
    created, deleted = 201, 204
    secret = "token"
    shows_username = True
    blocks_delete = True

    def key(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Token {key}"}

    def create(self, name: str, password: str = PASSWORD, username: str = "robot") -> Said:
        # Acme's names have no digits.
        letters = name.translate(str.maketrans("0123456789", "abcdefghij"))
        body = {"login": letters, "user": username, "token": password, "host": "docker.io"}
        return Said("POST", self.collection, body)

    def change(self, shown: Shown, password: str, username: str = "robot") -> Said:
        return Said("PUT", f"{self.collection}/{shown.ref}", {"user": username, "token": password})

    def read(self, told: Any) -> Shown:
        return Shown(told["login"], told["login"], told["user"])

    def listed(self, told: Any) -> list[Shown]:
        return [self.read(item) for item in told["logins"]]

    def check_error(self, reply: Reply) -> None:
        assert reply.headers["content-type"] == "application/json"
        assert reply.json().keys() - {"fields"} == {"error"}

    def blamed(self, reply: Reply) -> set[str]:
        return set(reply.json().get("fields", ()))


DRIVER = Acme()
