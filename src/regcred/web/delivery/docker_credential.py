"""`POST /v1/projects/{project}/docker-credential/get`: the finished JSON of docker's protocol.

The helper prints the body as it comes, so that it need not parse anything; 204 tells it to say
that there is no such login.
"""

from __future__ import annotations

import orjson

from regcred.domain.errors import LoginUnavailable, MalformedRequest
from regcred.usecases.resolve_image import ResolveImage
from regcred.usecases.serve_docker_helper import question_for_server
from regcred.web.delivery.exchange import JSON_HEADERS, Asked
from regcred.web.dialect import Answer

_MAX_SERVER = 2048
_NO_LOGIN = Answer(204, (), b"")


class DockerCredential:
    """Parse, resolve, render."""

    def __init__(self, resolve: ResolveImage) -> None:
        self._resolve = resolve

    async def __call__(self, asked: Asked) -> Answer:
        """Answer one question. Raise any RegcredError."""
        server = _server(asked.body)
        resolution = await self._resolve(asked.presented("docker"), question_for_server(server))
        if not resolution.logins:
            # "No such login" would have docker try without one, and hide what is wrong.
            failed = [login for login in resolution.withheld if login.reason]
            if failed:
                raise LoginUnavailable(failed[0].credential_name, failed[0].reason)
            return _NO_LOGIN
        login = resolution.logins[0]
        body = {
            "ServerURL": server,
            "Username": login.username,
            "Secret": login.password.reveal(),
        }
        return Answer(200, JSON_HEADERS, orjson.dumps(body))


def _server(body: bytes) -> str:
    if len(body) > _MAX_SERVER:
        raise MalformedRequest("ServerURL", f"must be at most {_MAX_SERVER} bytes")
    try:
        return body.decode("ascii").strip()
    except UnicodeDecodeError:
        raise MalformedRequest("ServerURL", "must be ASCII text") from None
