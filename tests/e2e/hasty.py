"""`liaison worker` whose timer looks which pull is due every fifth of a second, not every minute:

    python -m tests.e2e.hasty
"""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

from adapter.cli import main

if __name__ == "__main__":
    with mock.patch("adapter.sync.jobs.LOOK", timedelta(seconds=0.2)), mock.patch("adapter.sync.jobs.SPREAD", timedelta(0)):
        main(["worker"])
