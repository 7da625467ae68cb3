"""Options that all imports share."""

from __future__ import annotations

from typing import Annotated

import typer

Apply = Annotated[bool, typer.Option("--apply", help="Store what the plan says, unasked.")]
Verify = Annotated[bool, typer.Option("--verify", help="Store only what its registry accepts now.")]
Update = Annotated[
    bool, typer.Option("--update", help="Replace the passwords of logins that are stored already.")
]
Compare = Annotated[
    bool,
    typer.Option(
        "--compare",
        help="Compare with the passwords that are stored. Takes a key that may see them; audited "
        "as handed out.",
    ),
]
Prefix = Annotated[str, typer.Option("--prefix", help="What the names of new logins begin with.")]
