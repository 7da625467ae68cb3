"""Every face, asked in thousands of made-up ways over the network, keeps to its vendor's contract.

Each face is asked twice: by the document that the service shows of it, and by the vendor's own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.system.generated.documents import (
    FACES,
    GCORE,
    Document,
    Face,
    allowed,
    operations,
    prepared,
    success,
    widened,
)
from tests.system.generated.runs import PHASES, Run, run
from tests.tools.programs import LOOPBACK
from tests.tools.service import Service

pytestmark = pytest.mark.system

BY_NAME = pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of one's own: what another face stored is shown, and need not look the vendor's."""
    service = Service(tmp_path / "service")
    service.followed = False
    # These runs are about shapes; a budget would answer most of them with 429.
    service.env["REGCRED_BUDGETS"] = "sevalla=1000000/1000000"
    service.init()
    with service.serving():
        yield service


def asked(
    service: Service, face: Face, document: Document, phases: tuple[str, ...] = PHASES
) -> Run:
    url, headers = service.url + face.root, face.headers(service.key)
    return run(prepared(face, document), url, headers, phases=phases)


def assert_proven(done: Run) -> None:
    """Nothing was wrong, and there was something that could have been."""
    assert not done.failures, "\n".join(["", *done.failures])
    assert all(done.cases[phase] for phase in PHASES), done.cases
    assert all(done.secrets[phase] for phase in PHASES), done.secrets
    assert done.never_succeeded == set()
    assert done.followed


@BY_NAME
def test_a_face_keeps_to_the_document_that_it_shows(service: Service, face: Face) -> None:
    assert_proven(asked(service, face, face.served(service.url)))


@BY_NAME
def test_a_face_keeps_to_its_vendors_contract(service: Service, face: Face) -> None:
    assert_proven(asked(service, face, widened(face)))


@BY_NAME
def test_the_shown_document_stays_within_the_vendors(service: Service, face: Face) -> None:
    """Every operation of the vendor's is shown, and none with a status that it could not have."""
    vendors = {
        operation["operationId"]: (path, operation)
        for path, _, operation in operations(face.contract())
    }
    shown = {
        operation["operationId"]: operation
        for _, _, operation in operations(face.served(service.url))
    }

    assert vendors.keys() <= shown.keys()
    for name, operation in shown.items():
        # Of the vendor's older version no document is left; its operations mirror the newer.
        path, vendor = vendors[name.removesuffix("V1")]
        assert set(map(int, operation["responses"])) <= allowed(face, path, vendor), name
        assert success(operation) == success(vendor), name


# What the checks catch


def test_a_field_that_is_named_otherwise_is_caught(service: Service) -> None:
    document = widened(GCORE)
    shown = document["components"]["schemas"]["InferenceRegistryCredentialOutSerializer"]
    shown["required"] = ["user_name" if name == "username" else name for name in shown["required"]]

    done = asked(service, GCORE, document, ("coverage",))

    assert "response_schema_conformance" in done.failed
    assert "user_name" in "".join(done.failures)


def test_a_status_that_the_contract_does_not_have_is_caught(service: Service) -> None:
    document = widened(GCORE)
    for _, _, operation in operations(document):
        operation["responses"].pop("400", None)

    done = asked(service, GCORE, document, ("coverage",))

    assert done.failed.keys() == {"status_code_conformance"}
    assert "Received: 400" in done.failures[0]


class Careless(BaseHTTPRequestHandler):
    """Tells the password it was told, in the body or in a header, and breaks at all but POST."""

    def do_POST(self) -> None:
        shown = {"project_id": 1, "name": "name", "username": self._told(), "registry_url": ""}
        self._answer(200, json.dumps(shown).encode())

    def do_PUT(self) -> None:
        self._answer(500, b"{}", told=self._told())

    def do_GET(self) -> None:
        self.do_PUT()

    def do_DELETE(self) -> None:
        self.do_PUT()

    def _told(self) -> str:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            return str(json.loads(sent)["password"])
        except (ValueError, TypeError, KeyError):
            return ""

    def _answer(self, status: int, body: bytes, *, told: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Told", told if told.isalnum() and told.isascii() else "-")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base names it
        """Say nothing."""


@pytest.fixture
def careless() -> Iterator[str]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Careless)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://{LOOPBACK}:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


def test_an_echoed_secret_a_broken_server_and_an_open_one_are_caught(careless: str) -> None:
    document = prepared(GCORE, widened(GCORE))

    done = run(document, careless, GCORE.headers("any"), phases=("coverage",))

    assert {
        "secret_stays_inside",
        "not_a_server_error",
        "ignored_auth",
        "negative_data_rejection",
        "unsupported_method",
    } <= done.failed.keys()
    assert len(done.never_succeeded) == 4
    told = "\n".join(done.failures)
    for method in ("POST", "PUT"):
        assert f"secret_stays_inside: {method} " in told
