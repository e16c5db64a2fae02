"""What an operator reads of the synchronisation: a line for each letter that was settled and each pull that brought something."""

from __future__ import annotations

import io
import json
import logging
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog

from adapter import logs
from adapter.app import pulled
from adapter.ehr.fake import Fault
from tests.e2e.stage import CLINIC, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def stream(stage: Stage) -> Iterator[io.StringIO]:
    written = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", clock=stage.clock, stream=written)
    yield written
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level


def said(stream: io.StringIO) -> Counter[str]:
    return Counter(json.loads(line)["code"] for line in stream.getvalue().splitlines())


def test_log_names_each_letter_that_left_and_its_ehr(stage: Stage, stream: io.StringIO) -> None:
    stage.sent()
    stage.push()
    assert said(stream)["push-sent"] == 3 and {json.loads(line).get("ehr") for line in stream.getvalue().splitlines()} == {CLINIC}
    assert "Zyx" not in stream.getvalue()


def test_log_says_that_a_letter_waits_when_the_ehr_is_away_or_refuses(stage: Stage, stream: io.StringIO) -> None:
    stage.sent()
    stage.ehr.inject(Fault("answer", status=503, on="POST Consent"), Fault("answer", status=422, on="POST ServiceRequest"))
    stage.push()
    stage.clock.tick(stage.app.settings.push_lease * 60)
    stage.push()
    assert said(stream)["push-retry"] >= 1 and said(stream)["push-parked"] == 1


def test_log_counts_what_a_pull_brought_and_nothing_when_it_brought_nothing(stage: Stage, stream: io.StringIO) -> None:
    stage.sent()
    stage.push()
    pulled(stage.pull())
    assert "pull-done" not in said(stream)
    stage.ehr.edit("Task", stage.ehr.all("Task")[0]["id"], {"priority": "stat"})
    pulled(stage.pull())
    assert said(stream)["pull-done"] == 1
