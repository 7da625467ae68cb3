"""Whatever stands where the API server should: words that say what, never what was sent."""

from __future__ import annotations

from collections.abc import Callable

import lightkube
import pytest
from lightkube.config.models import Cluster as Server
from lightkube.config.models import User

from regcred.clients.kubernetes.cluster import Cluster
from regcred.clients.kubernetes.refusals import ClusterError, ClusterRefused, ClusterUnreachable
from tests.clients.kubernetes.conftest import SYNC, logins
from tests.clients.raw_server import RawServer, http

STATUS = b'{"kind": "Status", "code": 500, "reason": "InternalError", "message": "your s3cr3t"}'


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (http("502 Bad Gateway", b"s3cr3t", media_type="text/html"), ClusterRefused, "502"),
        (http("500 Error", STATUS), ClusterRefused, "500 InternalError"),
        (http("500 Error", b"s3cr3t"), ClusterUnreachable, "JSONDecodeError"),
        (http("200 OK", b"s3cr3t"), ClusterUnreachable, "DecodeError"),
        (http("200 OK", b'{"metadata": "s3cr3t"}'), ClusterUnreachable, "ValidationError"),
        (b"HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n", ClusterUnreachable, "KeyError"),
        (b"nonsense", ClusterUnreachable, "could not patch secrets in a"),
    ],
)
def test_an_answer_is_told_without_what_was_written(
    serve: Callable[..., RawServer], answer: bytes, kind: type[ClusterError], words: str
) -> None:
    server = serve(answer)
    config = lightkube.KubeConfig.from_one(
        cluster=Server(server=f"http://127.0.0.1:{server.port}"), user=User(token="token")
    )

    with lightkube.Client(config) as client, pytest.raises(kind) as caught:
        Cluster(SYNC, client).apply("a", logins(), frozenset(), None)

    assert str(caught.value).startswith("could not patch secrets in a")
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
