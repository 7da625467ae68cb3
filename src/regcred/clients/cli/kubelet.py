"""regcred kubelet: let the kubelet of this node pull with stored logins."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from regcred.clients import assembly
from regcred.clients.assembly import KUBELET_PLUGIN
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.kubelet_config import (
    ConfigBroken,
    provider,
    with_provider,
    without_provider,
)
from regcred.clients.node.settings import read_file, settings, target
from regcred.clients.node.words import Refused
from regcred.clients.placing import write_whole

app = typer.Typer(help="Pull with stored logins on a Kubernetes node.", no_args_is_help=True)

BIN_DIR = Path("/var/lib/kubelet/credential-provider")
CONFIG = Path("/var/lib/kubelet/credential-provider-config.yaml")
BACKUP = ".before-regcred"

_INTERPRETER = Path("/usr/bin/python3")
_MAX_CONFIG = 1048576
_HUB = "docker.io"
_HUB_NAMES = {_HUB, "index.docker.io", "registry-1.docker.io"}
# What matchImages may hold: globs in the host alone, perhaps a port and a path.
_IMAGES = re.compile(r"[a-z0-9*]([a-z0-9.*-]*[a-z0-9*])?(:[0-9]{1,5})?(/[a-z0-9._/-]*)?")
_AUDIENCE = re.compile(r"[!-~]{1,255}")

_NEXT = (
    "The kubelet reads this when it starts. Give it these two flags, then restart it:",
    "  --image-credential-provider-config={config}",
    "  --image-credential-provider-bin-dir={bin_dir}",
    "  systemctl restart kubelet",
)
_NEXT_FOR_TOKENS = (
    "Tokens of pods need Kubernetes 1.34 (1.33 with a feature gate), and its nodes the right to",
    "ask for this audience: docs/kubelet-plugin.md has the role.",
)

BinDir = Annotated[
    Path, typer.Option(help="What the kubelet's --image-credential-provider-bin-dir says.")
]
ConfigFile = Annotated[
    Path, typer.Option(help="What the kubelet's --image-credential-provider-config says.")
]


@app.callback()
def root() -> None:
    """Pull with stored logins on a Kubernetes node."""


@app.command()
def install(
    registry: Annotated[
        list[str],
        typer.Option(
            "--registry",
            "-r",
            metavar="HOST[:PORT][/PATH]",
            help="Ask for it. Repeatable.",
        ),
    ],
    url: Annotated[
        str, typer.Option("--url", envvar="REGCRED_URL", help="The service, https://HOST[:PORT].")
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option(help="The file on the node that holds its key.")
    ] = None,
    service_account_audience: Annotated[
        str,
        typer.Option(metavar="AUDIENCE", help="Send tokens of pods' service accounts; no key."),
    ] = "",
    project: Annotated[
        str, typer.Option("--project", "-p", help="A project's number or id; - is the key's own.")
    ] = "-",
    ca_file: Annotated[
        Path | None,
        typer.Option(envvar="REGCRED_CA_FILE", help="The CA of the service's certificate."),
    ] = None,
    on_error: Annotated[
        str, typer.Option(help="When the service is down: fail, or anonymous.")
    ] = "fail",
    bin_dir: BinDir = BIN_DIR,
    config: ConfigFile = CONFIG,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the configuration and change nothing.")
    ] = False,
) -> None:
    """Put the plugin in place and into the kubelet's configuration."""
    images = list(dict.fromkeys(match_images(one) for one in registry))
    if (key_file is None) == (not service_account_audience):
        stop(Exit.USAGE, "Error: name either --key-file or --service-account-audience")
    if service_account_audience and not _AUDIENCE.fullmatch(service_account_audience):
        stop(Exit.USAGE, "Error: --service-account-audience is a word such as the service's URL")
    if on_error not in ("fail", "anonymous"):
        stop(Exit.USAGE, "Error: --on-error is fail or anonymous")
    env = _environment(url, key_file, project, ca_file)
    arguments = [] if on_error == "fail" else ["--on-error", on_error]
    ours = provider(images, env, arguments, service_account_audience)
    place = config.expanduser().resolve()
    try:
        old = _read(place)
        new = with_provider(old, ours)
    except ConfigBroken as why:
        _stop_on(place, why)
    if dry_run:
        typer.echo(new, nl=False)
        return
    _place(bin_dir.expanduser().absolute())
    _write(place, old, new)
    for line in _NEXT + (_NEXT_FOR_TOKENS if service_account_audience else ()):
        say(line.format(config=config.absolute(), bin_dir=bin_dir.absolute()))


