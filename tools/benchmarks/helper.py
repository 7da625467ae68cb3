"""What nodes start for a pull, from start to end of its process, against two others."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from regcred.clients import assembly
from tests.tools.programs import (
    LOOPBACK,
    Daemon,
    ProgramMissing,
    environment,
    find,
    free_port,
    listens,
    regcred,
    run,
)
from tests.tools.pullers import Machine
from tools.benchmarks.common import HERE, SERVER_CORES, Bench, Goal

_FLOOR = ["/usr/bin/python3", "-I", "-S", "-E", "-c", "pass"]
_CALLS = 40
_PASSWORD = "secret"  # noqa: S105 - it opens nothing
_SERVER = "registry.example.com"

_START = "python3 -ISEc pass"
_THEIRS = "docker-credential-pass get"
# Name, what is compared with what, and how many times as long it may take.
_GOALS = (
    ("get, http / python3 -ISEc pass", "helper get, http", _START, 3.2),
    ("get, https / python3 -ISEc pass", "helper get, https", _START, 4.5),
    ("get, agent / python3 -ISEc pass", "helper get, agent, https", _START, 1.8),
    ("get, http / docker-credential-pass", "helper get, http", _THEIRS, 1.0),
    ("kubelet plugin / python3 -ISEc pass", "kubelet plugin, https", _START, 4.5),
    ("kubelet plugin / docker-credential-pass", "kubelet plugin, https", _THEIRS, 1.0),
)

Program = tuple[list[str], dict[str, str], Path]
"""Arguments, environment, and the file that is its input."""


def measure(bench: Bench) -> None:
    """Measure `get` over http and https, the interpreter's own start, and Debian's pass helper."""
    service = bench.service("helper")
    with service.serving(cores=SERVER_CORES), service.api() as api:
        api.add("login", _SERVER, "user", _PASSWORD)
        key = api.make_key("helper")["key"]
        plain = Machine(bench.folder / "helper-http", service.url)
        _log_in(plain, key)
        with _tls(bench, service.port) as (url, ca):
            secure = Machine(bench.folder / "helper-https", url)
            secure.env["REGCRED_CA_FILE"] = str(ca)
            _log_in(secure, key)
            ask = bench.folder / "ask"
            ask.write_text(_SERVER)
            get = [str(plain.helper_path), "get"]
            secure_get = [str(secure.helper_path), "get"]
            programs: dict[str, Program] = {
                _START: (_FLOOR, plain.env, ask),
                "helper get, http": (get, plain.env, ask),
                "helper get, https": (secure_get, secure.env, ask),
                "kubelet plugin, https": _plugin(bench, secure),
            }
            with _agent(bench, secure) as with_agent, _pass(bench) as theirs:
                programs["helper get, agent, https"] = (secure_get, with_agent, ask)
                if theirs is not None:
                    programs[_THEIRS] = (*theirs, ask)
                _round(programs)
                rounds = [_round(programs) for _ in range(bench.rounds)]
    taken = {name: [one[name] for one in rounds] for name in programs}
    for name, values in taken.items():
        bench.add(name, "ms", values)
    for name, ours, others, goal in _GOALS:
        if others in taken:
            bench.compare(name, taken[ours], taken[others], Goal(goal))


def _plugin(bench: Bench, machine: Machine) -> Program:
    """Return the kubelet's plugin on a machine that is logged in. Raise RuntimeError."""
    request = {
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": f"{_SERVER}/team/app",
    }
    asked = bench.folder / "request"
    asked.write_text(json.dumps(request) + "\n")
    plugin = assembly.place(assembly.KUBELET_PLUGIN, bench.folder / "plugin")
    # The kubelet's configuration names a settings file, as this machine's login wrote it.
    command = [str(plugin), "--config", str(machine.home / ".config/regcred/client.conf")]
    done = run(command, env=machine.env, stdin=asked.read_text())
    if done.code != 0 or _PASSWORD not in done.out:
        raise RuntimeError(f"the plugin does not answer: {done.text}")
    return command, machine.env, asked


