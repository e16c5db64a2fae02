"""When the other side wants to be asked again, and what its clock says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SOONEST = timedelta(seconds=1)  # "0" and dates in the past would make us hammer
LATEST = timedelta(hours=1)  # "next year" would silence us: one look an hour costs nobody anything
_SECONDS = re.compile(r"([+-]?)(\d+)(?:\.\d*)?", re.ASCII)


def http_date(text: str) -> datetime | None:
    """The instant of an HTTP date in any of its three forms; None when it is not one."""
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def server_date(headers: Mapping[str, str]) -> datetime | None:
    """What the answering server's clock said (its Date header)."""
    return http_date(headers.get("Date", "")[:29])  # a date is 29 characters; some servers send the header twice


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """The instant before which the other side does not want to hear from us, between SOONEST and LATEST from `now`.

    `headers` is case-insensitive. Seconds or an HTTP date (measured against the server's own Date, so that its
    clock does not matter). None when absent or unreadable. RFC 9110 10.2.3; sync.md Y-11.
    """
    text = headers.get("Retry-After", "").strip()
    if seconds := _SECONDS.fullmatch(text):
        sign, digits = seconds.groups()
        wait = SOONEST if sign == "-" else min(LATEST, timedelta(seconds=int(digits[-9:])) if len(digits.lstrip("0")) < 9 else LATEST)
    elif at := http_date(text):
        wait = at - (server_date(headers) or now)
    else:
        return None
    return now + max(SOONEST, min(wait, LATEST))