@app.command()
def uninstall(bin_dir: BinDir = BIN_DIR, config: ConfigFile = CONFIG) -> None:
    """Take the plugin out of the kubelet's configuration, then away. Others stay."""
    place = config.expanduser().resolve()
    try:
        old = _read(place)
        new = without_provider(old) if old else ""
    except ConfigBroken as why:
        _stop_on(place, why)
    plugin = bin_dir.expanduser() / KUBELET_PLUGIN.name
    try:
        if old and not new:
            # An empty list is no configuration: the kubelet would not start.
            place.unlink()
            say(f"Deleted {place}, which had no other provider: take the kubelet's flags away")
        elif new != old:
            _write(place, old, new)
        plugin.unlink(missing_ok=True)
    except OSError as why:
        stop(Exit.FAILED, f"Error: {why.filename} was not changed: {why.strerror}")
    say(f"{plugin} is gone. Restart the kubelet: systemctl restart kubelet")


def match_images(registry: str) -> str:
    """Return how the kubelet's matchImages spells a registry. Raise typer.Exit."""
    name = registry.lower().removeprefix("https://").rstrip("/")
    host, slash, path = name.removesuffix("/v1").partition("/")
    if host in _HUB_NAMES:
        # Images are asked about as docker.io/library/nginx, whatever the pod wrote.
        name = f"{_HUB}{slash}{path}"
    if not _IMAGES.fullmatch(name):
        stop(Exit.USAGE, "Error: --registry is HOST[:PORT][/PATH], with * for a part of the host")
    return name


def _environment(
    url: str, key_file: Path | None, project: str, ca_file: Path | None
) -> dict[str, str]:
    """Return what the plugin is told: where things are, never a key. Raise typer.Exit."""
    try:
        kept = {} if url else settings(os.environ)
        url = (url or kept.get("url", "")).rstrip("/")
        target({"url": url, "from": "--url"})
        env = {"REGCRED_URL": url}
        if key_file is not None:
            env["REGCRED_KEY_FILE"] = str(key_file.absolute())
            _look_at_key(key_file)
    except Refused as why:
        stop(Exit.USAGE, f"Error: {why}")
    if project != "-":
        env["REGCRED_PROJECT"] = project
    if ca := str(ca_file.absolute()) if ca_file else kept.get("ca_file", ""):
        env["REGCRED_CA_FILE"] = ca
    if any(not value.isprintable() for value in env.values()):
        stop(Exit.USAGE, "Error: a path or the project holds characters that are not printable")
    return env


def _look_at_key(path: Path) -> None:
    """Say what is missing for the key, if it is to be on this machine. Raise Refused."""
    try:
        read_file(str(path), True)
    except FileNotFoundError:
        say(f"{path} is not there yet: put the node's key into it, owned by root, mode 0600.")


def _read(path: Path) -> str:
    """Return the configuration, empty if there is none. Raise ConfigBroken."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_CONFIG + 1)
    except FileNotFoundError:
        return ""
    except IsADirectoryError:
        raise ConfigBroken("it is a folder: name a file in it") from None
    except OSError as why:
        raise ConfigBroken(f"it cannot be read: {why.strerror}") from None
    if len(content) > _MAX_CONFIG:
        raise ConfigBroken(f"it is longer than {_MAX_CONFIG} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ConfigBroken("it is not UTF-8 text") from None


def _place(folder: Path) -> None:
    if not _INTERPRETER.exists():
        stop(Exit.FAILED, f"Error: the plugin is run by {_INTERPRETER}, which is not there")
    try:
        placed = assembly.place(KUBELET_PLUGIN, folder)
    except OSError as why:
        stop(Exit.FAILED, f"Error: {folder} was not written: {why.strerror}", "Try --bin-dir DIR.")
    say(f"Placed {placed}")


def _write(path: Path, old: str, new: str) -> None:
    """Write the configuration; what others made of it is kept beside it, once."""
    backup = path.with_name(path.name + BACKUP)
    try:
        mode = path.stat().st_mode & 0o777 if old else 0o644
        if old == new:
            say(f"{path} says so already")
            return
        if old and not backup.exists():
            write_whole(backup, old.encode(), mode)
            say(f"Kept {path} as it was, comments included, in {backup}")
        write_whole(path, new.encode(), mode)
    except OSError as why:
        stop(Exit.FAILED, f"Error: {path} was not written: {why.strerror}", "Try --config FILE.")
    say(f"Wrote {path}")


def _stop_on(path: Path, why: ConfigBroken) -> NoReturn:
    stop(Exit.FAILED, f"Error: {path} is not changed: {why}", "Mend it, or name another --config.")
