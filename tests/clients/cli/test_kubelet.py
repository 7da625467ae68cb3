"""regcred kubelet install and uninstall."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from regcred.clients.cli import kubelet, placed
from tests.clients.cli.conftest import Ran, Regcred
from tests.clients.helper_runs import PLUGIN, run_program
from tests.clients.stub_service import KEY
from tests.clients.test_kubelet_config import THEIRS
from tests.house.source import ROOT

URL = "https://regcred.example"


class Node:
    """A node's two places, and its key."""

    def __init__(self, folder: Path, regcred: Regcred) -> None:
        self.bin = folder / "bin"
        self.plugin = self.bin / "regcred-kubelet-provider"
        self.config = folder / "config.yaml"
        self.backup = folder / "config.yaml.before-regcred"
        self.key = folder / "key"
        self.key.write_text(KEY)
        self.key.chmod(0o600)
        self._regcred = regcred

    def install(self, *more: str, key: bool = True) -> Ran:
        with_key = ("--key-file", str(self.key)) if key else ()
        return self._run("install", "--registry", "registry.example", *with_key, *more)

    def uninstall(self) -> Ran:
        return self._run("uninstall")

    def _run(self, verb: str, *more: str) -> Ran:
        places = ("--bin-dir", str(self.bin), "--config", str(self.config))
        return self._regcred("kubelet", verb, *places, *more)

    @property
    def provider(self) -> dict[str, Any]:
        """Ours, which stands last."""
        found: dict[str, Any] = yaml.safe_load(self.config.read_text())["providers"][-1]
        return found


@pytest.fixture
def node(tmp_path: Path, regcred: Regcred, monkeypatch: pytest.MonkeyPatch) -> Node:
    for name, value in {"REGCRED_URL": URL, "REGCRED_KEY": ""}.items():
        monkeypatch.setenv(name, value)
    return Node(tmp_path, regcred)


def test_the_plugin_is_placed_and_configured(node: Node, env: dict[str, str]) -> None:
    done = node.install()

    assert (done.code, done.out) == (0, "")
    assert node.plugin.read_bytes() == PLUGIN.read_bytes()
    assert run_program("--version", b"", env, program=node.plugin).code == 0
    assert node.config.stat().st_mode & 0o777 == 0o644
    assert node.provider["matchImages"] == ["registry.example"]
    assert node.provider["env"] == [
        {"name": "REGCRED_URL", "value": URL},
        {"name": "REGCRED_KEY_FILE", "value": str(node.key)},
    ]


def test_it_says_which_flags_and_what_to_restart(node: Node) -> None:
    said = node.install().err

    assert f"--image-credential-provider-config={node.config}" in said
    assert f"--image-credential-provider-bin-dir={node.bin}" in said
    assert "systemctl restart kubelet" in said


def test_no_key_is_ever_in_the_configuration(node: Node) -> None:
    node.install()

    assert KEY not in node.config.read_text()


def test_with_an_audience_there_is_no_key_at_all(node: Node) -> None:
    done = node.install("--service-account-audience", "regcred", key=False)

    assert done.code == 0
    assert node.provider["tokenAttributes"] == {
        "serviceAccountTokenAudience": "regcred",
        "cacheType": "Token",
        "requireServiceAccount": True,
    }
    assert "KEY" not in node.config.read_text()
    assert "the right to" in done.err


