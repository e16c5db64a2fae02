"""kill -9 of a real worker at every place where it writes, wherever those are (sync.md Y-01): before each statement that changes the
database, before and after each commit and each request. Whoever comes after it loses nothing, doubles nothing, and has both sides
as if nobody had died. CI kills at some places of every kind, the night at every one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapter import network
from adapter.audit.told import told
from adapter.audit.verifying import verified
from adapter.clock import FrozenClock
from adapter.ehr.fake import FakeEhr, Fault
from adapter.ehr.fake.versions import Snapshot
from adapter.network import Limits
from adapter.ports import Query, Resource
from adapter.store import upgrade
from tests.e2e.dying import Lives
from tests.e2e.records import VIEW
from tests.e2e.stage import CLINIC, COURSIER, FRIDAY, PATIENT, ROOT, Stage
from tests.property.chaos import process

NIGHTLY = os.environ.get("LIAISON_TEST_PROFILE") == "nightly"
OURS = ("Consent", "ServiceRequest", "Task", "Communication", "Procedure", "Provenance")
LATER = 700.0  # seconds after which somebody else comes: the leases have run out, of a letter and of a pull


class Ground:
    """A database as it stands when the worker begins, copied for each life; and the EHR of that moment."""

    def __init__(self, ehr: FakeEhr, url: str, copied: Callable[[], str]) -> None:
        self.ehr, self._url, self._copied = ehr, url, copied

    def prepare(self, scene: Callable[[Stage], object]) -> None:
        """Plays the scene, then remembers both sides."""
        clock = FrozenClock(FRIDAY)
        app = process(self._url, clock)
        found = network.load(ROOT / "mappings" / "demo" / "network.yaml")
        entry = {"url": self.ehr.base_url, "limits": Limits(parallel=1), "sandbox": False}
        app.apply_network(replace(found, organisations=tuple(replace(each, ehr=replace(each.ehr, **entry)) if each.ehr else each for each in found.organisations)))
        self.ehr.plant(PATIENT)
        scene(Stage(app, self.ehr, clock))
        app.close()
        self._there: Snapshot = self.ehr.snapshot()

    def again(self) -> str:
        """The URL of a copy; the EHR is as it was."""
        self.ehr.restore(self._there)
        self.ehr.requests.clear()
        return self._copied()


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    with Lives() as found:
        yield found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "sqlite":
        kept, used = tmp_path / "kept.db", tmp_path / "used.db"
        url = f"sqlite:///{kept}"

        def copied() -> str:
            for each in tmp_path.glob("used.db*"):
                each.unlink()
            shutil.copy(kept, used)  # closed by its last App, so that its log is in it
            return f"sqlite:///{used}"
    else:
        url = request.getfixturevalue("postgres")()
        name, spare = url.partition("@/")[2].partition("?")[0], "spare"

        def copied() -> str:
            with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as admin:
                admin.execute(f"DROP DATABASE IF EXISTS {spare} WITH (FORCE)")
                admin.execute(f"CREATE DATABASE {spare} TEMPLATE {name}")
            return url.replace(f"/{name}?", f"/{spare}?")

    upgrade(url)
    with FakeEhr(clock=FrozenClock(FRIDAY), faults=[Fault("ignore-if-none-exist", times=None)]) as ehr:  # whoever repeats blindly makes two
        yield Ground(ehr, url, copied)


def asked(stage: Stage) -> None:
    """A referral that both agreed to, not sent yet."""
    stage.sent()


def changed_there(stage: Stage) -> None:
    """A referral that the EHR has and its recipient accepted; the clinic cancelled it there, and wrote a note."""
    stage.sent()
    (shown,) = stage.cards(COURSIER, VIEW)
    stage.act(COURSIER, VIEW, shown, "accept")
    stage.push()
    (task,) = stage.ehr.all("Task")
    stage.ehr.edit("Task", task["id"], {"status": "cancelled", "note": [{"text": "rappeler la famille"}]})


SCENES: dict[str, tuple[Callable[[Stage], object], tuple[str, ...]]] = {"push": (asked, ("push",)), "pull": (changed_there, ("pull", "push"))}


@pytest.mark.parametrize("scene", SCENES)
def test_Y_01_kill_at_any_write_loses_nothing_and_doubles_nothing(ground: Ground, lives: Lives, scene: str) -> None:
    begins, jobs = SCENES[scene]
    ground.prepare(begins)
    url = ground.again()
    status, places = lives.live(url, *jobs, seconds=1)
    assert status == 0 and {"before COMMIT", "after COMMIT"} <= set(places) and any(each.startswith("after P") for each in places)
    wanted = afterwards(ground, url)
    tried = chosen(places, url)
    for at in tried:
        url = ground.again()
        assert lives.live(url, *jobs, at=at, seconds=1)[0] == -9
        assert afterwards(ground, url) == wanted, f"killed {places[at]}, place {at} of {len(places)}"
    print(f"{scene}: killed at {len(tried)} of {len(places)} places")


def chosen(places: list[str], url: str) -> list[int]:
    """Where to kill: everywhere by night; else at a few places of each kind, spread evenly, and on SQLite wherever the EHR has just written."""
    if NIGHTLY:
        return list(range(len(places)))
    found = set[int]()
    for kind in set(places):
        of_it = [at for at, place in enumerate(places) if place == kind]
        few = len(of_it) if kind in ("after POST", "after PUT") and url.startswith("sqlite") else 2 if url.startswith("sqlite") else 1
        found |= {of_it[n * len(of_it) // min(few, len(of_it))] for n in range(min(few, len(of_it)))}
    return sorted(found)


def afterwards(ground: Ground, url: str) -> Any:
    """What both sides say once a worker came to its end on what was left; nothing waits then, and the audit is whole."""
    clock = FrozenClock(FRIDAY + timedelta(seconds=LATER))
    app = process(url, clock)
    try:
        for _ in range(20):
            app.jobs.tick()
            app.jobs.pull(CLINIC, now=True)
            clock.tick(timedelta(minutes=20))
            if not app.read_now(lambda _, uow: uow.letters(states=("queued", "unknown", "parked", "conflict"))):
                break
        ours = {type: app.read_now(lambda _, uow, type=type: uow.search(Query(type))) for type in OURS}  # type: ignore[misc]
        letters = app.read_now(lambda _, uow: [(each.type, each.state) for each in uow.letters()])
        assert {state for _, state in letters} == {"done"} and app.read_now(lambda _, uow: uow.conflicts()) == []
        assert app.read_now(lambda _, uow: verified(uow)).ok
        events = [told(json.loads(row.event)) for row in app.read_now(lambda _, uow: uow.audit_rows(limit=10_000))]
        written = [each for each in ground.ehr.requests if each.method in ("POST", "PUT") and "_search" not in each.path]
        assert sum(each.kind == "disclosed" and CLINIC in each.recipient for each in events) >= len(written), "each stood in the audit before a byte left"
        here = {type: sorted((each.number, _plain(json.loads(each.served))) for each in found) for type, found in ours.items()}
        return here, {type: sorted(map(_plain, ground.ehr.all(type))) for type in OURS}
    finally:
        app.close()


def _plain(resource: Resource) -> str:
    """Without what another moment makes another: times, versions, ids that are given at random."""
    kept = {name: value for name, value in resource.items() if name not in ("id", "meta", "lastModified", "sent", "recorded")}
    return json.dumps(kept, sort_keys=True)
