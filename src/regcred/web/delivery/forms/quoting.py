"""Texts as three languages quote them."""

from __future__ import annotations

import base64
import json
import re

from regcred.domain.handout import Opened

_TEMPLATE = re.compile(r"(\$+|%+)\{")
_NOT_IN_TOML = re.compile("[\x7f]")
_GO_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def basic(opened: Opened) -> str:
    """Return a login as RFC 7617 has it: base64 of `user:password`."""
    return base64.b64encode(f"{opened.username}:{opened.password.reveal()}".encode()).decode()


def go_json(value: object) -> bytes:
    """Return JSON byte for byte as Go's encoding/json writes it: no spaces, HTML escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_GO_ESCAPES).encode()


def hcl(text: str) -> str:
    """Return a quoted HCL string (HCL native syntax, "Template Expressions").

    `${` and `%{` begin a template: doubled, the sign is itself. After another such sign that
    would be read differently, so there the last one is written by its number.
    """
    # JSON's escapes are HCL's, but for the two that HCL does not know.
    quoted = (
        json.dumps(text, ensure_ascii=False).replace("\\b", "\\u0008").replace("\\f", "\\u000c")
    )

    def literal(found: re.Match[str]) -> str:
        signs = found[1]
        last = signs[0] * 2 if len(signs) == 1 else f"{signs[:-1]}\\u{ord(signs[0]):04x}"
        return f"{last}{{"

    return _TEMPLATE.sub(literal, quoted)


def toml(text: str) -> str:
    """Return a TOML basic string: JSON's escapes, and DEL may not stand there as it is."""
    return _NOT_IN_TOML.sub("\\\\u007f", json.dumps(text, ensure_ascii=False))
