"""regcred keeps the logins with which deployments pull private container images."""

__version__ = "0.1.0"
