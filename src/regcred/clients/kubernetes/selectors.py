"""Whether a text is a label selector, by the grammar of Kubernetes' own `labels.Parse`."""

from __future__ import annotations

import re

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,251}[a-z0-9])?"
_DNS = rf"{_LABEL}(?:\.{_LABEL})*"
_WORD = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:{_DNS}/)?{_WORD}"
_VALUE = rf"(?:{_WORD})?"
_VALUES = rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\)"
_TEST = rf"\s*(?:==?|!=)\s*{_VALUE}|\s+(?:in|notin)\s*{_VALUES}|\s*[<>]\s*[0-9]+"
_REQUIREMENT = rf"\s*(?:!\s*{_KEY}|{_KEY}(?:{_TEST})?)\s*"
_SELECTOR = re.compile(rf"{_REQUIREMENT}(?:,{_REQUIREMENT})*")


def selects_labels(text: str) -> bool:
    """Whether an API server would take it. What is too long in sum is left to it."""
    return _SELECTOR.fullmatch(text) is not None
