"""The machine that is looked at: programs that are run, and those that are not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from regcred.clients.diagnosis.pullers import file_findings
from regcred.clients.wiring import machine
from regcred.clients.wiring.containers_auth import auth_places, persistent_auth_file
from regcred.clients.wiring.helpers import state_of
from regcred.clients.wiring.lookup import Kind
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import conf_files, puller_of
from tests.tools.programs import wait_for


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    return Machine.here({"PATH": str(tmp_path), "HOME": str(tmp_path)})


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("said", "version"),
    [("podman version 4.3.1", (4, 3, 1)), ("Docker version 28.2.2, build 1.2", (28, 2, 2))],
)
def test_a_version_is_found_in_what_a_program_says(
    here: Machine, tmp_path: Path, said: str, version: tuple[int, ...]
) -> None:
    script(tmp_path, "podman", f"#!/bin/sh\necho '{said}'\n")

    assert here.version("podman") == version
    assert here.version("missing") == ()


def test_what_does_not_end_or_cannot_start_says_nothing(
    here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_SECONDS", 0.05)
    hangs = script(tmp_path, "docker-credential-regcred", "#!/bin/sh\nexec /bin/sleep 60\n")
    hung = state_of(here, "regcred")
    hangs.write_text("#!/nowhere/at/all\n")
    foreign = state_of(here, "regcred")

    assert "no answer within" in hung.fault
    assert "No such file" in foreign.fault
    assert not hung.runs
    assert not foreign.runs


def test_what_a_program_warns_of_hides_no_answer(here: Machine, tmp_path: Path) -> None:
    warns = "for i in $(seq 200); do echo 'WARN: a long line about nothing' >&2; done"
    loud = script(tmp_path, "warns", f"#!/bin/sh\n{warns}\necho podman version 4.3.1")

    assert here.says(str(loud)) == (True, "podman version 4.3.1")


def ended(status: Path) -> bool:
    try:
        return status.read_text().split()[2] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("stream", [1, 2])
def test_what_floods_is_ended_with_its_group(here: Machine, tmp_path: Path, stream: int) -> None:
    loud = script(
        tmp_path,
        "loud",
        f"#!/bin/sh\n/bin/sleep 300 & echo $! > {tmp_path}/child\nexec /usr/bin/yes 1.2 >&{stream}",
    )

    runs, said = here.says(str(loud))

    assert (runs, said) == (False, "1.2")
    status = Path(f"/proc/{int((tmp_path / 'child').read_text())}/stat")
    # A signal is on its way for a moment.
    assert wait_for(lambda: ended(status))


def test_only_roots_processes_and_ones_own_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = {"1": 0, "2": 1000, "3": 1001}
    for number in owners:
        (tmp_path / "proc" / number).mkdir(parents=True)
        (tmp_path / "proc" / number / "cmdline").write_text(f"kubelet\0--of={number}\0")
    stat = Path.stat

    def owned(path: Path, **how: bool) -> object:
        if path.parent.name == "proc":
            return SimpleNamespace(st_uid=owners[path.name])
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", owned)

    def seen(uid: int) -> list[str]:
        lines = Machine(tmp_path, {}, "/h", uid).command_lines()
        return [line[1] for line in lines]

    assert seen(0) == ["--of=1"]
    assert seen(1000) == ["--of=1", "--of=2"]


def test_below_another_root_nothing_is_run(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    ran = tmp_path / "ran"
    for name in ("docker", "docker-credential-regcred"):
        script(tmp_path / "bin", name, f"#!/bin/sh\ntouch {ran}\n")
    mounted = Machine.here({"PATH": "/bin", "HOME": "/root"}, tmp_path)

    assert puller_of(mounted, "docker").installed
    assert state_of(mounted, "regcred").runs
    assert not ran.exists()


def test_docker_reads_its_variable_since_it_knows_it(here: Machine, tmp_path: Path) -> None:
    env = {**here.env, "DOCKER_AUTH_CONFIG": "{}"}
    for version, known in (("28.2.2", None), ("28.3.0", "{}"), ("", "{}")):
        script(tmp_path, "docker", f"#!/bin/sh\necho 'Docker version {version}'\n")
        docker = puller_of(Machine.here(env), "docker")

        assert docker.variable == known
        assert docker.variable_unread == (known is None)
        told = [one.what for one in file_findings([docker])]
        assert any("only since 28.3" in what for what in told) == (known is None)


def test_newer_clients_read_a_named_file_alone() -> None:
    env = {"REGISTRY_AUTH_FILE": "/named"}
    older = auth_places(env, "/h", 5, podman=True, named_alone=False)
    newer = auth_places(env, "/h", 5, podman=True, named_alone=True)
    usual = auth_places({}, "/h", 5, podman=False, named_alone=True)

    assert [place.path for place in older] == [
        "/named",
        "/h/.config/containers/auth.json",
        "/h/.docker/config.json",
        "/h/.dockercfg",
    ]
    assert [place.path for place in newer] == ["/named"]
    assert usual[0].path == "/run/containers/5/auth.json"
    assert persistent_auth_file(env, "/h") == "/named"


def test_a_users_registries_conf_keeps_the_machines_from_being_read(tmp_path: Path) -> None:
    for name in ("etc/containers", "h/.config/containers"):
        (tmp_path / name / "registries.conf.d").mkdir(parents=True)
        (tmp_path / name / "registries.conf.d" / "1.conf").touch()
    seen = Machine.here({"HOME": "/h", "CONTAINERS_REGISTRIES_CONF": "/named"}, tmp_path)
    drop_ins = [f"{f}/containers/registries.conf.d/1.conf" for f in ("/etc", "/h/.config")]

    system = conf_files(seen, podman=False)
    named = conf_files(seen, podman=True)
    (tmp_path / "h/.config/containers/registries.conf").touch()
    own = conf_files(seen, podman=False)

    assert system == ["/etc/containers/registries.conf", *drop_ins]
    assert named == ["/named", *drop_ins]
    assert own == ["/h/.config/containers/registries.conf", drop_ins[1]]


def test_a_registries_conf_that_is_no_file_ends_the_search(tmp_path: Path) -> None:
    (tmp_path / "etc/containers/registries.conf").mkdir(parents=True)
    seen = Machine.here({"PATH": "/bin", "HOME": "/h"}, tmp_path)

    lookup = puller_of(seen, "skopeo").lookup("a.example/b")

    assert lookup.strict
    assert [step.kind for step in lookup.steps] == [Kind.broken]
