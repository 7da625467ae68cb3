"""F8: a thousand secrets are put into a real service, and stand nowhere but where they are sealed.

They come as passwords, tokens, keys and signing secrets through every face; inside every body that
can be wrong, for every operation that takes one; and in the paths, queries and headers into which
people paste them. Searched is all that the service says and leaves: answers, log at debug, audit,
metrics, the database with its -wal and -shm, a backup, the anchor, every other file, and /proc.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote

from tests.tools.canary import files_below
from tests.tools.programs import LOOPBACK, Daemon, wait_for
from tools.campaign.canary.bodies import bodies
from tools.campaign.canary.marks import ENCODINGS, MarkScanner, Mint
from tools.campaign.canary.service import Talkative
from tools.campaign.report import Control, Report
from tools.campaign.running import scaled, workspace

NAME = "f08 canary"
SEED = 8
CANARIES = 1_000
KEYS = 100
_AROUND = 32 * 1024
_LOGINS = "/v1/projects/-/credentials"
_FORMS = (
    "dockerconfigjson", "auth.json", "docker-auth-config", "kubernetes-secret",
    "external-secrets", "argocd", "nomad", "hosts.toml",
)  # fmt: skip
SINKS = (
    "answers", "audit", "metrics", "log", "database", "-wal", "-shm", "backup", "anchor",
    "files", "cmdline", "environ",
)  # fmt: skip


def run(scale: float) -> Report:
    """Put in 1,000 secrets at scale 1, search every sink, and find what is planted in each."""
    report = Report(NAME, SEED, demands={"canaries": CANARIES, "encodings": 14, "sinks": 12})
    with workspace(NAME.replace(" ", "-")) as folder:
        scanner = MarkScanner(Mint(SEED))
        talkative = Talkative(folder, scanner)
        with talkative.serving() as daemon:
            _feed(talkative, report, scale)
            contents = _contents(talkative, daemon)
        contents |= {"log": contents["log"] + daemon.text.encode()}
    for sink, content in contents.items():
        scanner.scan(sink, content)
    scanner.scan("answers", bytes(talkative.heard))
    contents["answers"] = bytes(talkative.heard)
    report.violations += sorted({str(hit) for hit in scanner.hits}) + talkative.broken
    report.violations += [f"{sink} was empty" for sink in SINKS if not contents.get(sink)]
    report.counts |= {
        "canaries": len(talkative.sent), "requests": talkative.requests,
        "encodings": len(ENCODINGS), "sinks": len(contents),
        "MiB searched": sum(map(len, contents.values())) / 2**20,
    }  # fmt: skip
    report.controls += list(_controls(contents))
    return report


def _feed(talkative: Talkative, report: Report, scale: float) -> None:
    wanted = scaled(CANARIES, scale)
    mint = talkative.scanner.mint
    report.counts["operations with bodies"] = 0
    _live(talkative, report, wanted // 2)
    _keys(talkative, scaled(KEYS, scale))
    _misplace(talkative)
    random = Random(SEED)
    numbers = itertools.count(1)
    for operation in talkative.operations():
        if operation.body is None:
            continue
        report.add("operations with bodies")
        made = list(bodies(operation, list(operation.fields), mint.secret))
        chosen = made if scale >= 1 else random.sample(made, max(2, round(len(made) * scale)))
        for body in chosen:
            talkative.say(operation, body, next(numbers))
            report.add("bodies")
    _read_all(talkative)


def _live(talkative: Talkative, report: Report, count: int) -> None:
    """Store, replace and delete so many secrets, by turns through each face."""
    secret, send = talkative.scanner.mint.secret, talkative.send
    for number in range(count // 2):
        name = f"life-{number}"
        login = {"name": name, "registry_url": f"{LOOPBACK}:1/{name}", "username": "u"}
        made = send("POST", _LOGINS, body={**login, "password": secret()})
        assert made.status_code == 201, made.text
        send("PATCH", f"{_LOGINS}/{name}", body={"password": secret()})
        if number % 5 == 0:
            image = {"image": f"{LOOPBACK}:1/{name}/app"}
            shown = send("POST", "/v1/projects/-/resolve", body=image, shows=True).text
            report.add("shown where they should be", talkative.scanner.mint.marks[0] in shown)
            send("POST", f"{_LOGINS}/{name}:verify", body={})
            send("POST", "/v1/projects/-/explain", body=image)
        if number % 3 == 0:
            send("DELETE", f"{_LOGINS}/{name}")


def _keys(talkative: Talkative, count: int) -> None:
    """Make keys, use some, revoke some, and use those again."""
    for number in range(count):
        body = {"name": f"key-{number}", "role": "viewer"}
        made = talkative.send("POST", "/v1/projects/-/keys", body=body, shows=True).json()
        talkative.watch_key(f"key {number}", made["key"])
        shown = {"Authorization": f"Bearer {made['key']}"}
        talkative.send("GET", "/v1/whoami", headers=shown)
        if number % 2:
            talkative.send("DELETE", f"/v1/projects/-/keys/{made['id']}")
            talkative.send("GET", "/v1/whoami", headers=shown)
        talkative.send("GET", f"/v1/whoami?key={made['key']}")


def _misplace(talkative: Talkative) -> None:
    """Put secrets where a path, a query or a header has something else."""
    send = talkative.send

    def one() -> str:
        return quote(talkative.scanner.mint.secret(), safe="")

    for path in (
        "/{}", "/v1/{}", "/v1/projects/{}", "/v1/projects/-/keys/{}", f"{_LOGINS}/{{}}",
        f"{_LOGINS}/{{}}/verdicts", "/v1/projects/-/webhooks/{}", "/v1/projects/-/workloads/{}",
        "/v1/clusters/{}", "/v1/providers/{}", "/cloud/v3/inference/{}/registry_credentials",
        "/cloud/v3/inference/1/registry_credentials/{}", "/v2/container-registry-auths/{}",
        "/openapi/v1/credentials/{}", "/v3/docker-registries/{}",
    ):  # fmt: skip
        for method in ("GET", "DELETE"):
            send(method, path.format(one()))
    for name in ("limit", "cursor", "verdict", "expiring_before", "label", "x", "registry"):
        send("GET", f"{_LOGINS}?{name}={one()}")
    for form in _FORMS:
        for name in ("image", "credential", "force", "x"):
            send("GET", f"/v1/projects/-/{form}?{name}={one()}")
    for name in (
        "Authorization", "X-Api-Key", "Cookie", "If-Match", "If-None-Match", "Idempotency-Key",
        "X-Request-Id", "Regcred-Node", "User-Agent", "Referer", "X-Forwarded-For",
    ):  # fmt: skip
        for before in ("", "Bearer ", "Basic ", "rgc_"):
            value = before + one()
            send("GET", _LOGINS, headers={name: value})
            send("PATCH", f"{_LOGINS}/own", headers={name: value}, body={})


def _read_all(talkative: Talkative) -> None:
    for path in (
        _LOGINS, "/v1/projects/-/keys", "/v1/projects/-/events", "/v1/projects/-/webhooks",
        "/v1/projects/-/workloads", f"{_LOGINS}/own", f"{_LOGINS}/own/verdicts",
        f"{_LOGINS}/own/fetches", "/v1/clusters",
    ):  # fmt: skip
        talkative.send("GET", path)
    for path in ("/cloud/v3/inference/1/registry_credentials", "/v2/container-registry-auths",
                 "/openapi/v1/credentials/list", "/v3/docker-registries"):  # fmt: skip
        talkative.send("GET", path, headers={"X-Api-Key": talkative.key})


def _contents(talkative: Talkative, daemon: Daemon) -> dict[str, bytes]:
    """Return what every sink holds while the service still runs."""
    store = talkative.service.data / "store"
    backup = talkative.service.folder / "backup.db"
    with contextlib.closing(sqlite3.connect(store / "regcred.db", timeout=10)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    anchor = talkative.service.data / "keys" / "anchor.json"
    wait_for(anchor.exists)
    process = Path(f"/proc/{daemon.pid}")
    with contextlib.suppress(PermissionError):
        limits = (process / "limits").read_text()
        assert " ".join(next(x for x in limits.splitlines() if "core" in x).split()[4:6]) == "0 0"
    database = (store / "regcred.db").read_bytes()
    return {
        "audit": b"".join(_audit(talkative)),
        "metrics": talkative.send("GET", f"http://{LOOPBACK}:{talkative.metrics}/metrics").content,
        "log": daemon.text.encode(),
        "database": database,
        "-wal": _just_written(talkative, store / "regcred.db-wal"),
        "-shm": (store / "regcred.db-shm").read_bytes(),
        "backup": backup.read_bytes(),
        "anchor": anchor.read_bytes(),
        "files": b"".join(_files(talkative.service.folder)),
        "cmdline": (process / "cmdline").read_bytes(),
        "environ": _environ(process),
    }


def _just_written(talkative: Talkative, wal: Path) -> bytes:
    """Return the -wal after a login was stored: once a secret died the service empties it."""
    login = {"registry_url": f"{LOOPBACK}:1", "username": "u"}
    for number in range(100):
        password = talkative.scanner.mint.secret()
        body = {**login, "name": f"last-{number}", "password": password}
        talkative.send("POST", _LOGINS, body=body)
        if found := wal.read_bytes():
            return found
    return b""


def _audit(talkative: Talkative) -> Iterator[bytes]:
    cursor = ""
    while cursor is not None:
        path = f"/v1/projects/-/audit?limit=200{cursor and '&cursor='}{cursor}"
        page = talkative.send("GET", path)
        yield page.content
        cursor = page.json()["next_cursor"]


def _files(folder: Path) -> Iterator[bytes]:
    """Yield every file's name and bytes, temporary and working folders included."""
    for path in files_below(folder):
        with contextlib.suppress(FileNotFoundError):
            yield f"{path}\n".encode() + path.read_bytes()


def _environ(process: Path) -> bytes:
    """Return a process's environment; one that the system refuses to show is as good as clean."""
    try:
        return (process / "environ").read_bytes()
    except PermissionError:
        return b"refused"


def _controls(contents: dict[str, bytes]) -> Iterator[Control]:
    """Plant one secret in each form among each sink's own bytes; each must be found there."""
    for sink, content in contents.items():
        mint = Mint(SEED)
        missed = []
        for name, encode in ENCODINGS.items():
            middle = len(content) // 2
            around = content[max(0, middle - _AROUND) : middle], content[middle : middle + _AROUND]
            planted = encode(mint.secret()).join(around)
            if not MarkScanner(mint).scan(sink, planted):
                missed.append(name)
        found = f"{len(ENCODINGS) - len(missed)} of {len(ENCODINGS)} forms"
        yield Control(f"a leak into {sink}", caught=not missed, found=found)
