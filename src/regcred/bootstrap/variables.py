"""What is said of settings: which variable or option is wrong and why, and which means nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from pydantic import ValidationError

from regcred.settings import Settings

PREFIX = "REGCRED_"
OF_CLIENTS = frozenset(
    {"BIN_DIR", "CA_FILE", "INSECURE_HTTP", "KEY", "KEY_FILE", "ON_ERROR", "PROJECT", "URL"}
)
"""What the client's commands and the helpers read."""

_OF_KUBERNETES = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)\w*)?)")
"""What a pod gets for each Service whose name begins with `regcred`."""

_LINK = re.compile(r"(tcp|udp)://")
_OPTIONS = {"allow_networks": "allow_network"}
"""Settings whose option has another name, because it is given once for each."""

_RULES = {
    "bool_parsing": "must be true or false",
    "greater_than_equal": "must be at least {ge}",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number, and is too large for one",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
"""The rule that was broken, by pydantic's name for it: every one that a text can break."""


def refusals(
    error: ValidationError, options: Mapping[str, object], environment: Mapping[str, str]
) -> Iterator[str]:
    """Yield a sentence for every setting that was refused, without its value."""
    for problem in error.errors(include_input=False, include_url=False):
        field = str(problem["loc"][0])
        rule = _RULES.get(problem["type"], "is none").format(**problem.get("ctx", {}))
        source = _source(field, options)
        if _LINK.match(environment.get(source, "")):
            rule += " (Kubernetes sets it beside a Service of that name: enableServiceLinks: false)"
        yield f"{source}: {rule}"


def unknown(environment: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for every variable of ours that nothing reads: a typing error, perhaps."""
    known = {name.upper() for name in Settings.model_fields} | OF_CLIENTS
    for variable in sorted(environment):
        name = variable.upper().removeprefix(PREFIX)
        if name in known or not variable.upper().startswith(PREFIX):
            continue
        if _OF_KUBERNETES.fullmatch(name):
            continue
        near = get_close_matches(name, sorted(known), n=1)
        meant = f": is {PREFIX}{near[0]} meant?" if near else ""
        yield f"nothing reads {variable}{meant}"


def _source(field: str, options: Mapping[str, object]) -> str:
    """Return where a setting came from, as whoever set it wrote it."""
    if field not in options:
        return PREFIX + field.upper()
    return "--" + _OPTIONS.get(field, field).replace("_", "-")
