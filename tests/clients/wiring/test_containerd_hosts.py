"""containerd's files for registries."""

from __future__ import annotations

import pytest

from regcred.clients.wiring.containerd_hosts import (
    Host,
    RegistryConfig,
    folder_names,
    read_config,
    read_hosts,
)
from regcred.clients.wiring.json_object import Broken

V2 = """
version = 2
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."a.example"]
endpoint = ["https://b.example"]
[plugins."io.containerd.grpc.v1.cri".registry.configs."a.example".auth]
password = "s3cr3t"
[plugins."io.containerd.grpc.v1.cri".registry.configs."b.example".tls]
insecure_skip_verify = true
"""


def test_both_versions_of_the_configuration_are_read() -> None:
    newer = '[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/a"\n'

    assert read_config(V2) == RegistryConfig(
        ("/etc/containerd/certs.d", "/etc/docker/certs.d"), mirrors=True, logins=("a.example",)
    )
    assert read_config(newer) == RegistryConfig(("/a",), mirrors=False, logins=())
    assert read_config("plugins = 1") == RegistryConfig((), mirrors=False, logins=())


def test_hosts_come_in_order_and_the_server_last() -> None:
    found = read_hosts(
        'server = "https://a.example"\n[host."https://b.example"]\nskip_verify = true\n'
        '[host."https://b.example".header]\nAuthorization = "Basic s3cr3t"\n'
    )

    assert found == [
        Host("https://b.example", ("Authorization",), skip_verify=True),
        Host("https://a.example", (), skip_verify=False),
    ]
    assert "s3cr3t" not in repr(found)
    assert read_hosts("") == []


@pytest.mark.parametrize("text", ["host = 1 2", '[host]\n"https://a" = 1'])
def test_broken_files_are_said_so(text: str) -> None:
    with pytest.raises(Broken):
        read_hosts(text)


def test_a_port_has_a_spelling_of_its_own() -> None:
    assert folder_names("a.example:5000") == ["a.example_5000_", "a.example:5000", "_default"]
    assert folder_names("a.example") == ["a.example", "_default"]
