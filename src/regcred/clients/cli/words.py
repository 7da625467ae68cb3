"""What is said to a person, on stderr, and the code that a script reads."""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from typing import NoReturn

import typer

from regcred.clients.problems import ApiProblem


class Exit(IntEnum):
    """How a command ended (docs/cli.md)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    VERDICT = 6
    UNREACHABLE = 7


NO_EXTRA = "Error: `pip install '.[kubernetes]'` in a clone of regcred makes this command work"
"""By the name regcred alone an index would give whatever somebody put there."""

# Control, format (bidi, zero width), surrogate, private, unassigned, line and paragraph ends.
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SUPPLEMENT = 0x10000


def shown(text: str) -> str:
    """Return a text with everything escaped that a terminal would obey instead of showing."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(escaped(c) if unicodedata.category(c) in _OBEYED else c for c in text)


def escaped(character: str) -> str:
    """Return a character's escape, which is also JSON's."""
    number = ord(character)
    if number < _SUPPLEMENT:
        return f"\\u{number:04x}"
    high, low = divmod(number - _SUPPLEMENT, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


def say(text: str) -> None:
    """Print a line of words."""
    typer.echo(shown(text), err=True)


def stop(code: Exit, *lines: str) -> NoReturn:
    """Say why and end. Raise typer.Exit."""
    for line in lines:
        say(line)
    raise typer.Exit(code)


# What a person does next, by the problem's slug.
_NEXT: dict[str, tuple[Exit, str]] = {
    "not-authenticated": (Exit.DENIED, "Run `regcred login` with a key that is valid."),
    "access-denied": (
        Exit.DENIED,
        "`regcred whoami` shows what this key may do; an admin of the project can make another.",
    ),
    "project-not-found": (Exit.NOT_FOUND, "`regcred project ls` shows the projects you reach."),
    "credential-not-found": (Exit.NOT_FOUND, "`regcred credential ls` shows what there is."),
    "no-login": (Exit.NOT_FOUND, "`regcred explain IMAGE` shows what there is, and why."),
    "logins-withheld": (Exit.VERDICT, "`regcred credential show` says why."),
    "key-not-found": (Exit.NOT_FOUND, "`regcred key ls` shows what there is."),
    "webhook-not-found": (Exit.NOT_FOUND, "`regcred webhook ls` shows what there is."),
    "too-many-webhooks": (Exit.CONFLICT, "`regcred webhook rm` deletes one."),
    "name-taken": (Exit.CONFLICT, "Choose another name, or change or delete the one that has it."),
    "version-mismatch": (Exit.CONFLICT, "Somebody else was faster: look again, then repeat."),
    "version-required": (Exit.CONFLICT, "Look again, then repeat."),
    "credential-in-use": (
        Exit.CONFLICT,
        "Take it out of use there, or delete it and its uses with --force.",
    ),
    "project-not-empty": (Exit.CONFLICT, "Delete its credentials first: `regcred credential ls`."),
    "credential-rejected": (Exit.VERDICT, "Nothing was stored."),
    "invalid-input": (Exit.USAGE, ""),
    "invalid-reference": (Exit.USAGE, "An image is written REGISTRY/REPOSITORY:TAG."),
    "malformed-request": (Exit.USAGE, ""),
    "body-too-large": (Exit.USAGE, ""),
    "quota-exceeded": (Exit.FAILED, "Wait a little, then repeat."),
    "seal-broken": (Exit.FAILED, "Tell the service's operator, and restore from a good copy."),
    "keyring-unavailable": (Exit.UNREACHABLE, "Try again; if it stays, tell the operator."),
    "store-unavailable": (Exit.UNREACHABLE, "Try again; if it stays, tell the operator."),
}
_BY_STATUS = {
    400: Exit.USAGE,
    401: Exit.DENIED,
    403: Exit.DENIED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    422: Exit.USAGE,
    503: Exit.UNREACHABLE,
}


def stop_on(problem: ApiProblem) -> NoReturn:
    """Say what the service refused, why, and what to do. Raise typer.Exit."""
    code, next_step = _NEXT.get(problem.slug, (_BY_STATUS.get(problem.status, Exit.FAILED), ""))
    lines = [f"Error: {problem}"]
    if str(problem) != "; ".join(f"{field}: {rule}" for field, rule in problem.errors):
        lines += [f"  {field}: {rule}" for field, rule in problem.errors]
    lines += [f"  used by {use.get('kind')} {use.get('name')}" for use in problem.uses]
    if problem.verdict:
        lines += [str(problem.verdict.get("next_step") or "")]
    if next_step:
        lines += [next_step]
    if code in {Exit.FAILED, Exit.UNREACHABLE} and problem.request_id:
        lines += [f"Request {problem.request_id}"]
    stop(code, *filter(None, lines))
