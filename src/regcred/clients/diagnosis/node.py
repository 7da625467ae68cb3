"""A Kubernetes node: the kubelet's plugins and stored logins, containerd's registry files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from regcred.clients.diagnosis.finding import Finding, fault, note, ok
from regcred.clients.wiring import containerd_hosts, kubelet_files
from regcred.clients.wiring.json_object import Broken
from regcred.clients.wiring.machine import Machine

_KUBELET_VARIABLES = (
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
)
_KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
_HOME = "/root"
"""Where the kubelet is at home; it is run by root."""

_PLUGIN = "regcred-kubelet-provider"
_CONTAINERD = "/etc/containerd/config.toml"
_CERTS = "/etc/containerd/certs.d"


def kubelet_findings(machine: Machine, repository: str, logins: Sequence[str]) -> list[Finding]:
    """Return what the kubelet here is set up with.

    `repository` is what is pulled, or ""; `logins` are those that regcred's provider would get.
    """
    arguments = kubelet_files.kubelet_arguments(machine.command_lines())
    running = arguments is not None
    if arguments is None:
        texts = [machine.file(path).text or "" for path in _KUBELET_VARIABLES]
        arguments = [one for text in texts for one in kubelet_files.arguments_in(text)]
    config = kubelet_files.flag(arguments, "config") or _KUBELET_CONFIG
    if not (running or arguments or machine.file(config).found):
        return []
    found = [] if running else [note("kubelet", "none is running; its files are looked at")]
    found += _providers(machine, arguments, repository, logins)
    found += _policy(machine, config)
    found += _node_logins(machine, arguments, repository)
    return found


def containerd_findings(machine: Machine, registry: str) -> list[Finding]:
    """Return what containerd here is set up with; `registry` is what is pulled from, or ""."""
    file = machine.file(_CONTAINERD)
    certs = machine.names(_CERTS)
    if not file.found and not certs:
        return []
    try:
        config = containerd_hosts.read_config(file.readable() if file.found else "")
    except Broken as why:
        what = f"{_CONTAINERD}: {why}: containerd does not start"
        return [fault("containerd", what, f"mend {_CONTAINERD}")]
    found = _config(config, bool(certs))
    for folder in config.folders or (_CERTS,):
        names = containerd_hosts.folder_names(registry) if registry else machine.names(folder)
        for name in names:
            host = _hosts(machine, f"{folder}/{name}/hosts.toml")
            found += host
            if host and registry:
                break  # the first folder that is there is the one that counts
    return found


def _providers(
    machine: Machine, arguments: Sequence[str], repository: str, logins: Sequence[str]
) -> list[Finding]:
    path = kubelet_files.flag(arguments, "image-credential-provider-config")
    folder = kubelet_files.flag(arguments, "image-credential-provider-bin-dir")
    if not path:
        what = "it has no credential provider: pods get pull secrets and node logins alone"
        return [note("kubelet", what, "regcred kubelet install")]
    if not folder:
        what = "--image-credential-provider-bin-dir is missing: no provider is run"
        return [fault("kubelet", what, "regcred kubelet install")]
    inside = machine.at(path).is_dir()
    paths = [f"{path}/{one}" for one in machine.names(path)] if inside else [path]
    wanted = [one for one in paths if not inside or one.endswith((".json", ".yaml", ".yml"))]
    found: list[Finding] = []
    for one in wanted:
        file = machine.file(one)
        try:
            listed = kubelet_files.providers(file.readable())
        except Broken as why:
            what = f"{one}: {why}: the kubelet does not start"
            found.append(fault("kubelet", what, f"mend {one}, then restart the kubelet"))
            continue
        found += (_provider(machine, f"{folder}/{p.name}", p, repository, logins) for p in listed)
    return found


def _provider(
    machine: Machine,
    program: str,
    provider: kubelet_files.Provider,
    repository: str,
    logins: Sequence[str],
) -> Finding:
    if not machine.at(program).is_file():
        return fault("kubelet", f"{program} is not there", "regcred kubelet install")
    if not os.access(machine.at(program), os.X_OK):
        return fault("kubelet", f"{program} is not executable", f"chmod 755 {program}")
    name = provider.name
    if not repository:
        return ok("kubelet", f"{name} is asked about {', '.join(provider.match_images)}")
    if any(kubelet_files.matches(one, repository) for one in provider.match_images):
        gets = f", and gets {', then '.join(logins) or 'no login'}" if name == _PLUGIN else ""
        return ok("kubelet", f"{name} is asked about {repository}{gets}")
    what = f"{name} is not asked about {repository}: matchImages has nothing for it"
    fix = "regcred kubelet install, then restart the kubelet"
    return fault("kubelet", what, fix) if name == _PLUGIN else note("kubelet", what)


def _policy(machine: Machine, config: str) -> list[Finding]:
    file = machine.file(config)
    if file.text is None:
        return []
    try:
        rule = kubelet_files.policy(file.text)
    except Broken as why:
        return [fault("kubelet", f"{config}: {why}", f"mend {config}")]
    if not rule:
        return []
    return [note("kubelet", f"imagePullCredentialsVerificationPolicy is {rule}")]


def _node_logins(machine: Machine, arguments: list[str], repository: str) -> list[Finding]:
    root = kubelet_files.flag(arguments, "root-dir") or "/var/lib/kubelet"
    places = [f"{root}/config.json", f"{_HOME}/.docker/config.json", "/.docker/config.json"]
    old = [f"{root}/.dockercfg", f"{_HOME}/.dockercfg", "/.dockercfg"]
    found: list[Finding] = []
    for path in (*places, *old):
        file = machine.file(path)
        if file.text is None:
            continue
        try:
            keys = kubelet_files.node_logins(file.text, repository, legacy=path in old)
        except Broken as why:
            what = f"{path}: {why}: the kubelet takes no login from it"
            found.append(fault("kubelet", what, f"mend {path}"))
            continue
        if repository and keys:
            what = f"tries the login in {path} as {', '.join(keys)}, then never anonymously"
            found.append(note("kubelet", what, "take it out if it is old"))
    return found


def _config(config: containerd_hosts.RegistryConfig, certs: bool) -> list[Finding]:
    found = []
    if config.folders and config.mirrors:
        what = f"{_CONTAINERD} has config_path and registry.mirrors: its CRI plugin does not start"
        found.append(fault("containerd", what, "move the mirrors into hosts.toml files"))
    if certs and not config.folders:
        what = f"{_CERTS} is not read by older versions: config_path is not set in {_CONTAINERD}"
        found.append(note("containerd", what, f'set config_path = "{_CERTS}", then restart it'))
    found += [
        note("containerd", f"the login for {name} stands in {_CONTAINERD}, not in regcred")
        for name in config.logins
    ]
    return found


def _hosts(machine: Machine, path: str) -> list[Finding]:
    file = machine.file(path)
    if not file.found:
        return []
    try:
        hosts = containerd_hosts.read_hosts(file.readable())
    except Broken as why:
        what = f"{path}: {why}: no image of it can be pulled"
        return [fault("containerd", what, f"mend {path}")]
    urls = ", then ".join(host.url for host in hosts) or "the registry itself"
    found = [ok("containerd", f"{path}: pulls from {urls}")]
    for host in hosts:
        if any(name.lower() == "authorization" for name in host.headers):
            what = f"{path} sends a login of its own to {host.url}"
            found.append(note("containerd", what, "regcred can hand it out and renew it"))
        if host.skip_verify:
            what = f"{path} does not verify the certificate of {host.url}"
            found.append(note("containerd", what, "name its CA in ca instead"))
    return found
