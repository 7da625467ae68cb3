"""What this user's programs know of the service: its URL, a key, a project, a CA.

`regcred login` writes it, and the docker helper reads it; here it is read by the helper's own
code, so that the two can never disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from regcred.clients.node.settings import read_settings, settings, settings_path, target
from regcred.clients.node.words import Refused as ConfigRefused
from regcred.clients.placing import write_whole

__all__ = ["ClientConfig", "ConfigRefused", "config_path", "forget", "load", "save"]

_OURS_ALONE = 0o600


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """How to reach the service. The key never shows in a repr."""

    url: str
    key: str = field(repr=False)
    project: str = "-"
    ca_file: str = ""
    insecure_http: bool = False
    """Whether http is allowed to a host that is not this machine."""

    def __post_init__(self) -> None:
        """Raise ConfigRefused when a part cannot be used."""
        target(self.settings())
        if not self.key:
            raise ConfigRefused("no key is set: run `regcred login`, or set REGCRED_KEY_FILE")

    def settings(self) -> dict[str, str]:
        """Return the lines of the settings file."""
        lines = {"url": self.url, "key": self.key}
        if self.project != "-":
            lines["project"] = self.project
        if self.ca_file:
            lines["ca_file"] = self.ca_file
        if self.insecure_http:
            lines["insecure_http"] = "yes"
        return lines


def config_path(env: Mapping[str, str]) -> Path:
    """Return where `regcred login` writes."""
    return Path(settings_path(env))


def load(env: Mapping[str, str]) -> ClientConfig:
    """Return what the environment and the file say. Raise ConfigRefused."""
    found = settings(env)
    # First, because its refusal names the place that the URL came from.
    target(found)
    return ClientConfig(
        found["url"].rstrip("/"),
        found.get("key", ""),
        found.get("project") or "-",
        found.get("ca_file", ""),
        found.get("insecure_http") == "yes",
    )


def save(path: Path, config: ClientConfig) -> None:
    """Write the file whole, readable by its owner alone. Raise ConfigRefused, OSError."""
    lines = config.settings()
    kept = read_settings(str(path)) if _readable(path) else {}
    if "on_error" in kept:
        lines["on_error"] = kept["on_error"]
    if any(not value.isprintable() or value != value.strip() for value in lines.values()):
        raise ConfigRefused("a setting holds characters that a line cannot keep")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    write_whole(path, text.encode(), _OURS_ALONE)


def forget(path: Path) -> bool:
    """Delete the file; return whether there was one. Raise OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _readable(path: Path) -> bool:
    try:
        read_settings(str(path))
    except ConfigRefused:
        return False  # A broken file is what a new login is for.
    return True
