from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.clock import FrozenClock
from adapter.ehr import HttpEhrClient
from adapter.ehr.auth import Auth, NoAuth
from adapter.ehr.fake import FakeEhr
from adapter.net import GuardedSession, Limits

NOW = datetime(2026, 3, 2, 17, 50, tzinfo=UTC)
Connect = Callable[..., HttpEhrClient]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


@pytest.fixture
def connect(clock: FrozenClock) -> Iterator[Connect]:
    """`connect(base_url)` gives a client; all are closed at the end."""
    made: list[HttpEhrClient] = []

    def build(base_url: str, *, auth: Auth | None = None, **options: Any) -> HttpEhrClient:
        limits = Limits(connect=5, read=5, total=60, body=1_000_000)
        session = GuardedSession(allow=[base_url], clock=clock, limits=limits)
        made.append(HttpEhrClient("clinic", base_url, session=session, auth=auth or NoAuth(), clock=clock, **options))
        return made[-1]

    yield build
    for client in made:
        client.close()


@pytest.fixture
def ehr(clock: FrozenClock) -> Iterator[FakeEhr]:
    with FakeEhr(clock=clock) as fake:
        yield fake


@pytest.fixture
def client(ehr: FakeEhr, connect: Connect) -> HttpEhrClient:
    return connect(ehr.base_url)
