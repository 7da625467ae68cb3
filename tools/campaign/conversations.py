"""Say raw bytes to a server and judge what came back by what the corpus says must."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence
from http import HTTPStatus

from tools.campaign.ambiguous_requests import ENDS, LAST, Case

_PATIENCE = 20.0
_A_MOMENT = 0.002
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_UNDERSTOOD = re.compile(rb"understood: ([A-Z]+ \S+ \d+(?: key)?)\n")
_WHOLE, _CUT = "in one piece", "in two pieces"
WAYS = (_WHOLE, _CUT)
"""In two pieces: the headers of the first request alone, then the rest."""


def talk(address: tuple[str, int], case: Case, way: str = _WHOLE) -> bytes:
    """Return all that the server says until it closes. Raise TimeoutError if it does not."""
    sent, said = case.sent + LAST, b""
    cut = sent.find(b"\r\n\r\n") + 4 if way == _CUT else len(sent)
    with socket.create_connection(address, timeout=_PATIENCE) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            line.sendall(sent[:cut])
            if sent[cut:]:
                time.sleep(_A_MOMENT)
                line.sendall(sent[cut:])
        except ConnectionError:
            pass  # it had heard enough
        try:
            while chunk := line.recv(65536):
                said += chunk
        except ConnectionError:
            pass
    return said


def wrongs(case: Case, said: bytes) -> list[str]:
    """Return what may not be in an answer of what tells its understanding; empty if it is right."""
    understood, wanted = _UNDERSTOOD.findall(said), list(_wanted(case))
    found = [] if wanted == understood else [f"understood {understood}, not {wanted}"]
    return found + _wrong_statuses(case, said, HTTPStatus.OK)


def service_wrongs(case: Case, said: bytes) -> list[str]:
    """Return what may not be in an answer of the service, which has none of the corpus's paths."""
    understood, wanted = _statuses(said).count(HTTPStatus.NOT_FOUND), len(_wanted(case))
    found = [] if wanted == understood else [f"understood {understood} requests, not {wanted}"]
    return found + _wrong_statuses(case, said, HTTPStatus.NOT_FOUND)


def _wanted(case: Case) -> Sequence[bytes]:
    if case.understood is None:
        return ()
    return case.understood if case.ends else (*case.understood, ENDS)


def _statuses(said: bytes) -> list[int]:
    statuses = [int(found) for found in _STATUS.findall(said)]
    return [status for status in statuses if status != HTTPStatus.CONTINUE]


def _wrong_statuses(case: Case, said: bytes, understood: int) -> list[str]:
    statuses, found = _statuses(said), []
    refusals = [status for status in statuses if status != understood]
    if len(refusals) > 1 or not all(map(_blames_client, refusals)):
        found.append(f"answered {statuses}")
    if refusals and statuses[-1] != refusals[0]:
        found.append(f"went on after a refusal: {statuses}")
    if refusals and case.understood is not None and not case.ends:
        found.append(f"refused: {statuses}")
    return found


def _blames_client(status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