def test_everything_else_it_can_be_told(node: Node, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"

    node.install("--ca-file", str(ca), "--project", "7", "--on-error", "anonymous")

    assert node.provider["args"] == ["--on-error", "anonymous"]
    assert {"name": "REGCRED_PROJECT", "value": "7"} in node.provider["env"]
    assert {"name": "REGCRED_CA_FILE", "value": str(ca)} in node.provider["env"]


def test_what_login_kept_is_used_where_nothing_else_is_said(
    node: Node, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGCRED_URL")
    kept = home / "config" / "regcred" / "client.conf"
    kept.parent.mkdir(parents=True)
    kept.write_text("url = https://kept.example/\nca_file = /etc/ca.pem\n")

    node.install()

    assert node.provider["env"] == [
        {"name": "REGCRED_URL", "value": "https://kept.example"},
        {"name": "REGCRED_KEY_FILE", "value": str(node.key)},
        {"name": "REGCRED_CA_FILE", "value": "/etc/ca.pem"},
    ]


def test_what_login_kept_goes_along_for_its_own_service_alone(node: Node, home: Path) -> None:
    kept = home / "config" / "regcred" / "client.conf"
    kept.parent.mkdir(parents=True)
    kept.write_text(
        "url = http://kept.example\nca_file = /etc/ca.pem\ninsecure_http = yes\nkey = rgc_theirs\n"
    )
    kept.chmod(0o600)

    other = node.install("--url", "http://other.example")
    same = node.install("--url", "http://kept.example/")

    assert (other.code, "the URL in --url is http" in other.err) == (2, True)
    assert same.code == 0
    assert node.provider["env"] == [
        {"name": "REGCRED_URL", "value": "http://kept.example"},
        {"name": "REGCRED_KEY_FILE", "value": str(node.key)},
        {"name": "REGCRED_CA_FILE", "value": "/etc/ca.pem"},
        {"name": "REGCRED_INSECURE_HTTP", "value": "yes"},
    ]


def test_a_dry_run_prints_the_configuration_and_changes_nothing(node: Node) -> None:
    node.config.write_text(THEIRS)

    done = node.install("--dry-run")

    assert [one["name"] for one in yaml.safe_load(done.out)["providers"]] == [
        "ecr-credential-provider",
        "regcred-kubelet-provider",
    ]
    assert node.config.read_text() == THEIRS
    assert not node.bin.exists()


def test_others_stay_and_the_file_is_kept_as_it_was_once(node: Node) -> None:
    node.config.write_text(THEIRS)
    node.config.chmod(0o600)

    first = node.install()
    second = node.install("--registry", "other.example")

    assert yaml.safe_load(node.config.read_text())["providers"][0]["name"] == (
        "ecr-credential-provider"
    )
    assert node.backup.read_text() == THEIRS
    assert "Kept" in first.err
    assert "Kept" not in second.err
    assert node.provider["matchImages"] == ["registry.example", "other.example"]
    assert node.config.stat().st_mode & 0o777 == node.backup.stat().st_mode & 0o777 == 0o600


def test_a_second_time_changes_nothing(node: Node) -> None:
    node.install()
    before = node.config.read_text(), node.config.stat().st_ino

    done = node.install()

    assert "says so already" in done.err
    assert (node.config.read_text(), node.config.stat().st_ino) == before
    assert not node.backup.exists()


def test_a_link_to_the_configuration_stays_one(node: Node, tmp_path: Path) -> None:
    node.config.symlink_to(tmp_path / "real.yaml")
    (tmp_path / "real.yaml").write_text(THEIRS)

    node.install()

    assert node.config.is_symlink()
    assert "regcred-kubelet-provider" in (tmp_path / "real.yaml").read_text()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"kind: [", "line 1"),
        (b"kind: Pod", "kind: must be"),
    ],
)
def test_a_broken_file_is_never_overwritten(node: Node, content: bytes, why: str) -> None:
    node.config.write_bytes(content)

    for done in (node.install(), node.uninstall()):
        assert done.code == 1
        assert f"{node.config} is not changed" in done.err
        assert why in done.err
    assert node.config.read_bytes() == content
    assert not node.plugin.exists()
    assert not node.backup.exists()


def test_a_folder_of_configurations_needs_a_file_in_it(node: Node) -> None:
    node.config.mkdir()

    assert f"{node.config} is not a file" in node.install().err


@pytest.mark.parametrize(
    ("content", "why"), [(b"\xff", "is not UTF-8"), (b"#" * 4_200_000, "is too long")]
)
def test_what_is_no_text_is_left_alone(node: Node, content: bytes, why: str) -> None:
    node.config.write_bytes(content)

    for done in (node.install(), node.uninstall()):
        assert done.code == 1
        assert f"{node.config} {why}" in done.err
    assert node.config.read_bytes() == content
    assert not node.plugin.exists()


