"""regcred export, against the stub service."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from regcred.clients.cli.exporting import Form
from tests.clients.cli.conftest import Regcred
from tests.clients.cli.test_terminal import on_terminal
from tests.clients.stub_service import REVEALED, Reply, StubService, problem

WARNING = "holds secrets in clear"
AUTHS = Reply(200, {"auths": {"registry.example": {"auth": REVEALED}}})


def hands_out(stub: StubService, form: str, reply: Reply) -> None:
    stub.plant("GET", f"/v1/projects/-/{form}", reply)


@pytest.fixture(autouse=True)
def _logins(stub: StubService) -> None:
    hands_out(stub, "auth.json", AUTHS)


@pytest.mark.parametrize("form", list(Form))
def test_what_the_service_wrote_is_printed_as_it_came(
    stub: StubService, regcred: Regcred, form: Form
) -> None:
    hands_out(stub, form, Reply(200, f"{form}: {REVEALED}".encode(), "text/plain"))

    done = regcred("export", form)

    assert (done.code, done.out) == (0, f"{form}: {REVEALED}")
    assert WARNING in done.err
    assert REVEALED not in done.err
    assert stub.last.path == f"/v1/projects/-/{form}"
    assert stub.last.query == {}


def test_what_is_asked_for_is_passed_on(stub: StubService, regcred: Regcred) -> None:
    regcred("export", "kubernetes-secret", "-c", "a", "--image", "b.example/c", "--name", "pull")

    assert stub.last.query == {"credential": "a", "image": "b.example/c", "name": "pull"}


def test_a_name_is_for_secrets_alone(stub: StubService, regcred: Regcred) -> None:
    assert regcred("export", "nomad", "--namespace", "shop").code == 2
    assert stub.seen == []


def test_what_is_withheld_and_what_ends_is_said(stub: StubService, regcred: Regcred) -> None:
    headers = (
        ("Regcred-Withheld", "old%2C%C3%BC (rejected)"),
        ("Regcred-Left-Out", "bare (no registry)"),
        ("Regcred-Expires-At", "2026-11-21T22:00:00Z"),
    )
    hands_out(stub, "auth.json", AUTHS._replace(headers=headers))

    done = regcred("export", "auth.json")

    assert "Not in it: old,ü (rejected)" in done.err
    assert "Not in it: bare (no registry)" in done.err
    assert "ends at 2026-11-21T22:00:00Z" in done.err


@pytest.mark.parametrize(
    ("status", "slug", "code"), [(404, "no-login", 3), (409, "logins-withheld", 6)]
)
def test_where_there_is_nothing_no_file_is_touched(
    stub: StubService, regcred: Regcred, tmp_path: Path, status: int, slug: str, code: int
) -> None:
    hands_out(stub, "auth.json", problem(slug, status, "every login: dead"))
    file = tmp_path / "auth.json"
    file.write_text("mine")

    done = regcred("export", "auth.json", "--output", str(file), "--force")

    assert (done.code, done.out) == (code, "")
    assert "every login: dead" in done.err
    assert file.read_text() == "mine"


def test_it_says_on_which_machine_it_was_asked_for(stub: StubService, regcred: Regcred) -> None:
    regcred("export", "auth.json")

    assert stub.last.headers["regcred-node"] == os.uname().nodename


def test_a_file_is_private_and_whole(regcred: Regcred, tmp_path: Path) -> None:
    file = tmp_path / "auth.json"

    done = regcred("export", "auth.json", "--output", str(file))

    assert (done.code, done.out) == (0, "")
    assert REVEALED in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"{file} {WARNING}" in done.err
    assert {one.name for one in tmp_path.iterdir()} == {file.name, "home"}


@pytest.mark.parametrize("there", ["file", "folder", "dangling"])
def test_nothing_is_overwritten_without_force(
    stub: StubService, regcred: Regcred, tmp_path: Path, there: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")

    done = regcred("export", "auth.json", "--output", str(tmp_path / there))

    assert done.code == 5
    assert stub.seen == []
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_appears_meanwhile_stays(
    regcred: Regcred, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "late"
    file.write_text("mine")
    monkeypatch.setattr(Path, "exists", lambda _: False)

    done = regcred("export", "auth.json", "--output", str(file))

    assert done.code == 5
    assert file.read_text() == "mine"


def test_force_replaces_a_file_and_tightens_it(regcred: Regcred, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    file.chmod(0o644)

    done = regcred("export", "auth.json", "--output", str(file), "--force")

    assert done.code == 0
    assert REVEALED in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_force_makes_a_file_where_none_is(regcred: Regcred, tmp_path: Path) -> None:
    assert regcred("export", "auth.json", "--output", str(tmp_path / "new"), "--force").code == 0
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_force_writes_where_a_link_leads(regcred: Regcred, tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(file)

    assert regcred("export", "auth.json", "--output", str(link), "--force").code == 0
    assert link.is_symlink()
    assert REVEALED in file.read_text()


@pytest.mark.parametrize("there", ["pipe", "folder", "dangling", "loop", "/dev/null"])
def test_force_replaces_nothing_but_a_file(
    stub: StubService, regcred: Regcred, tmp_path: Path, there: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    before = (tmp_path / there).lstat().st_ino

    done = regcred("export", "auth.json", "--output", str(tmp_path / there), "--force")

    assert done.code == 1
    assert "is not written over" in done.err
    assert (tmp_path / there).lstat().st_ino == before
    assert not (tmp_path / "nowhere").exists()
    assert stub.seen == []


def test_force_replaces_no_file_of_another_user(
    stub: StubService, regcred: Regcred, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").write_text("theirs")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    done = regcred("export", "auth.json", "--output", str(tmp_path / "theirs"), "--force")

    assert "it belongs to another user" in done.err
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert stub.seen == []


def test_a_folder_that_cannot_be_written_is_said_so(regcred: Regcred, tmp_path: Path) -> None:
    done = regcred("export", "auth.json", "--output", str(tmp_path / "no" / "file"))

    assert done.code == 1
    assert "was not written: No such file or directory" in done.err
    assert REVEALED not in done.err


def test_a_refusal_writes_nothing(stub: StubService, regcred: Regcred, tmp_path: Path) -> None:
    hands_out(stub, "argocd", problem("access-denied", 403, "may not reveal"))

    done = regcred("export", "argocd", "--output", str(tmp_path / "file"))

    assert done.code == 4
    assert not (tmp_path / "file").exists()


def test_a_terminal_is_shown_no_password_unasked(env: dict[str, str]) -> None:
    code, shown = on_terminal(env, "export", "auth.json")
    asked, printed = on_terminal(env, "export", "auth.json", "--output", "-")

    assert (code, asked) == (2, 0)
    assert "would show passwords" in shown
    assert REVEALED not in shown
    assert REVEALED in printed
