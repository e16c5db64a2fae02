from __future__ import annotations

from datetime import UTC, datetime

import pytest


@pytest.fixture
def at() -> datetime:
    return datetime(2026, 3, 2, 17, 50, tzinfo=UTC)