def test_a_pipe_is_not_waited_for(node: Node) -> None:
    os.mkfifo(node.config)

    for done in (node.install(), node.install("--dry-run"), node.uninstall()):
        assert (done.code, f"{node.config} is not a file" in done.err) == (1, True)


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_what_others_write_meanwhile_is_not_lost(
    node: Node, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    node.config.write_text(THEIRS)
    if verb == "uninstall":
        node.install()
    changing = {"install": "with_provider", "uninstall": "without_provider"}[verb]
    real = getattr(kubelet, changing)

    def meanwhile(*given: Any) -> str:
        node.config.write_text(THEIRS + "# written meanwhile\n")
        made: str = real(*given)
        return made

    monkeypatch.setattr(kubelet, changing, meanwhile)
    done = node.install() if verb == "install" else node.uninstall()

    assert (done.code, "was changed meanwhile" in done.err) == (1, True)
    assert node.config.read_text() == THEIRS + "# written meanwhile\n"


def test_a_configuration_of_ours_alone_that_changes_meanwhile_is_not_deleted(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(_: str) -> str:
        node.config.write_text(THEIRS)
        return ""

    node.install()
    monkeypatch.setattr(kubelet, "without_provider", meanwhile)

    assert "was changed meanwhile" in node.uninstall().err
    assert node.config.read_text() == THEIRS
    assert node.plugin.exists()


def test_the_copy_is_of_what_others_wrote(node: Node) -> None:
    """After an uninstall theirs may have changed: the copy is of the time before this install."""
    node.config.write_text(THEIRS)
    node.install()
    node.uninstall()
    later = THEIRS + "# later\n"
    node.config.write_text(later)

    said = node.install().err
    node.install("--registry", "other.example")

    assert f"Kept {node.config} as it was, comments included, in {node.backup}" in said
    assert node.backup.read_text() == later


def test_comments_stay_where_ours_is_as_it_should_be(node: Node) -> None:
    node.config.write_text(THEIRS)
    node.install()
    commented = node.config.read_text() + "# a comment of theirs\n"
    node.config.write_text(commented)

    assert "says so already" in node.install().err
    assert node.config.read_text() == commented


def test_what_cannot_be_read_or_written_is_said_so(node: Node, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node.config = tmp_path / "file" / "config.yaml"
    assert "cannot be read" in node.install().err

    node.config, node.bin = tmp_path / "config.yaml", tmp_path / "file"
    said = node.install()
    assert (said.code, "Try --bin-dir" in said.err) == (1, True)
    assert not node.config.exists()


def test_a_configuration_that_cannot_be_written_stays(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    node.install()
    before = node.config.read_text()
    monkeypatch.setattr(kubelet, "replace", full)

    said = node.install("--registry", "other.example")

    assert (said.code, "No space left" in said.err) == (1, True)
    assert node.config.read_text() == before


def test_without_an_interpreter_there_is_no_plugin(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placed, "INTERPRETER", tmp_path / "python3")

    assert node.install().code == 1
    assert not node.config.exists()


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io/acme", "docker.io/acme"),
        ("https://GHCR.io/", "ghcr.io"),
        ("*.dkr.ecr.*.example.com", "*.dkr.ecr.*.example.com"),
        ("registry.example:5000/team", "registry.example:5000/team"),
        ("registry.example/team/", "registry.example/team/"),
        ("https://registry.example/team/", "registry.example/team/"),
        ("https://quay.io/v1/", "quay.io"),
        ("https://quay.io/v2", "quay.io"),
        ("quay.io/v1/", "quay.io/v1/"),
        ("index.docker.io/v1/", "docker.io"),
        ("ghcr.io/", "ghcr.io"),
    ],
)
def test_registries_are_spelt_as_the_kubelet_matches_them(asked: str, written: str) -> None:
    assert kubelet.match_images(asked) == written


@pytest.mark.parametrize(
    "registry", ["", "http://a", "a b", "a/*/b", "a:port", "-a", "a/b?c", "a\n", "[::1]"]
)
def test_what_match_images_cannot_hold_is_refused(node: Node, registry: str) -> None:
    done = node.install("--registry", registry)

    assert done.code == 2
    assert not node.config.exists()


@pytest.mark.parametrize(
    "more",
    [
        ("--service-account-audience", "regcred"),
        ("--url", "http://regcred.example"),
        ("--url", "nonsense"),
        ("--on-error", "ignore"),
        ("--project", "a\nb"),
    ],
)
def test_what_would_not_work_is_refused_first(node: Node, more: tuple[str, str]) -> None:
    assert node.install(*more).code == 2
    assert not node.config.exists()


def test_neither_a_key_nor_pods_is_refused(node: Node) -> None:
    assert node.install(key=False).code == 2
    assert node.install("--service-account-audience", "two words", key=False).code == 2


def test_a_key_that_others_may_read_is_refused(node: Node) -> None:
    node.key.chmod(0o644)

    done = node.install()

    assert (done.code, "chmod 600" in done.err) == (2, True)


def test_a_key_that_is_still_missing_is_said_so(node: Node) -> None:
    node.key.unlink()

    done = node.install()

    assert (done.code, "is not there yet" in done.err) == (0, True)


def test_the_page_shows_what_is_written(regcred: Regcred) -> None:
    page = (ROOT / "docs" / "kubelet-plugin.md").read_text()
    blocks = re.findall(r"```yaml\n(apiVersion: kubelet.+?)```", page, re.DOTALL)
    keyed, of_pods = (
        shlex.split(line)[1:]
        for line in re.findall(r"^regcred kubelet install.+", page, re.MULTILINE)
    )

    assert len(blocks) == 2
    assert regcred(*keyed, "--dry-run").out == blocks[0]
    assert regcred(*of_pods, "--dry-run").out == blocks[1]


# uninstall


def test_uninstall_takes_ours_and_leaves_others(node: Node) -> None:
    node.config.write_text(THEIRS)
    node.install()

    done = node.uninstall()

    assert done.code == 0
    assert yaml.safe_load(node.config.read_text()) == yaml.safe_load(THEIRS)
    assert not node.plugin.exists()
    assert "systemctl restart kubelet" in done.err


def test_uninstall_leaves_no_empty_configuration(node: Node) -> None:
    node.install()

    done = node.uninstall()

    assert not node.config.exists()
    assert "take the kubelet's flags away" in done.err


def test_uninstall_where_nothing_is_changes_nothing(node: Node) -> None:
    node.config.write_text(THEIRS)

    assert node.uninstall().code == 0
    assert node.config.read_text() == THEIRS
    node.config.unlink()
    assert node.uninstall().code == 0


def test_what_cannot_be_deleted_is_said_so(node: Node) -> None:
    node.plugin.mkdir(parents=True)

    done = node.uninstall()

    assert (done.code, "was not changed" in done.err) == (1, True)
