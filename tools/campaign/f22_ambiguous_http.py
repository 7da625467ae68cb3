"""F22: requests that two readers could take for different ones, against the real server.

Each is sent in one piece and in two, to the protocol and border that regcred serves with, in front
of an application that tells what it understood; and to the real service, which answers whatever it
understands with 404. The controls are the same parser without the guard.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import structlog
import uvicorn

from tests.tools.service import Service
from tools.campaign.ambiguous_requests import Case, corpus
from tools.campaign.conversations import WAYS, service_wrongs, talk, wrongs
from tools.campaign.echo_servers import bordered, guarded, serving, unguarded
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace

SEED = 0
"""Nothing is drawn: the corpus is the same every time."""

Judge = Callable[[Case, bytes], list[str]]


def run(scale: float) -> Report:
    """Send all of it, at any scale; a larger one sends it more often."""
    report = Report("F22 ambiguous HTTP", SEED, demands={"requests": 150})
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    cases = corpus() * scaled(1, scale)
    try:
        _told(report, "the guard", guarded(), cases)
        with workspace("f22") as folder:
            service = Service(folder, log_level="error")
            service.init()
            with service.serving():
                address = ("127.0.0.1", service.port)
                found = _sent(address, cases, service_wrongs)
                report.violations += [f"the service: {one}" for one in found]
        for name, config in (("plain", unguarded()), ("border alone", unguarded(bordered()))):
            with serving(config) as address:
                caught = len(_sent(address, corpus(), wrongs))
            said = f"{caught} of {len(corpus()) * len(WAYS)} taken otherwise"
            report.controls.append(Control(f"uvicorn, {name}", caught > 0, said))
    finally:
        logging.disable(logging.NOTSET)
    report.counts["requests"] = len(corpus())
    report.counts["conversations"] = 2 * len(cases) * len(WAYS)
    return report


def _told(report: Report, name: str, config: uvicorn.Config, cases: list[Case]) -> None:
    with serving(config) as address:
        report.violations += [f"{name}: {found}" for found in _sent(address, cases, wrongs)]


def _sent(address: tuple[str, int], cases: list[Case], judge: Judge) -> list[str]:
    found = []
    for way in WAYS:
        for case in cases:
            try:
                wrong = judge(case, talk(address, case, way))
            except TimeoutError:
                wrong = ["the connection stays open"]
            found += [f"{case.name} {way}: {one}" for one in wrong]
    return found
