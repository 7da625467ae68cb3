"""Forms that hold one login."""

from __future__ import annotations

from regcred.domain.errors import InvalidInput
from regcred.domain.handout import (
    Entry,
    Filled,
    Gathered,
    LeftOut,
    Opened,
    by_registry,
    the_only,
    unfit,
)
from regcred.domain.registry import HUB
from regcred.web.delivery.forms.quoting import basic, hcl, toml

_TAKES_NO_BASIC = (
    "must be for another registry than Docker Hub (or image must): it answers with a token server, "
    "which containerd asks anonymously in spite of this file. Use the kubelet's plugin, a pull "
    "secret, or ctr --user"
)


def argocd(gathered: Gathered) -> Filled:
    """Fill in what a script of Argo CD Image Updater's prints: `user:password`."""
    left_out = LeftOut()
    entry = the_only(gathered, left_out)
    opened = _fitting(entry)
    password = opened.password.reveal()
    if set(password) & set("\n\r"):
        raise InvalidInput("credential", "must name a login whose password is one line")
    body = f"{opened.username}:{password}".encode()
    return Filled(body, (entry,), left_out.all())


def nomad(gathered: Gathered) -> Filled:
    """Fill in a task's `auth` block."""
    left_out = LeftOut()
    entry = the_only(gathered, left_out)
    opened = _fitting(entry)
    lines = [
        f"  username = {hcl(opened.username)}",
        f"  password = {hcl(opened.password.reveal())}",
    ]
    if registry := _only_registry(gathered, entry):
        lines.append(f"  server_address = {hcl(registry)}")
    body = "\n".join(["auth {", *lines, "}", ""])
    return Filled(body.encode(), (entry,), left_out.all())


def hosts_toml(gathered: Gathered) -> Filled:
    """Fill in containerd's hosts.toml for one registry that takes Basic. Raise InvalidInput."""
    left_out = LeftOut()
    registries = list(by_registry(gathered, left_out).items())
    if len(registries) != 1:
        raise InvalidInput(
            "credential",
            "must narrow to one registry (or image must): there are logins for "
            f"{len(registries)} to hand out",
        )
    ((registry, entry),) = registries
    if str(registry) == HUB:
        raise InvalidInput("credential", _TAKES_NO_BASIC)
    opened = _fitting(entry)
    server = toml(f"https://{registry}")
    body = (
        f"server = {server}\n\n"
        f"[host.{server}]\n"
        '  capabilities = ["pull", "resolve"]\n\n'
        f"[host.{server}.header]\n"
        f"  Authorization = {toml(f'Basic {basic(opened)}')}\n"
    )
    return Filled(body.encode(), (entry,), left_out.all())


def _fitting(entry: Entry) -> Opened:
    if entry.opened is None or (why := unfit(entry.opened)):
        raise InvalidInput("credential", f"must name a login that fits: this one does not ({why})")
    return entry.opened


def _only_registry(gathered: Gathered, chosen: Entry) -> str:
    """Return the registry of the login, "" if it is not one."""
    scopes = [e.scope for e in gathered.entries if e.credential_id == chosen.credential_id]
    if len(gathered.images) == 1:
        scopes = [chosen.scope]
    registries = {
        "*" if scope is None or scope.pattern else str(type(scope)(scope.host, scope.port))
        for scope in scopes
    }
    return registries.pop() if len(registries) == 1 and "*" not in registries else ""
