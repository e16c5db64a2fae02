"""Four real `liaison worker` on one PostgreSQL (sync.md Y-32): no letter leaves twice, no job is done twice in its time."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapter import network
from adapter.app import App, build
from adapter.clock import SystemClock
from adapter.ehr.fake import FakeEhr, Fault
from adapter.settings import load_settings
from adapter.store import upgrade
from tests.e2e.serving import PATIENCE, Folder, known, until
from tests.e2e.stage import ROOT, Stage
from tests.property.chaos import KEY, connected

pytestmark = pytest.mark.postgres
WORKERS, REFERRALS = 4, 8
SENT = ("Consent", "ServiceRequest", "Task")


@contextmanager
def workers(folder: Folder, **settings: str) -> Iterator[None]:
    """Four of them, until the block ends; they end as asked, and without a fault of their own."""
    named = {f"LIAISON_{name.upper()}": text for name, text in settings.items()}
    environment = folder.environment(named) | {"PYTHONPATH": str(ROOT)}
    logs = [folder.path / f"worker-{number}.log" for number in range(WORKERS)]
    running = []
    for log in logs:
        with log.open("wb") as file:
            running.append(subprocess.Popen([sys.executable, "-m", "tests.e2e.hasty"], cwd=folder.path, env=environment, stdout=file, stderr=file))
    try:
        until(lambda: all("worker-started" in log.read_text() for log in logs), "all of them are there")
        yield
    finally:
        for process in running:
            process.terminate()
        ended = [process.wait(PATIENCE) for process in running]
    said = [log.read_text() for log in logs]
    assert ended == [0] * WORKERS and not [text for text in said if "Traceback" in text or "-fault" in text], said


def opened(url: str, there: str) -> App:
    """The door beside them, the demonstration's network applied."""
    upgrade(url)
    settings = load_settings({"LIAISON_DATABASE_URL": url, "LIAISON_SECRET_KEY": KEY})
    app = build(settings, ehrs=lambda entry: connected(entry, SystemClock()))
    found = network.load(ROOT / "mappings" / "demo" / "network.yaml")
    app.apply_network(replace(found, organisations=tuple(replace(each, ehr=replace(each.ehr, url=there)) if each.ehr else each for each in found.organisations)))
    return app


def sent(app: App, start: int, number: int) -> None:
    stage = Stage(app, None, None)  # type: ignore[arg-type]
    for each in range(start, start + number):
        stage.sent(id=f"appel-{each}")
    until(lambda: not app.read_now(lambda _, uow: uow.letters(states=("queued", "unknown"))), "all letters are sent")


def test_Y_32_four_workers_send_each_letter_once_and_do_each_job_once_in_its_time(tmp_path: Path, postgres: Callable[[], str]) -> None:
    url = postgres()
    with FakeEhr(faults=[Fault("ignore-if-none-exist", times=None)]) as ehr:  # two who send the same make two
        known(ehr)
        app = opened(url, ehr.base_url)
        try:
            with workers(Folder(tmp_path), database_url=url, secret_key=KEY):
                for start in range(0, REFERRALS, 4):  # again and again, while four timers look what is due
                    sent(app, start, 4)
                until(lambda: asked(ehr, "GET", "ServiceRequest"), "the EHR was read")
                sent(app, REFERRALS, 2)
            letters = app.read_now(lambda _, uow: uow.letters(limit=1000))
            events = app.read_now(lambda _, uow: Counter(row.event.count(b'"sync-created"') for row in uow.audit_rows(limit=100_000)))
        finally:
            app.close()
    total = REFERRALS + 2
    assert Counter((each.type, each.state) for each in letters) == {(type, "done"): total for type in SENT}
    for type in SENT:
        assert len(ehr.all(type)) == total and len(asked(ehr, "POST", type)) == total
        assert len(asked(ehr, "GET", type)) == 1, f"the {type} was due once, and read once by one of four"
    assert events[1] == 3 * total
    assert len(asked(ehr, "GET", "metadata")) == 1, "and so is each chore done by one of them"
    directory = asked(ehr, "GET", "Organization")
    assert directory and len(set(directory)) == len(directory)


def asked(ehr: FakeEhr, method: str, path: str) -> list[str]:
    """The requests for exactly this."""
    return [each.path for each in ehr.requests if each.method == method and each.path.partition("?")[0] == f"/fhir/{path}"]


