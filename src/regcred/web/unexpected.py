"""What may be told of an exception: its kind and its place, never its message.

A message could quote a secret. The kind alone says nothing of where to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType


def kind_and_place(error: BaseException) -> Mapping[str, str]:
    """Return an exception's type and where it was raised, as the log has them."""
    return {"error": type(error).__name__, "where": innermost(error.__traceback__)}


def innermost(traceback: TracebackType | None) -> str:
    """Return file, line and function of a traceback's last step; "": there is none."""
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        place = f"{code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno} {code.co_name}"
        traceback = traceback.tb_next
    return place
