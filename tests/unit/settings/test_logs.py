"""Logs: catalogued, structured, and closed to everything else."""

from __future__ import annotations

import ast
import io
import json
import logging
import math
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adapter import logs
from adapter.clock import FrozenClock
from adapter.web import gate

ADAPTER = Path(__file__).resolve().parents[3] / "adapter"
CANARY, WORD = "Jeanne Durand née 1938", "Zyxdurand"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("debug", clock=FrozenClock(datetime(2026, 3, 2, 17, 50, tzinfo=UTC)), stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_log_writes_one_json_line_with_code_message_and_keys(lines: io.StringIO) -> None:
    logs.declare(["msp"])
    logs.log("push-sent", ehr="msp", count=3, seconds=0.1234567)
    assert read(lines) == [{
        "at": "2026-03-02T17:50:00.000Z", "level": "info", "code": "push-sent", "message": "a letter reached its EHR",
        "ehr": "msp", "count": 3, "seconds": 0.123457,
    }]  # fmt: skip


@pytest.mark.parametrize("keys", [
    {"name": CANARY}, {"name": WORD}, {"kind": WORD}, {"type": WORD}, {"route": "/fhir/Patient?family=Durand"}, {"event": CANARY}, {"message": CANARY},
    {"count": math.nan}, {"count": CANARY}, {"count": "3"}, {"count": 639980001}, {"count": -19380203}, {"seconds": 1e12}, {"status": 138020276540123},
    {"dropped": 19380203}, {"error": ValueError(CANARY)}, {"exc_info": ValueError(CANARY)}, {"reason": [CANARY]}, {"version": 3},
])  # fmt: skip
def test_log_drops_and_counts_what_is_not_allowed(lines: io.StringIO, keys: dict[str, Any]) -> None:
    logs.log("pull-done", **keys)
    assert not re.search("Durand|Zyx|639|1938|1380|1000000", lines.getvalue())
    assert read(lines)[0]["dropped"] == 1


@pytest.mark.parametrize("value", [CANARY, WORD, WORD.lower(), "", f"{WORD}Error", f"{WORD}:1", f"{WORD}.py:1", f"pull-{WORD}-ehr", f"{WORD}-ehr", f"push-{WORD}", f"adapter.{WORD}", f"asyncio.{WORD}", "639980001 "])
def test_text_that_is_not_in_the_catalogue_of_its_key_is_written_as_other(lines: io.StringIO, value: str) -> None:
    for key in logs._TEXTS:
        logs.log("pull-done", **{key: value})
    written = [line[key] for line, key in zip(read(lines), logs._TEXTS, strict=True)]
    assert written == ["other"] * len(logs._TEXTS) and "Zyx" not in lines.getvalue()


def test_text_of_its_catalogue_is_written(lines: io.StringIO) -> None:
    logs.declare(["msp-nord"])
    logging.getLogger("apscheduler.scheduler")
    keys = {
        "ehr": "msp-nord", "client": "msp-nord", "job": "pull-msp-nord-store", "reason": "secret-unreadable", "state": "error", "error": "EhrRejected",
        "where": "logs.py:7", "logger": "asyncio", "request_id": "abc-1234",
    }  # fmt: skip
    logs.log("pull-done", **keys)
    assert keys.items() <= read(lines)[0].items() and keys.keys() == logs._TEXTS.keys()
    assert [logs.allowed({"job": each})["job"] for each in ("push-store", "retention-fault", "sync-fault")] == ["push-store", "retention-fault", "sync-fault"]


def test_request_id_is_the_same_for_the_gate_and_the_log() -> None:
    assert gate._REQUEST_ID.pattern.decode() == logs.REQUEST_ID


def test_every_reason_and_state_logged_anywhere_is_catalogued() -> None:
    """One that is not would be written as "other"."""
    known = {"reason": logs.REASONS, "state": logs.STATES}
    for path, call in calls():
        for keyword in call.keywords:
            if isinstance(keyword.value, ast.Constant):
                assert keyword.value.value in known.get(keyword.arg or "", {keyword.value.value}), f"{path}: {keyword.arg}"
            assert keyword.arg is None or keyword.arg in logs._TEXTS or keyword.arg in logs._NUMBERS, f"{path}: {keyword.arg} is never written"


def test_log_never_writes_a_code_that_is_not_catalogued(lines: io.StringIO) -> None:
    logs.log(CANARY)
    assert "Durand" not in lines.getvalue()
    assert (read(lines)[0]["code"], read(lines)[0]["level"]) == ("log-unknown", "error")


def test_log_takes_the_keys_of_its_context_through_the_same_sieve(lines: io.StringIO) -> None:
    with logs.bound(request_id="abc-1234", patient=CANARY):
        logs.log("request-done", status=200)
    logs.log("request-done")
    first, second = read(lines)
    assert first["request_id"] == "abc-1234" and first["status"] == 200 and "Durand" not in lines.getvalue()
    assert "request_id" not in second


def test_log_writes_nothing_when_logging_was_not_configured(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    logs.log("push-sent", ehr=CANARY)
    assert capsys.readouterr() == ("", "")


def test_configure_leaves_out_what_is_below_the_level(lines: io.StringIO) -> None:
    logs.configure("warning", clock=FrozenClock(datetime(2026, 3, 2, tzinfo=UTC)), stream=lines)
    logs.log("push-sent")
    logs.log("push-parked")
    assert [line["code"] for line in read(lines)] == ["push-parked"]


def test_libraries_are_heard_without_their_words(lines: io.StringIO) -> None:
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("asyncio").exception("could not read %s", CANARY)
    logging.getLogger("uvicorn.access").warning("GET /fhir/Patient?family=Durand")
    logging.getLogger("asyncio").info("chatter %s", CANARY)
    assert "Durand" not in lines.getvalue()
    found = read(lines)
    assert [(line["code"], line["logger"], line["error"]) for line in found] == [("library-said", "asyncio", "ValueError")]


def test_warnings_of_python_are_heard_without_their_words(lines: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(CANARY, stacklevel=1)
    assert "Durand" not in lines.getvalue()


def test_failure_names_class_and_our_line_when_an_error_passed_through_us() -> None:
    try:
        FrozenClock(datetime(2026, 1, 1))
    except ValueError as error:
        found = logs.failure(error)
    assert found["error"] == "ValueError" and found["where"].startswith("clock.py:")
    assert logs.allowed(found) == found
    assert logs.failure(KeyError(CANARY)) == {"error": "KeyError"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of `log` in the product, with its file."""
    for path in ADAPTER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "func", None)
            called = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
            if isinstance(node, ast.Call) and called == "log":
                yield path.name, node


def test_every_code_logged_anywhere_is_catalogued() -> None:
    """A code misspelt in a call would otherwise be found in production only."""
    used = {str(call.args[0].value): where for where, call in calls() if call.args and isinstance(call.args[0], ast.Constant)}
    assert "request-failed" in used and {code: where for code, where in used.items() if code not in logs.CODES} == {}


def test_catalogue_has_levels_that_exist_and_one_message_each() -> None:
    assert {level for level, _ in logs.CODES.values()} <= set(logs.LEVELS)
    assert len({message for _, message in logs.CODES.values()}) == len(logs.CODES)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.text()))))
def test_allowed_lets_no_key_pass_that_is_not_listed_and_no_text_with_spaces(keys: dict[str, Any]) -> None:
    for key, value in logs.allowed(keys).items():
        assert key in logs._NUMBERS or key in logs._TEXTS
        assert isinstance(value, int | float) or " " not in value
        assert not (isinstance(value, float) and math.isnan(value))


def test_every_code_of_the_catalogue_is_said_somewhere() -> None:
    """A code that nothing says promises an operator a line that never comes."""
    said = {
        node.value for path in ADAPTER.rglob("*.py") for node in ast.walk(_without_catalogue(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }  # fmt: skip
    assert sorted(set(logs.CODES) - said) == []


def _without_catalogue(path: Path) -> ast.Module:
    tree = ast.parse(path.read_text("utf-8"))
    tree.body = [each for each in tree.body if not (isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id == "CODES")]
    return tree
