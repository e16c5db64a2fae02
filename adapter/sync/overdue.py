"""Whether an EHR has not been read for too long: once every business day at the least (SDOHCC task-11)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from adapter.referral.due import Calendar


def overdue(ran: datetime | None, at: datetime, when: Calendar) -> bool:
    """Whether a whole business day went by since it was last read (`ran`). False before the first time."""
    if ran is None:
        return False
    for begins, ends in when.opening_days(ran.astimezone(ZoneInfo(when.zone)).date()):
        if begins > at:
            return False
        if begins > ran:
            return ends <= at
    return False
