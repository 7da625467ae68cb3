"""How this machine's pullers are wired: each client's own rules, pure, and the edits of its files.

What models a client (`docker_config`, `containers_auth`, `kubelet_files`, `containerd_hosts`) reads
texts and returns facts; only `machine`, `programs` and `replacing` touch the disk.
"""
