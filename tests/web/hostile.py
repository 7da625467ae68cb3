"""Documents and texts that readers disagree about, each with a canary that must not come back."""

from __future__ import annotations

CANARY = "c4n4ry-Hunter2-never-echoed"


def _with(text: str) -> bytes:
    return f'{{"password": "{CANARY}", "name": {text}}}'.encode()


HOSTILE_JSON: dict[str, bytes] = {
    "empty": b"",
    "spaces": b"  ",
    "not json": CANARY.encode(),
    "truncated": f'{{"password": "{CANARY}'.encode(),
    "trailing comma": f'{{"password": "{CANARY}",}}'.encode(),
    "trailing words": _with('"x"') + CANARY.encode(),
    "two documents": _with('"x"') * 2,
    "single quotes": f"{{'password': '{CANARY}'}}".encode(),
    "comment": f'{{"password": "{CANARY}"}} // x'.encode(),
    "a list": f'["{CANARY}"]'.encode(),
    "a text": f'"{CANARY}"'.encode(),
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "NaN": _with("NaN"),
    "Infinity": _with("Infinity"),
    "-Infinity": _with("-Infinity"),
    "1e400": _with("1e400"),
    "-1e400": _with("-1e400"),
    "2^63": _with(str(2**63)),
    "-2^63": _with(str(-(2**63))),
    "2^64": _with(str(2**64)),
    "a thousand digits": _with("9" * 1000),
    "ten thousand digits": _with("9" * 10_000),
    "leading zero": _with("007"),
    "plus": _with("+1"),
    "hexadecimal": _with("0x10"),
    "duplicate name": f'{{"password": "{CANARY}", "password": "x"}}'.encode(),
    "duplicate name by escape": f'{{"password": "{CANARY}", "p\\u0061ssword": "x"}}'.encode(),
    "duplicate name inside": _with('{"a": 1, "a": 2}'),
    "lone high surrogate": _with(r'"\ud800"'),
    "lone low surrogate": _with(r'"\udc00"'),
    "reversed surrogates": _with(r'"\ude00\ud83d"'),
    "surrogate in a name": f'{{"password": "{CANARY}", "\\ud800": 1}}'.encode(),
    "surrogate deep inside": _with(r'[[{"a": "\uDFFF"}]]'),
    "raw surrogate bytes": _with('"x"').replace(b"x", b"\xed\xa0\x80"),
    "overlong UTF-8": _with('"x"').replace(b"x", b"\xc0\xaf"),
    "Latin-1": _with('"x"').replace(b"x", b"\xe9"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + _with('"x"'),
    "UTF-16": _with('"x"').decode().encode("utf-16"),
    "UTF-16 without a mark": _with('"x"').decode().encode("utf-16-le"),
    "UTF-32": _with('"x"').decode().encode("utf-32"),
    "raw NUL": _with('"x"').replace(b"x", b"\x00"),
    "raw line feed in a text": _with('"x"').replace(b"x", b"\n"),
    "bad escape": _with(r'"\x41"'),
    "33 deep": _with("[" * 33 + "]" * 33),
    "objects 33 deep": _with('{"a":' * 33 + "1" + "}" * 33),
    "depth bomb": _with("[" * 30_000),
    "closed depth bomb": _with("[" * 30_000 + "]" * 30_000),
    "object depth bomb": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
}

HOSTILE_TEXTS: dict[str, str] = {
    "empty": "",
    "NUL": "a\x00b",
    "control": "a\x01b",
    "line feed": "a\nb",
    "CRLF header": "a\r\nX-Evil: 1",
    "escape": "a\x1b[31mb",
    "DEL": "a\x7fb",
    "C1 control": "a\x85b",
    "right-to-left override": "a\u202eb",
    "zero width space": "a\u200bb",
    "line separator": "a\u2028b",
    "byte order mark": "\ufeffab",
    "private use": "a\ue000b",
    "unassigned": "a\U000e0fffb",
    "too long": "a" * 20_000,
    "surrounding space": " a ",
    "slash": "a/b",
    "dot dot": "..",
    "backslash": "a\\b",
}
"""Texts that some field, though not every one, must refuse; none may break anything."""

ODD_TYPES: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    2**63 - 1,
    1.5,
    "",
    [],
    ["x"],
    {},
    {"x": "y"},
    {"x": None},
    [[]],
    {"x": {}},
)
