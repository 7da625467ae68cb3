"""The operator's commands, each a function from settings to an exit code.

Data goes to standard output, words to standard error; a refusal is one sentence that says what
to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
from pydantic import ValidationError

from regcred.adapters.sealing.anchor import said
from regcred.bootstrap import log_lines, process, variables
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.commands import backups, escrow, keys, migrations, scrub
from regcred.bootstrap.first_run import (
    FirstRun,
    first_commands,
    first_run,
    make_operator_key,
)
from regcred.bootstrap.state import open_state
from regcred.domain.errors import RegcredError, StartRefused
from regcred.settings import Settings

OK, FAILED, USAGE = 0, 1, 2
_log = structlog.get_logger("regcred")


def run(command: str, words: tuple[object, ...], options: dict[str, object]) -> int:
    """Run one command and return its exit code."""
    try:
        settings = Settings(**options)  # type: ignore[arg-type]  # checked by the model
    except ValidationError as error:
        for refusal in variables.refusals(error, options, os.environ):
            _say(refusal)
        return USAGE
    process.harden()
    log_lines.log_to_stderr(settings.log_level)
    for words_of_it in variables.unknown(os.environ):
        _log.warning("a variable is no setting", reason=words_of_it)
    try:
        return _COMMANDS[command](settings, *words)
    except RegcredError as refusal:
        _say(str(refusal))
    except OSError as error:
        _say(f"the system refuses it: {error}")
    return FAILED


def _serve(settings: Settings) -> int:
    # The web: half of what any other command costs.
    from regcred.bootstrap import service  # noqa: PLC0415  see above

    return service.serve(settings, on_first_run=_welcome)


def _init(settings: Settings, output: str = "text") -> int:
    async def make() -> FirstRun:
        async with open_state(settings, exclusive=True) as state:
            if not state.fresh:
                raise StartRefused(
                    f"{settings.data} is initialised already; a key is shown only once: "
                    "`regcred operator-key` makes another"
                )
            await asyncio.to_thread(_require_no_anchor, settings)
            made = await first_run(state)
            await AuditKeeper(state.store, state.keys.audit_chain, state.anchor, state.clock).link()
            return made

    made = asyncio.run(make())
    project = {"id": str(made.project.id), "number": made.project.number, "name": made.project.name}
    if output == "json":
        print(json.dumps({"project": project, "key": made.key.reveal()}))
    else:
        print(f"project {made.project.number} ({made.project.name})  {made.project.id}")
        print(f"key     {made.key.reveal()}")
        _say("The key is shown this once. Next: regcred serve " + _where(settings))
    return OK


def _require_no_anchor(settings: Settings) -> None:
    """Pass unless another store's audit is anchored where this one's would be."""
    there = said(settings.anchor_file)
    if there is not None and there.upto:
        raise StartRefused(
            f"{settings.anchor_file} anchors the audit of a store that is not this one: name that"
            " one's --database or restore it, or give another --data"
        )


def _where(settings: Settings) -> str:
    """Return the options that name this store and its keys."""
    words = ["--data", str(settings.data)]
    if settings.database is not None:
        words += ["--database", settings.database]
    for ring in settings.keyring:
        words += ["--keyring", ring]
    return shlex.join(words)


def _operator_key(settings: Settings, output: str = "text") -> int:
    async def make() -> str:
        async with open_state(settings, exclusive=False) as state:
            if state.fresh:
                held = "the database" if settings.database else str(settings.data)
                raise StartRefused(
                    f"{held} holds no store: name it with --database or --data,"
                    " or run `regcred init`"
                )
            project = await state.store.find_project(1)
            key = await make_operator_key(
                state.store, state.digests, state.clock, state.random, project
            )
            return key.reveal()

    key = asyncio.run(make())
    print(json.dumps({"key": key}) if output == "json" else key)
    return OK


def _welcome(made: FirstRun, url: str) -> None:
    key = made.key.reveal()
    print(f"\nregcred made project {made.project.number} and an operator's key, shown this once:\n")
    print(f"  {key}")
    called = Path(sys.argv[0]).absolute()
    # `python -m regcred` names a file of the package there: the commands are beside Python.
    programs = Path(sys.executable).parent if called.name == "__main__.py" else called.parent
    print(first_commands(url, programs, os.environ.get("PATH", "")), flush=True)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


_COMMANDS: dict[str, Callable[..., int]] = {
    "serve": _serve,
    "init": _init,
    "operator_key": _operator_key,
    "migrate": migrations.migrate,
    **keys.COMMANDS,
    **escrow.COMMANDS,
    "backup": backups.backup,
    "restore": backups.restore,
    "scrub": scrub.scrub,
}
