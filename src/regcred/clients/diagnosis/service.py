"""The service, this machine's key for it, and the clocks of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from regcred.clients.api import RegcredClient
from regcred.clients.config import ClientConfig, ConfigRefused, load
from regcred.clients.diagnosis.finding import Finding, fault, note, ok
from regcred.clients.diagnosis.names import unresolved
from regcred.clients.problems import ApiError, ApiProblem, ServiceUnreachable
from regcred.clients.readiness import Readiness, readiness

MAX_SKEW = timedelta(seconds=30)
_SOON = timedelta(days=7)
_LOGIN = "regcred login --url URL"
_MAKE_KEY = "regcred key create NAME --role puller (an admin), then regcred login"


def service_findings(
    env: Mapping[str, str], now: datetime
) -> tuple[list[Finding], ClientConfig | None]:
    """Return what is to be said of the service, and how to reach it if it can be reached."""
    try:
        config = load(env)
    except ConfigRefused as refused:
        return [fault("service", str(refused), _LOGIN)], None
    host = urlsplit(config.url).hostname or ""
    if why := unresolved(host):
        return [fault("service", f"{host}: {why}", "look at /etc/resolv.conf and the URL")], None
    try:
        ready = readiness(config)
    except ServiceUnreachable as down:
        fix = f"curl -v {config.url}/readyz shows where it ends"
        return [fault("service", str(down), fix)], None
    found = [_ready(config, ready), *_clock(ready, now)]
    return found, config if ready.ready else None


def key_findings(config: ClientConfig, now: datetime) -> tuple[list[Finding], bool]:
    """Return what is to be said of this machine's key, and whether the service knows it."""
    try:
        with RegcredClient(config) as api:
            who = api.whoami()
    except ApiProblem as problem:
        return [fault("key", f"the service refuses it: {problem}", _MAKE_KEY)], False
    except ApiError as why:
        return [fault("key", str(why), _LOGIN)], False
    return [*_rights(who), *_expiry(who.get("key") or {}, now)], True


def _ready(config: ClientConfig, ready: Readiness) -> Finding:
    if ready.ready:
        return ok("service", f"{config.url} is ready")
    what = f"{config.url}/readyz says {ready.status}"
    return fault("service", what, "its operator's log says why; is the URL regcred's?")


def _clock(ready: Readiness, now: datetime) -> list[Finding]:
    if ready.date is None:
        return []
    skew = now - ready.date
    seconds = round(abs(skew.total_seconds()))
    if abs(skew) <= MAX_SKEW:
        return [ok("clock", "within 30 s of the service's")]
    side = "ahead of" if skew > timedelta() else "behind"
    what = f"{seconds} s {side} the service's: short-lived logins and certificates will fail"
    return [fault("clock", what, "timedatectl set-ntp true")]


def _rights(who: Mapping[str, Any]) -> list[Finding]:
    key = who.get("key") or {}
    name = f"{key.get('name') or who.get('principal')} ({who.get('role')})"
    found = []
    if "reveal" in (who.get("permissions") or []):
        found.append(ok("key", f"{name} may fetch logins"))
    else:
        found.append(fault("key", f"{name} may not fetch logins", _MAKE_KEY))
    if who.get("operator"):
        what = "an operator's key reaches every project: on a machine that pulls use a puller's"
        found.append(note("key", what, _MAKE_KEY))
    if patterns := key.get("image_patterns"):
        found.append(note("key", f"it is narrowed to {', '.join(map(str, patterns))}"))
    return found


def _expiry(key: Mapping[str, Any], now: datetime) -> list[Finding]:
    try:
        ends = datetime.fromisoformat(str(key.get("expires_at")))
    except ValueError:
        return []
    if ends.astimezone(UTC) - now > _SOON:
        return [ok("key", f"it ends at {key['expires_at']}")]
    return [note("key", f"it ends soon, at {key['expires_at']}", _MAKE_KEY)]
