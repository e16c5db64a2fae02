"""One event loop for a whole test process: making one for every request, with its threads, takes longer than most requests."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_RUNNER = asyncio.Runner()
atexit.register(_RUNNER.close)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What `asyncio.run` answers, in the loop that is there."""
    return _RUNNER.run(coroutine)
