"""Which texts are label selectors: examples that an API server 1.20 took or refused."""

from __future__ import annotations

import pytest

from regcred.clients.kubernetes.selectors import selects_labels


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "!a",
        "a=b",
        "a==b",
        "a!=b",
        "a=",
        "regcred.dev/pull=true",
        "a in (b, c),d notin (e),!f",
        " a = b , c ",
        "a in(b)",
        "a>1",
        "a in (,b)",
        f"{'a' * 63}={'b' * 63}",
    ],
)
def test_what_an_api_server_takes_is_a_selector(text: str) -> None:
    assert selects_labels(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a=b=c",
        "a in b",
        "a in (b",
        "a,",
        "=b",
        "a b",
        "!a=b",
        "a=-b",
        "/a",
        "A.B/c",
        "a/b/c",
        "a>b",
        "a>-1",
        "a..b/c",
        f"{'a' * 64}",
        f"a={'b' * 64}",
    ],
)
def test_what_an_api_server_refuses_is_none(text: str) -> None:
    assert not selects_labels(text)
