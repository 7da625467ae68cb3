"""`regcred backup` and `regcred restore`: files on standard output, words on standard error."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from regcred.adapters.sealing.anchor import said
from regcred.adapters.sealing.manifest import Manifest
from regcred.bootstrap.backups import placing
from regcred.bootstrap.backups.checking import Report, check
from regcred.bootstrap.backups.making import back_up
from regcred.domain.errors import StartRefused
from regcred.settings import Settings

OK, FAILED = 0, 1
_MOST = 100
"""Findings shown one by one; the rest are counted."""


def backup(settings: Settings, destination: str, output: str = "text") -> int:
    """Make a backup and print where it is."""
    made = asyncio.run(back_up(settings, Path(destination)))
    counts, end = made.manifest.counts, made.manifest.audit.number
    if output == "json":
        told = {"file": str(made.file), "kids": made.manifest.kids, "audit": end, "counts": counts}
        print(json.dumps(told))
    else:
        print(made.file)
    _say(
        f"{counts['projects']} projects, {counts['credentials']} credentials, audit to row {end}; "
        f"it opens only with {', '.join(made.manifest.kids)} of the key ring: keep that elsewhere"
    )
    if not made.as_anchored:
        _say("WARNING: the store was set back or edited: its audit is not the one anchored")
        return FAILED
    return OK


def restore(settings: Settings, file: str, check_only: str = "", output: str = "text") -> int:
    """Check a backup and, unless that is all, put it in place."""
    only = check_only == "check"
    act = check if only else placing.restore
    report = asyncio.run(act(settings, Path(file)))
    _tell(report, output)
    if report.wrong:
        if report.in_database:
            _say("the database holds what could be restored: do not serve from it")
        elif not only:
            _say("nothing was put in place")
        return FAILED
    if not only:
        _say(_next(settings, report.manifest))
    return OK


def _tell(report: Report, output: str) -> None:
    manifest = report.manifest
    if output == "json":
        told = {
            "ok": not report.wrong,
            "created_at": manifest.created_at.isoformat(),
            "schema": manifest.schema,
            "kids": manifest.kids,
            "counts": manifest.counts,
            "opened": report.opened,
            "audit_verified": report.verified,
            "wrong": report.wrong,
        }
        print(json.dumps(told))
        return
    print(f"backup of  {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC, schema {manifest.schema}")
    print(f"needs      {', '.join(manifest.kids)} of the key ring: there")
    for table, rows in manifest.counts.items():
        print(f"{table:<20} {rows}")
    print(f"{'secrets opened':<20} {report.opened}")
    print(f"{'audit rows verified':<20} {report.verified}")
    for finding in report.wrong[:_MOST]:
        print(f"WRONG: {finding}")
    if len(report.wrong) > _MOST:
        print(f"WRONG: and {len(report.wrong) - _MOST} more")
    if not report.wrong:
        print("all of it opens")


def _next(settings: Settings, manifest: Manifest) -> str:
    try:
        anchored = said(settings.anchor_file)
    except StartRefused as refused:
        return f"restored. The next start refuses: {refused}"
    if anchored is None:
        return "restored. There is no anchor: the next start says so, and writes a new one"
    if anchored.upto <= manifest.audit.number:
        return "restored, as new as its anchor says: start it"
    return (
        f"restored. It is older than its anchor {settings.anchor_file}, so the next start needs "
        "--accept-rollback, once; keys and logins that were changed since are back as they were: "
        "revoke and replace them again"
    )


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
