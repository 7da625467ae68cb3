"""Runs beside a Yotta SDK: a call a line in, what came of it a line out. Argument: its package.

`yottaml` speaks v2 and `yotta` (the distribution `yottactl`) v1; their classes have the same names.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

# Not static imports: the SDK is installed where this runs, and nowhere that this is checked.
credential: Any = importlib.import_module(f"{sys.argv[1]}.credential")
errors: Any = importlib.import_module(f"{sys.argv[1]}.error")


def raised(error: Any) -> dict[str, Any]:
    kept = ("status_code", "error_code", "error_message", "error_data")
    return {
        "class": type(error).__name__,
        "text": str(error),
        **{name: getattr(error, name, None) for name in kept},
    }


def answer(question: dict[str, Any]) -> dict[str, Any]:
    sent: list[int] = []
    client = credential.CredentialApi(timeout=30, **question["options"])
    client.session.hooks["response"].append(lambda one, **_: sent.append(one.status_code))
    try:
        value = getattr(client, question["call"])(**question["arguments"])
    except errors.Error as error:
        return {"value": None, "error": raised(error), "sent": len(sent)}
    finally:
        client.session.close()
    return {"value": value, "error": None, "sent": len(sent)}


for line in sys.stdin:
    sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
    sys.stdout.flush()
