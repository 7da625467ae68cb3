"""regcred kubelet: let the kubelet of this node pull with stored logins."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from regcred.clients.assembly import KUBELET_PLUGIN
from regcred.clients.cli.placed import placed, runnable
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.kubelet_config import (
    ConfigBroken,
    has_provider,
    provider,
    with_provider,
    without_provider,
)
from regcred.clients.node.settings import read_file, settings, target
from regcred.clients.node.words import Refused
from regcred.clients.wiring.hub import bare
from regcred.clients.wiring.replacing import Keep, Original, Unusable, delete, look, replace

app = typer.Typer(help="Pull with stored logins on a Kubernetes node.", no_args_is_help=True)

BIN_DIR = Path("/var/lib/kubelet/credential-provider")
CONFIG = Path("/var/lib/kubelet/credential-provider-config.yaml")

_FOR_ALL = 0o644
"""The mode of a new configuration: it says where a key is, and holds none."""

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
    found = _look(config)
    try:
        new = with_provider(found.text or "", ours)
    except ConfigBroken as why:
        _stop_on(config, why)
    if dry_run:
        typer.echo(new, nl=False)
        return
    runnable(KUBELET_PLUGIN)
    placed(KUBELET_PLUGIN, bin_dir.expanduser().absolute())
    _write(found, new)
    for line in _NEXT + (_NEXT_FOR_TOKENS if service_account_audience else ()):
        say(line.format(config=config.absolute(), bin_dir=bin_dir.absolute()))


@app.command()
def uninstall(bin_dir: BinDir = BIN_DIR, config: ConfigFile = CONFIG) -> None:
    """Take the plugin out of the kubelet's configuration, then away. Others stay."""
    found = _look(config)
    try:
        new = without_provider(found.text) if found.text else ""
    except ConfigBroken as why:
        _stop_on(config, why)
    plugin = bin_dir.expanduser() / KUBELET_PLUGIN.name
    try:
        if found.text and not new:
            # An empty list is no configuration: the kubelet would not start.
            delete(found)
            say(f"Deleted {found.path}, which had no other provider: take the kubelet's flags away")
        elif found.text and new != found.text:
            _write(found, new)
        plugin.unlink(missing_ok=True)
    except Unusable as why:
        stop(Exit.FAILED, f"Error: {why}")
    except OSError as why:
        stop(Exit.FAILED, f"Error: {why.filename} was not changed: {why.strerror}")
    say(f"{plugin} is gone. Restart the kubelet: systemctl restart kubelet")


def match_images(registry: str) -> str:
    """Return how the kubelet's matchImages spells a registry. Raise typer.Exit.

    A slash at a path's end stays: without it the kubelet takes the last name for a beginning.
    """
    # Images are asked about as docker.io/library/nginx, whatever the pod wrote.
    name = bare(registry.lower())
    if not _IMAGES.fullmatch(name):
        stop(Exit.USAGE, "Error: --registry is HOST[:PORT][/PATH], with * for a part of the host")
    return name


def _environment(
    url: str, key_file: Path | None, project: str, ca_file: Path | None
) -> dict[str, str]:
    """Return what the plugin is told: where things are, never a key. Raise typer.Exit."""
    said = {name: value for name, value in os.environ.items() if "KEY" not in name}
    try:
        # What login kept goes along for its own service, and for no other.
        kept = settings({**said, "REGCRED_URL": url})
        if kept["from"] == "REGCRED_URL":
            kept["from"] = "--url"
        secure = target(kept)[0]
        env = {"REGCRED_URL": kept["url"].rstrip("/")}
        if key_file is not None:
            env["REGCRED_KEY_FILE"] = str(key_file.absolute())
            _look_at_key(key_file)
    except Refused as why:
        stop(Exit.USAGE, f"Error: {why}")
    if project != "-":
        env["REGCRED_PROJECT"] = project
    if ca := str(ca_file.absolute()) if ca_file else kept.get("ca_file", ""):
        env["REGCRED_CA_FILE"] = ca
    if not secure and kept.get("insecure_http") == "yes":
        env["REGCRED_INSECURE_HTTP"] = "yes"
    if any(not value.isprintable() for value in env.values()):
        stop(Exit.USAGE, "Error: a path or the project holds characters that are not printable")
    return env


def _look_at_key(path: Path) -> None:
    """Say what is missing for the key, if it is to be on this machine. Raise Refused."""
    try:
        read_file(str(path), True)
    except FileNotFoundError:
        say(f"{path} is not there yet: put the node's key into it, owned by root, mode 0600.")


def _look(config: Path) -> Original:
    """Return the configuration as it is. Raise typer.Exit."""
    try:
        found = look(config.expanduser().absolute())
    except Unusable as why:
        stop(Exit.FAILED, f"Error: {why}", "Nothing was changed. Try --config FILE.")
    return found if found.text is not None else dataclasses.replace(found, mode=_FOR_ALL)


def _write(found: Original, new: str) -> None:
    """Write the configuration; a copy of what others alone made of it is kept beside it."""
    if new == found.text:
        say(f"{found.path} says so already")
        return
    ours = not found.text or has_provider(found.text)
    try:
        kept = replace(found, new, keep=Keep.none if ours else Keep.latest)
    except Unusable as why:
        stop(Exit.FAILED, f"Error: {why}")
    except OSError as why:
        stop(
            Exit.FAILED,
            f"Error: {found.path} was not written: {why.strerror}",
            "Try --config FILE.",
        )
    if kept:
        say(f"Kept {found.path} as it was, comments included, in {kept}")
    say(f"Wrote {found.path}")


def _stop_on(path: Path, why: ConfigBroken) -> NoReturn:
    stop(Exit.FAILED, f"Error: {path} is not changed: {why}", "Mend it, or name another --config.")
