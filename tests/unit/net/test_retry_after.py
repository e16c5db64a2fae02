from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from adapter.net import retry_after, server_date
from adapter.net.retry_after import LATEST, SOONEST, http_date

NOW = datetime(2026, 3, 2, 17, 50, tzinfo=UTC)


def wait(text: str, **others: str) -> timedelta | None:
    at = retry_after(CaseInsensitiveDict({"retry-after": text, **others}), NOW)
    return None if at is None else at - NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("1.9", timedelta(seconds=1)),
        ("0", SOONEST),
        ("-30", SOONEST),
        ("-999999999999999999999", SOONEST),
        ("31536000", LATEST),
        ("9" * 5000, LATEST),
        ("1000000000", LATEST),
        ("000000000000120", timedelta(seconds=120)),
        ("Mon, 02 Mar 2026 17:55:00 GMT", timedelta(minutes=5)),
        ("Monday, 02-Mar-26 17:55:00 GMT", timedelta(minutes=5)),
        ("Mon Mar  2 17:55:00 2026", timedelta(minutes=5)),
        ("Mon, 02 Mar 2020 17:55:00 GMT", SOONEST),
        ("Mon, 02 Mar 2099 17:55:00 GMT", LATEST),
        ("", None),
        ("soon", None),
        ("٣", None),
    ],
)
def test_retry_after_is_capped_both_ways_Y_11(text: str, expected: timedelta | None) -> None:
    assert wait(text) == expected


def test_retry_after_as_a_date_is_measured_by_the_servers_own_clock_Y_11() -> None:
    assert wait("Mon, 02 Mar 2026 18:01:00 GMT", Date="Mon, 02 Mar 2026 18:00:00 GMT") == timedelta(minutes=1)


def test_server_date_is_none_without_a_date() -> None:
    assert server_date(CaseInsensitiveDict()) is None
    assert server_date(CaseInsensitiveDict({"date": "Mon, 02 Mar 2026 17:50:00 GMT"})) == NOW


def test_server_date_takes_the_first_when_a_server_sends_two() -> None:
    twice = "Mon, 02 Mar 2026 17:50:00 GMT, Mon, 02 Mar 2026 17:50:00 GMT"
    assert server_date(CaseInsensitiveDict({"Date": twice})) == NOW


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]?\w*", fullmatch=True))
def test_retry_after_never_raises_and_never_leaves_its_bounds(text: str) -> None:
    got = wait(text, Date=text)
    assert got is None or SOONEST <= got <= LATEST


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_http_date_reads_back_what_was_written(at: datetime) -> None:
    assert http_date(format_datetime(at.replace(microsecond=0), usegmt=True)) == at.replace(microsecond=0)
