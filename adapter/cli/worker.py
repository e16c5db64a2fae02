"""`liaison worker`: the jobs alone, beside one or several web processes."""

from __future__ import annotations

import signal
import threading

from adapter.cli import house


def worker() -> None:
    """Run the synchronisation jobs until Ctrl-C or SIGTERM."""
    from adapter import logs
    from adapter.clock import SystemClock

    settings = house.settings()
    logs.configure(settings.log_level, clock=SystemClock())
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    with house.opened(settings) as app:
        house.needs_views(app.network, app.views)
        app.jobs.start()
        logs.log("worker-started")
        try:
            ended.wait()
        finally:
            app.jobs.stop()
            logs.log("worker-stopped")