@contextmanager
def _agent(bench: Bench, machine: Machine) -> Iterator[dict[str, str]]:
    """Run an agent for a machine; yield the environment of a helper that finds it."""
    # A socket's path has a short maximum.
    runtime = bench.folder / "r"
    runtime.mkdir(mode=0o700)
    env = {**machine.env, "XDG_RUNTIME_DIR": str(runtime)}
    # The agent knows what `login` kept, and that alone.
    del env["REGCRED_CA_FILE"]
    agent = Daemon(
        [*regcred(), "agent"],
        env=env,
        logs=bench.folder / "agent-logs",
        name="agent",
        cores=SERVER_CORES,
    )
    try:
        agent.wait_ready((runtime / "regcred" / "agent.sock").exists)
        yield env
    finally:
        agent.stop()


def _log_in(machine: Machine, key: str) -> None:
    done = machine.login(key)
    if done.code == 0:
        done = machine.helper("get", _SERVER)
    if done.code != 0 or json.loads(done.out)["Secret"] != _PASSWORD:
        raise RuntimeError(f"the helper does not answer: {done.text}")


def _round(programs: Mapping[str, Program]) -> dict[str, float]:
    """Return each program's median wall time in ms, from spawn to exit, called in turns."""
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(_CALLS):
        for name, (argv, env, stdin) in programs.items():
            quiet = [
                (os.POSIX_SPAWN_OPEN, 0, str(stdin), os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            ]
            started = time.perf_counter()
            pid = os.posix_spawn(argv[0], argv, env, file_actions=quiet)
            _, status = os.waitpid(pid, 0)
            taken[name].append((time.perf_counter() - started) * 1000)
            if status != 0:
                raise RuntimeError(f"{argv[0]} failed")
    return {name: statistics.median(values) for name, values in taken.items()}


@contextmanager
def _tls(bench: Bench, port: int) -> Iterator[tuple[str, Path]]:
    """Put TLS with an ECDSA certificate before the service; yield the URL and the CA file."""
    folder = bench.folder / "tls"
    folder.mkdir()
    certificate, key = folder / "ca.pem", folder / "key.pem"
    _self_signed(certificate, key)
    mine = free_port()
    front = Daemon(
        [
            sys.executable,
            str(HERE / "tls_front.py"),
            str(mine),
            str(port),
            str(certificate),
            str(key),
        ],
        env=environment(folder),
        logs=folder / "logs",
        name="tls",
        cores=SERVER_CORES,
    )
    try:
        front.wait_ready(lambda: listens(mine))
        yield f"https://{LOOPBACK}:{mine}", certificate
    finally:
        front.stop()


def _self_signed(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "regcred benchmark")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@contextmanager
def _pass(bench: Bench) -> Iterator[tuple[list[str], dict[str, str]] | None]:
    """Set up Debian's docker-credential-pass with a warm gpg-agent; None if it is not here."""
    home = bench.folder / "pass"
    # gpg-agent's socket has a short maximum path; the home of a benchmark may be long.
    gnupg = Path(bench.folder, "g")
    gnupg.mkdir(mode=0o700)
    try:
        helper, _, gpg = find("docker-credential-pass"), find("pass"), find("gpg")
    except ProgramMissing:
        yield None
        return
    env = environment(home, GNUPGHOME=str(gnupg), PASSWORD_STORE_DIR=str(home / "store"))
    login = json.dumps({"ServerURL": _SERVER, "Username": "user", "Secret": _PASSWORD})
    try:
        for argv, stdin in (
            (
                _key_making(gpg),
                "",
            ),
            ([find("pass"), "init", "bench@example.com"], ""),
            ([helper, "store"], login),
            ([helper, "get"], _SERVER),
        ):
            done = run(argv, env=env, stdin=stdin)
            if done.code != 0:
                raise RuntimeError(f"{argv[0]}: {done.text}")
        yield [helper, "get"], env
    finally:
        run([find("gpgconf"), "--kill", "all"], env=env)
        shutil.rmtree(gnupg, ignore_errors=True)


def _key_making(gpg: str) -> list[str]:
    unattended = ("--batch", "--pinentry-mode", "loopback", "--passphrase", "")
    return [gpg, *unattended, "--quick-gen-key", "bench@example.com", "default", "default", "never"]
