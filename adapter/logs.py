"""Logs: one JSON object a line on stderr, with a catalogued code. Personal data cannot get in: only the keys below pass, and
only with values of their catalogue; another text becomes "other", everything else is dropped and counted.

`log("push-sent", ehr="msp", count=3)` writes {"at", "level", "code", "message", "ehr", "count"}.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import structlog

from adapter.clock import Clock, instant

# code -> (level, message). A message is fixed text: what varies is in the keys.
CODES: Mapping[str, tuple[str, str]] = {
    "serve-started": ("info", "the server answers"),
    "serve-stopped": ("info", "the server has stopped"),
    "worker-started": ("info", "the jobs run"),
    "worker-stopped": ("info", "the jobs have stopped"),
    "request-failed": ("error", "a request ended in an error that nobody foresaw"),
    "intake-received": ("info", "a record was taken in"),
    "drop-done": ("info", "a dropped table was taken in, row by row"),
    "drop-refused": ("warning", "rows of a dropped table were refused: its outcome file says why"),
    "drop-waits": ("warning", "dropped files lie where nobody takes them: no such client, column map or kind of file"),
    "appointment-received": ("info", "an appointment tool told of an appointment"),
    "hook-refused": ("warning", "a webhook was refused"),
    "token-issued": ("info", "an access token was issued"),
    "token-refused": ("warning", "a token request was refused"),
    "network-applied": ("info", "the network file was applied"),
    "push-sent": ("info", "a letter reached its EHR"),
    "push-retry": ("warning", "a letter will be sent again later"),
    "push-parked": ("warning", "a letter waits for a person"),
    "push-conflict": ("warning", "a letter met a change that a person must settle"),
    "push-dropped": ("info", "a letter is not sent any more: it may not leave"),
    "pull-done": ("info", "changes of an EHR were taken in"),
    "pull-overdue": ("warning", "an EHR could not be read for a business day"),
    "pull-refused": ("warning", "a change of an EHR was not applied"),
    "due-done": ("info", "what time had brought was done: reminders, escalations, requests closed without an answer"),
    "ehr-halted": ("error", "nothing is sent to an EHR or taken from it until a person lets it go on"),
    "ehr-away": ("warning", "an EHR does not answer"),
    "job-failed": ("error", "a job ended in an error that nobody foresaw"),
    "store-away": ("error", "the database does not answer"),
    "library-said": ("warning", "a library said something; its words are not kept"),
    "log-unknown": ("error", "a code that is not in the catalogue was logged"),
}
REASONS = frozenset({
    "secret-unreadable", "invalid-client", "assertion-unreadable", "assertion-header", "assertion-key", "assertion-signature", "assertion-claims",
    "assertion-expired", "assertion-audience", "assertion-replayed",
})  # fmt: skip
STATES = frozenset({"debug", "info", "warning", "error", "critical"})  # how loudly a library spoke
OTHER = "other"  # what stands for a value that is not in its catalogue
REQUEST_ID = r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9._-]{8,64}"  # letter and digit: else a name, a phone or a date is one
LARGEST = 10_000_000  # no number of a person has so few digits
_JOB = re.compile(
    r"(?:push|pull|directory|consents|retention|probe|overdue|due|subscribe|subscribers|heard|drop|sync)(?:-(?P<ehr>.+))?-(?:ehr|store|fault)"
)
_PLACE = re.compile(r"(?P<file>\w+\.py):\d{1,6}")
_declared: set[str] = set()


def declare(names: Iterable[str]) -> None:
    """Keys of the network file (clients, EHRs) that lines may carry from now on."""
    _declared.update(names)


@cache
def _files() -> frozenset[str]:
    return frozenset(path.name for path in Path(__file__).parent.rglob("*.py"))


def _exceptions(kind: type[BaseException] = BaseException) -> Iterator[str]:
    yield kind.__name__
    for each in kind.__subclasses__():
        yield from _exceptions(each)


def _of_a_job(value: str) -> bool:
    found = _JOB.fullmatch(value)
    return found is not None and (found["ehr"] is None or found["ehr"] in _declared)


def _of_ours(value: str) -> bool:
    found = _PLACE.fullmatch(value)
    return found is not None and found["file"] in _files()


def _of_a_library(value: str) -> bool:
    """A logger that there is, of a module that was loaded."""
    return value == "py.warnings" or (value in logging.root.manager.loggerDict and value.partition(".")[0] in sys.modules)


_NUMBERS = frozenset({"count", "seconds", "status", "attempts", "port", "processes", "dropped"})
# key -> whether a text is of its catalogue. `error` is a class of exception, `where` a line of ours.
_TEXTS: Mapping[str, Callable[[str], object]] = {
    "ehr": _declared.__contains__, "client": _declared.__contains__, "job": _of_a_job, "reason": REASONS.__contains__, "state": STATES.__contains__,
    "error": lambda value: value in set(_exceptions()), "where": _of_ours, "logger": _of_a_library, "request_id": re.compile(REQUEST_ID).fullmatch,
}  # fmt: skip
LEVELS = ("debug", "info", "warning", "error")


def bound(**keys: Any) -> AbstractContextManager[None]:
    """Adds keys (request_id, ehr…) to every line logged within the context."""
    return structlog.contextvars.bound_contextvars(**keys)


def log(code: str, **keys: Any) -> None:
    """Writes one catalogued line; nothing before `configure` has run. Never raises."""
    if not structlog.is_configured():
        return
    level = CODES.get(code, CODES["log-unknown"])[0]
    getattr(structlog.get_logger(), level)(code, **allowed(keys))


def failure(error: BaseException) -> dict[str, str]:
    """What of an exception may be logged: its class, and the line of ours that it passed last."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "adapter" in Path(frame.filename).parts]
    place = {"where": f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"} if frames else {}
    return {"error": type(error).__name__, **place}


def allowed(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that may be logged, with values of their catalogue; `dropped` counts the others."""
    kept: dict[str, Any] = {}
    for key, value in keys.items():
        if key in _NUMBERS and isinstance(value, int | float) and abs(value) < LARGEST:
            kept[key] = round(value, 6)
        elif key in _TEXTS and isinstance(value, str):
            kept[key] = value if _TEXTS[key](value) else OTHER
    lost = len(keys) - len(kept)
    return kept | {"dropped": lost} if lost else kept


def configure(level: str = "info", *, clock: Clock, stream: TextIO | None = None) -> None:
    """Sets the process's logging, that of libraries too: of theirs only the logger's name, the level and an
    exception's class pass, never their words."""
    target = stream if stream is not None else sys.stderr

    def catalogued(_: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        code = str(event.pop("event", ""))
        code = code if code in CODES else "log-unknown"
        return {"at": instant(clock.now()), "level": name, "code": code, "message": CODES[code][1], **allowed(event)}

    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, catalogued, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers = [_Library()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # they bring handlers of their own, with paths and words
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = name != "uvicorn.access"


class _Library(logging.Handler):
    """Turns a library's line into ours, without its words."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        found = failure(error) if error else {}
        log("library-said", logger=record.name, state=record.levelname.lower(), **found)
