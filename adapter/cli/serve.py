"""`liaison serve`: the web side, with the jobs beside it."""

from __future__ import annotations

import ctypes
import http
import http.client
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli import house
from adapter.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import uvicorn
    from starlette.types import ASGIApp

    from adapter.settings import Settings


_PR_SET_PDEATHSIG = 1  # prctl(2)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (LIAISON_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="LIAISON_PORT; 0: any free one.")] = None,
    no_jobs: Annotated[bool, typer.Option("--no-jobs", help="Leave the synchronisation to `liaison worker`.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, max=64, help="Web processes (LIAISON_WEB_PROCESSES).")] = None,
) -> None:
    """Answer requests until Ctrl-C. One process runs the jobs in a thread; several get one worker beside them."""
    from adapter import logs
    from adapter.clock import SystemClock

    settings = house.settings(host=host, port=port, jobs=False if no_jobs else None, web_processes=processes)
    if settings.metrics_token_file and not os.access(settings.metrics_token_file, os.R_OK):
        fix = "make the file, or unset the variable: /metrics then answers this machine only"
        raise SettingsError(f"cannot read {settings.metrics_token_file}", variable="LIAISON_METRICS_TOKEN_FILE", fix=fix)
    listener = house.listening(settings.host, settings.port, variable="--host and --port (LIAISON_HOST, LIAISON_PORT)")
    with listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        logs.configure(settings.log_level, clock=SystemClock())
        if settings.web_processes == 1:
            _alone(settings, listener)
        else:
            _several(settings, listener)
            logs.log("serve-stopped")


def _alone(settings: Settings, listener: socket.socket) -> None:
    from adapter.app import build
    from adapter.web import create

    app = build(settings)
    try:
        house.needs_views(app.network, app.views)
    except SettingsError:
        app.close()
        raise
    application = create(app, jobs=settings.jobs)  # its lifespan closes the App
    house.settled()
    _announcing(_config(application), settings).run(sockets=[listener])


def _several(settings: Settings, listener: socket.socket) -> None:
    """Each process makes its own App from the environment, which tells it what the command line said."""
    from uvicorn.supervisors import Multiprocess

    with house.opened(settings) as app:  # settings, key and schema are looked at once, here, where it can still be said
        house.needs_views(app.network, app.views)
    said = {"HOST": settings.host, "PORT": settings.port, "PUBLIC_URL": settings.url, "WEB_PROCESSES": settings.web_processes}
    os.environ.update({f"LIAISON_{name}": str(value) for name, value in said.items()})
    config = _config("adapter.cli.serve:application", factory=True, workers=settings.web_processes)
    with _worker(wanted=settings.jobs), _announcing_when_answering(settings):
        Multiprocess(config, [listener]).run()


def application() -> ASGIApp:
    """The application of one of several web processes."""
    from adapter import logs
    from adapter.app import build
    from adapter.clock import SystemClock
    from adapter.web import create

    if server := multiprocessing.parent_process():
        _end_with(server.pid or 0)
    settings = house.settings()
    logs.configure(settings.log_level, clock=SystemClock())
    made = create(build(settings))
    house.settled()
    return made


def _end_with(server: int) -> None:
    """This process is told to end (SIGTERM) when `server`, which began it, dies, even by kill -9, and at once where it is dead already:
    nobody answers or sends for a server that is gone. Linux only; elsewhere nothing happens."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != server:
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _worker(*, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    child = subprocess.Popen([sys.executable, "-m", "adapter.cli", "worker"], preexec_fn=partial(_end_with, os.getpid()))  # noqa: PLW1509  no thread has begun yet
    try:
        yield
    finally:
        child.terminate()
        child.wait()


@contextmanager
def _announcing_when_answering(settings: Settings) -> Iterator[None]:
    """Announces the server as soon as one of its processes answers: they tell nobody when they listen."""
    ended = threading.Event()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)

    def look() -> None:
        while not ended.wait(0.05):
            with closing(http.client.HTTPConnection(host, settings.port, timeout=10)) as connection, suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/health/live")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    _announce(settings)
                    return

    looking = threading.Thread(target=look, name="liaison-announce", daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()


def _config(target: Any, **more: Any) -> uvicorn.Config:
    import uvicorn

    # no access log: paths hold ids, queries hold names; no server header
    quiet: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "ws": "none"}
    return uvicorn.Config(target, lifespan="on", timeout_graceful_shutdown=20, **quiet, **more)


def _announcing(config: uvicorn.Config, settings: Settings) -> uvicorn.Server:
    import uvicorn

    from adapter import logs

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                _announce(settings)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets=sockets)
            logs.log("serve-stopped")  # here: uvicorn ends the process by the signal that it got

    return Announcing(config)


def _announce(settings: Settings) -> None:
    from adapter import logs

    typer.echo(f"Liaison answers at {settings.url}")
    sys.stdout.flush()
    logs.log("serve-started", port=settings.port, processes=settings.web_processes)
