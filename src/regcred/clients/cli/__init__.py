"""The `regcred` command as its users see it: one file a noun.

Data goes to stdout and words to stderr; docs/cli.md has the rules and the exit codes.
"""

from __future__ import annotations

from regcred.clients.cli.app import app

__all__ = ["app"]
