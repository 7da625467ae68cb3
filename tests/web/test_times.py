"""Times are RFC 3339 with an offset, and UTC when they leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.errors import InvalidInput
from regcred.web.times import instant, timestamp

_INSTANTS = st.integers(0, 253_402_214_400_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(_INSTANTS)
def test_a_time_survives_the_wire(at: datetime) -> None:
    assert instant(timestamp(at), field="at") == at


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z"),
        ("2030-01-31t12:00:00z", "2030-01-31T12:00:00Z"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00Z"),
        ("2030-01-31T12:00:00.5-00:30", "2030-01-31T12:30:00.500000Z"),
        ("2030-01-31T12:00:00.123456789Z", "2030-01-31T12:00:00.123456Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_read_with_its_offset(sent: str, meant: str) -> None:
    assert timestamp(instant(sent, field="at")) == meant


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "now",
        "2030-01-31",
        "2030-01-31T12:00:00",
        "2030-01-31 12:00:00Z",
        "2030-02-30T12:00:00Z",
        "2030-01-31T24:00:01Z",
        "2030-01-31T12:00:60Z",
        "2030-01-31T12:00:00+25:00",
        "2030-01-31T12:00:00,5Z",
        "2030-01-31T12:00:00.Z",
        "2030-01-31T12:00:00Z ",
        "2030-01-31T12:00:00Z\n",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+14:00",
        "12030-01-31T12:00:00Z",
        "\uff12\uff1030-01-31T12:00:00Z",
        "2030-W05-4T12:00:00Z",
        "1e9",
    ],
)
def test_other_times_are_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="at: must be an RFC 3339 time"):
        instant(sent, field="at")
