"""What may be edited in a store without being noticed, and why it does no harm; each one reviewed.

An edit of these decides nothing about who gets which secret and where it goes. Who may write to the
database can also delete from it: that something is no longer found is not prevented (SECURITY.md).
"""

from __future__ import annotations

HARMLESS: dict[tuple[str, str], str] = {}

HARMLESS_TABLES: dict[str, str] = {}
"""Tables that may be put back whole."""

_ONE = "(SELECT id FROM earlier.projects WHERE number = 1)"


def _login(name: str) -> str:
    return f"(SELECT id FROM earlier.credentials WHERE project_id = {_ONE} AND name = '{name}')"  # noqa: S608  constants


def _back(table: str, where: str) -> str:
    """Return what puts rows back as they were in the earlier store, which is attached."""
    return f"REPLACE INTO main.{table} SELECT * FROM earlier.{table} WHERE {where}"  # noqa: S608  constants


def _login_back(name: str) -> tuple[str, ...]:
    number = f"(SELECT number FROM earlier.credentials WHERE id = {_login(name)})"  # noqa: S608  constants
    return (
        _back("credentials", f"id = {_login(name)}"),
        _back("credential_secrets", f"credential_id = {_login(name)}"),
        _back("credential_scopes", f"project_id = {_ONE} AND number = {number}"),
    )


ROWS = {
    "the secret before the last was put back": _login_back("login-2"),
    "a deleted login was put back": _login_back("login-3"),
    "a deleted key was put back": (_back("api_keys", "name = 'narrow-1'"),),
    "a disabled key was put back": (_back("api_keys", "name = 'ends-1'"),),
    "a webhook's former address was put back": (_back("webhooks", f"project_id = {_ONE}"),),
    "a withdrawn workload was put back": (_back("workloads", f"project_id = {_ONE}"),),
    "a cluster's former keys were put back": (_back("clusters", "name = 'prod'"),),
}
"""Rows that are put back, by what that is."""
