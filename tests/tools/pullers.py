"""A client's machine: a home, a key, the helper on its PATH, and the programs that pull."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from regcred.clients import assembly
from tests.tools.programs import Finished, ProgramMissing, environment, find, regcred, run

HELPER = "docker-credential-regcred"


class Machine:
    """One user's programs. No password is ever written here; `login` keeps a key."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        bin_folder = home / "bin"
        bin_folder.mkdir(parents=True)
        self.helper_path = _install_helper(bin_folder)
        self._auth_file = home / "auth.json"
        self._docker = home / "docker"
        self.env = environment(
            home,
            path=[bin_folder],
            REGISTRY_AUTH_FILE=str(self._auth_file),
            DOCKER_CONFIG=str(self._docker),
        )

    def login(self, key: str) -> Finished:
        """Give this machine its key, as a person would."""
        return self.regcred("login", "--url", self.url, "--key-stdin", stdin=key)

    def use_helper_for(self, *hosts: str) -> None:
        """Tell docker, podman and skopeo to ask the helper about these registries."""
        config = json.dumps({"credHelpers": dict.fromkeys(hosts, "regcred")})
        self._auth_file.write_text(config)
        self._docker.mkdir(exist_ok=True)
        (self._docker / "config.json").write_text(config)

    def regcred(self, *arguments: str, stdin: str = "") -> Finished:
        """Run the CLI with this machine's key."""
        return run([*regcred(), *arguments], env=self.env, stdin=stdin)

    def helper(self, verb: str, stdin: str = "") -> Finished:
        """Call the credential helper as docker does."""
        return run([str(self.helper_path), verb], env=self.env, stdin=stdin)

    def skopeo_inspect(self, image: str) -> Finished:
        """Read an image's manifest and configuration."""
        return run(
            [find("skopeo"), "inspect", "--tls-verify=false", f"docker://{image}"], env=self.env
        )

    def skopeo_copy(self, image: str, to: Path) -> Finished:
        """Pull a whole image into an OCI layout."""
        return run(
            [find("skopeo"), "copy", "--src-tls-verify=false", f"docker://{image}", f"oci:{to}:v1"],
            env=self.env,
        )

    def podman_pull(self, image: str) -> Finished:
        """Pull a whole image into a fresh storage of its own, which needs no kernel support."""
        root = tempfile.mkdtemp(prefix="podman-", dir=self.home)
        # Podman takes no --runroot longer than 50 characters.
        with tempfile.TemporaryDirectory(prefix="podman-", dir="/tmp") as runroot:
            return run(
                [
                    *(find("podman"), "--root", root, "--runroot", runroot),
                    *("--storage-driver", "vfs", "--cgroup-manager=cgroupfs"),
                    *("pull", "--tls-verify=false", image),
                ],
                env=self.env,
            )

    def docker_manifest(self, image: str) -> Finished:
        """Read an image's manifest with docker's CLI, which needs no engine for that."""
        return run([find("docker"), "manifest", "inspect", "--insecure", image], env=self.env)


def push(layout: Path, image: str, *, user: str, password: str, home: Path) -> str:
    """Push an image as somebody who is not the client under test; return its manifest's digest.

    Raise RuntimeError.
    """
    env = environment(home)
    digest = home / "digest"
    done = run(
        [
            # docker 20.10's manifest command knows no manifest of OCI's.
            *(find("skopeo"), "copy", "--format=v2s2", f"--digestfile={digest}"),
            *("--dest-tls-verify=false", "--dest-creds", f"{user}:{password}"),
            *(f"oci:{layout}:v1", f"docker://{image}"),
        ],
        env=env,
    )
    if done.code != 0:
        raise RuntimeError(f"skopeo copy: {done.text}")
    return digest.read_text().strip()


def _install_helper(folder: Path) -> Path:
    """Put the self-contained helper where the machine's PATH finds it first.

    The one that `make setup` placed is used if it is there: that is the one that ships.
    """
    target = folder / HELPER
    try:
        shutil.copy(find(HELPER), target)
    except ProgramMissing:
        return assembly.place(assembly.DOCKER_HELPER, folder)
    return target
