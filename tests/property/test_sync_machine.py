"""Y-45: whatever people do on both sides, whatever the EHR does wrong, and wherever a worker dies, both sides come to say the same,
each referral is there once, nothing that was acknowledged is lost, nothing forbidden leaves, and all of it stands in the audit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from adapter.app import App
from adapter.ehr.fake.faults import Fault, Kind
from adapter.errors import Refused
from adapter.ports import Change
from adapter.sync import standing
from tests.contract.stores import FILES, empty_file, url  # noqa: F401 - fixtures
from tests.contract.stores import _postgres_url as postgres_url
from tests.e2e.records import VIEW
from tests.e2e.stage import CLINIC, COURSIER, GP
from tests.property.chaos import Points, Referral, World
from tests.property.oracle import TYPES, WRONG, Oracle

NIGHTLY = os.environ.get("LIAISON_TEST_PROFILE") == "nightly"
STEPS = 50
EXAMPLES = 100 if NIGHTLY else 5  # of each database: 10,000 steps by night, 500 in CI
MOST = 3  # referrals at once
WRITE = ("POST Consent", "POST ServiceRequest", "POST Task", "PUT Consent/*", "PUT ServiceRequest/*", "PUT Task/*", "POST ", "P*")
READ = ("GET Consent*", "GET ServiceRequest*", "GET Task*", "POST Patient/_search", "GET *")
ANY = ("*", *WRITE, *READ)
FAULTS: dict[str, tuple[tuple[str, ...], tuple[dict[str, Any], ...]]] = {  # kind -> on what, how
    **{kind: (ANY, ({},)) for kind in ("cut-before", "cut-after", "cut-inside", "truncate")},
    "hold": (ANY, ({"seconds": 0.0},)), "hold-after": (ANY, ({"seconds": 0.0},)), "drip": (READ, ({"seconds": 0.0},)),
    "gzip-bomb": (READ, ({"amount": 17 << 20},)), "huge": (READ, ({"amount": 17 << 20},)),
    "answer": (ANY, tuple({"status": status} for status in (400, 401, 403, 409, 422, 429, 500, 502, 503, 504))
        + tuple({"status": 503, "headers": {"Retry-After": text}} for text in ("1", "120", "-5", "31536000", "Sun, 08 Mar 2026 08:00:00 GMT", "soon"))
        + ({"status": 200, "body": b"<html>proxy</html>", "headers": {"Content-Type": "text/html"}},)),
    "answer-after": (WRITE, ({"status": 500}, {"status": 504}, {"status": 502, "body": b"<html>"}, {"status": 200, "body": b"<html>"})),
    "rate-limit": (("*",), ({"amount": 2},)),
    **{kind: (WRITE, ({},)) for kind in ("minimal", "conflict-409", "ignore-if-none-exist", "ignore-if-match", "demand-if-match", "refuse-client-ids")},
    **{kind: (ANY, ({},)) for kind in ("wrong-type", "no-version", "etag-only", "meta-only", "strong-etag")},
    "other-id": (tuple(f"{verb} {type}/*" for verb in ("PUT", "GET") for type in TYPES), ({},)),  # of a create or a search nobody knows another
    **{kind: (("*",), ({},)) for kind in ("ignore-last-updated", "refuse-last-updated", "ignore-include", "cached-search", "no-tombstones")},
    **{kind: (WRITE, ({},)) for kind in ("backdate", "whole-seconds", "drop-extensions", "reorder-arrays", "normalise-dates", "rewrite-references")},
    **{kind: (READ, ({},)) for kind in ("repeat-next", "endless-next", "no-next", "empty-page", "empty-last", "live-pages", "stale-search", "empty-search")},
    "foreign-next": (READ, ({"location": "http://127.0.0.1:9/fhir/Task"},)),
    "fail-entry": (("POST ",), ({}, {"amount": 1}, {"status": 500})), "torn-transaction": (("POST ",), ({}, {"amount": 2})),
    "partial-response": (("POST ",), ({},)), "reorder-response": (("POST ",), ({},)),
}  # fmt: skip
ELSEWHERE = {
    "meanwhile": "a rule of its own: `theirs` at a point of a worker", "meanwhile-after": "the same",
    **dict.fromkeys(("lose", "repeat", "delay", "forge", "unsigned"), "of notifications, to which nothing here listens yet"),
}  # fmt: skip
HABITS = (
    "", "", *["ignore-if-none-exist"] * 4, "conflict-409", "demand-if-match", "etag-only", "ignore-last-updated", "normalise-dates", "whole-seconds", "minimal",
)  # fmt: skip
CARELESS = {"ignore-if-match", "no-version"}  # an EHR that writes over what came meanwhile
VERBS = ("accept", "start", "complete", "decline", "withdraw", "narrow")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "complete": {"outcome": "aide-alimentaire-en-place"}, "decline": {"reason": "mauvaise-orientation"},
    "withdraw": {"heard_by": "coursier-lea", "how": "telephone"}, "narrow": {"heard_by": "coursier-lea", "how": "telephone", "needs": ["isolement"]},
}  # fmt: skip
MEANWHILE = (
    "time", "time", "time", "time", "mend ours", "mend theirs", "restart a", "restart b", "pause", "clock ahead", "clock back", "clock right", "telephone",
    "birth date", "birth date right",
)  # fmt: skip
ENDS_THERE = {"Task": ("cancelled", "entered-in-error"), "ServiceRequest": ("revoked", "on-hold", "entered-in-error"), "Consent": ("inactive", "entered-in-error")}
ODD_THERE = ("draft", "requested", "accepted", "in-progress", "completed", "ready", "on-the-moon")

POLLS = (("identifier",), ("identifier", "owner", "offers"), ("requester", "owner"))


class Sync(RuleBasedStateMachine):
    """Workers "a" and "b"; `which` is a number that picks one of what there is."""

    url: Callable[[], str]

    # ── beginning and end ────────────────────────────────────────────────────────────────────────
    @initialize(habit=st.sampled_from(HABITS), transactions=st.booleans(), provenance=st.booleans(), poll=st.sampled_from(POLLS))
    def begin(self, habit: str, transactions: bool, provenance: bool, poll: tuple[str, ...]) -> None:
        self.world = World(type(self).url(), transactions=transactions, provenance=provenance, poll=poll)
        self.oracle = Oracle(self.world)
        if habit:
            self.world.ehr.inject(Fault(habit, times=None))  # type: ignore[arg-type]
        self._refer(agreed=True)

    @invariant()
    def holds_at_every_step(self) -> None:
        self.oracle.look()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.oracle.settle()
            self.oracle.holds()
        finally:
            self.world.close()

    # ── ours ─────────────────────────────────────────────────────────────────────────────────────
    @precondition(lambda self: len(self.world.referrals) < MOST)
    @rule(agreed=st.booleans())
    def refer(self, agreed: bool) -> None:
        self._refer(agreed)

    def _refer(self, agreed: bool) -> None:
        record = f"appel-{len(self.world.referrals)}"
        receipt = self.world.stage.call(id=record)
        (line,) = receipt.referrals
        request = self.world.door.read_now(lambda _, uow: json.loads(uow.current("ServiceRequest", line["serviceRequest"]).served))
        (consent,) = (each["reference"].partition("/")[2] for each in request["supportingInfo"])
        self.world.referrals[record] = Referral(record, line["task"], line["serviceRequest"], consent, line["reference"])
        if agreed:
            self._agree(self.world.referrals[record], "doctor")
            self._agree(self.world.referrals[record], "patient")

    @precondition(lambda self: any(each.sent is None for each in self.world.referrals.values()))
    @rule(which=st.integers(0, 9), who=st.sampled_from(["doctor", "patient"]))
    def agree(self, which: int, who: str) -> None:
        waiting = [each for each in self.world.referrals.values() if each.sent is None]
        self._agree(waiting[which % len(waiting)], who)

    def _agree(self, referral: Referral, who: str) -> None:
        self.world.stage.agree(who, record=referral.record)
        referral.agreed.add(who)
        if len(referral.agreed) == 2 and referral.sent is None:
            referral.sent = len(self.world.ehr.requests)

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 9), verb=st.sampled_from(VERBS))
    def act(self, which: int, verb: str) -> None:
        self._act(self._one(which), verb)

    def _act(self, referral: Referral, verb: str, flying: int = 0) -> None:
        shown = self.world.shown(referral)
        if shown is None:
            return
        agreed = self.oracle.ours("Consent", referral.consent)["status"] == "active"  # else it ended before, and nothing follows from it
        with suppress(Refused):  # the state table
            self.world.stage.act(COURSIER, VIEW, shown, verb, **ARGUMENTS.get(verb, {}))
            if verb == "withdraw" and referral.back is None and agreed:
                referral.back = len(self.world.ehr.requests) + flying

    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        """The requester's own software."""
        referral = self._one(which)

        def cancelled(story: Any, uow: Any) -> None:
            now = uow.current("Task", referral.task)
            reason = {"coding": [{"system": story.writer.systems.code("status-reason"), "code": "demande-close"}]}
            task = {**json.loads(now.served), "status": "cancelled", "statusReason": reason}
            story.receive(uow, GP, [Change("update", "Task", referral.task, task, if_match=now.number)])

        with suppress(Refused):
            self.world.door.write_now(cancelled)

    # ── theirs ───────────────────────────────────────────────────────────────────────────────────
    @precondition(lambda self: self.sent)
    @rule(which=st.integers(0, 9), type=st.sampled_from(TYPES), what=st.sampled_from(["note", "priority", "touch", "end", "odd", "narrow", "widen", "delete"]), pick=st.integers(0, 9))
    def theirs(self, which: int, type: str, what: str, pick: int) -> None:
        self._theirs(self._one(which), type, what, pick)

    def _theirs(self, referral: Referral, type: str, what: str, pick: int) -> None:
        if what in ("narrow", "widen"):
            type = "Consent"
        elif what in ("note", "odd"):
            type = "Task"
        alive = [each for each in self.world.copies(type, referral.id(type)) if each["status"] != WRONG]
        if not alive:
            return
        there = alive[0]
        if what == "delete":
            for each in alive:
                self.world.ehr.delete(type, each["id"])
            referral.deleted.add(type)
            return
        changed: dict[str, Any] = {}
        if what == "note":
            referral.notes.append(f"note {len(referral.notes)} of the clinic")
            changed = {"note": [*there.get("note", ()), {"text": referral.notes[-1]}]}
        elif what == "priority" and type != "Consent":
            changed = {"priority": ("routine", "urgent", "asap", "stat")[pick % 4]}
        elif what == "end":
            changed = {"status": ENDS_THERE[type][pick % len(ENDS_THERE[type])]}
        elif what == "odd":
            changed = {"status": ODD_THERE[pick % len(ODD_THERE)]}
        elif what == "narrow":
            changed = {"provision": {**there["provision"], "period": {"end": f"2026-03-{20 + pick % 8}"}}}
        elif what == "widen":
            someone = {**there["provision"]["actor"][0], "reference": {"identifier": {"system": "urn:x", "value": f"y{pick}"}}}
            changed = {"provision": {**there["provision"], "actor": [*there["provision"]["actor"], someone]}}
        self.world.ehr.edit(type, there["id"], changed)

    @rule(kind=st.sampled_from(sorted(FAULTS)), on=st.integers(0, 19), how=st.integers(0, 19), times=st.integers(1, 3), skip=st.integers(0, 2))
    def fault(self, kind: str, on: int, how: int, times: int, skip: int) -> None:
        places, ways = FAULTS[kind]
        self.world.ehr.inject(Fault(kind, on=places[on % len(places)], times=times, skip=skip, **ways[how % len(ways)]))  # type: ignore[arg-type]
        self.oracle.careless = self.oracle.careless or kind in CARELESS

    # ── the workers ──────────────────────────────────────────────────────────────────────────────
    @rule(worker=st.sampled_from("ab"), letters=st.sampled_from([1, 2, 100]))
    def push(self, worker: str, letters: int) -> None:
        self.world.workers[worker].run(_job("push", letters))

    @rule(worker=st.sampled_from("ab"), job=st.sampled_from(["pull", "pull", "look", "probe"]))
    def pull(self, worker: str, job: str) -> None:
        self.world.workers[worker].run(_job(job, 0))

    @rule(
        worker=st.sampled_from("ab"), job=st.sampled_from(["push", "push", "pull", "look"]), at=st.integers(0, 40),
        happens=st.sampled_from(["dies", "dies", "dies", "other pushes", "other pulls", "lease ends", "act", "theirs"]),
        which=st.integers(0, 9), verb=st.sampled_from(VERBS), type=st.sampled_from(TYPES), what=st.sampled_from(["note", "priority", "end", "delete"]),
    )  # fmt: skip
    def work_when(self, worker: str, job: str, at: int, happens: str, which: int, verb: str, type: str, what: str) -> None:
        """A worker that dies in the middle, or in whose middle something else happens."""
        other = self.world.workers["b" if worker == "a" else "a"]

        def middle(points: Points) -> None:
            if happens == "dies":
                points.die()
            elif happens == "other pushes":
                other.run(_job("push", 100))
            elif happens == "other pulls":
                other.run(_job("pull", 0))
            elif happens == "lease ends":
                self.world.clock.tick(timedelta(seconds=61))
                other.run(_job("push", 100))
            elif self.sent and happens == "act":
                self._act(self._one(which), verb, flying=int(points.calling))
            elif self.sent:
                self._theirs(self._one(which), type, what, which)

        self.world.workers[worker].run(_job(job, 100), at=at, act=middle)

    # ── time, operators, what is rare ────────────────────────────────────────────────────────────
    @rule(what=st.sampled_from(MEANWHILE), minutes=st.sampled_from([0.05, 1.0, 1.1, 20.0, 61.0, 1500.0]))
    def meanwhile(self, what: str, minutes: float) -> None:
        world, named = self.world, what.rpartition(" ")[2]
        if what == "time":
            world.clock.tick(timedelta(minutes=minutes))
        elif what.startswith("mend"):
            self.oracle.mended(named)
        elif what.startswith("restart"):
            world.workers[named].end()
        elif what == "pause":
            world.door.write_now(lambda _, uow: standing.pause(uow, CLINIC, "incident"))
        elif what.startswith("clock"):
            world.ehr.ahead = timedelta(seconds={"ahead": 90, "back": -90}.get(named, 0))
        elif what == "telephone":
            world.ehr.edit("Patient", "zyx-patient", {"telecom": [{"system": "phone", "value": "+33261910013"}]})
        else:
            world.ehr.edit("Patient", "zyx-patient", {"birthDate": "1938-02-03" if named == "right" else "1938-02-04"})

    # ── within ───────────────────────────────────────────────────────────────────────────────────
    @property
    def sent(self) -> list[Referral]:
        return [each for each in self.world.referrals.values() if each.sent is not None]

    def _one(self, which: int) -> Referral:
        return self.sent[which % len(self.sent)]


def _job(name: str, letters: int) -> Callable[[App], object]:
    jobs: dict[str, Callable[[App], object]] = {
        "push": lambda app: app.wiring.push.drain(letters),
        "pull": lambda app: app.wiring.pulls[CLINIC].run(now=True),
        "look": lambda app: app.wiring.presences[CLINIC].look(),
        "probe": lambda app: app.wiring.probe(CLINIC, agreed=True),
    }
    return jobs[name]


def test_every_fault_of_the_fake_ehr_is_drawn_or_said_why_not() -> None:
    assert set(FAULTS) | set(ELSEWHERE) == set(get_args(Kind)) and not set(FAULTS) & set(ELSEWHERE)


@pytest.mark.parametrize("url", FILES, indirect=True)
def test_Y_45_both_sides_come_to_say_the_same_whatever_happens(url: str, empty_file: Path, request: pytest.FixtureRequest) -> None:
    """Each example begins with an empty database. A failure prints what was done, and what to do to see it again."""

    def emptied() -> str:
        if not url.startswith("sqlite"):
            return postgres_url(request.getfixturevalue("postgres"))
        file = Path(url.removeprefix("sqlite:///"))
        for each in file.parent.glob(f"{file.name}*"):
            each.unlink()
        shutil.copy(empty_file, file)
        return url

    machine = type("Machine", (Sync,), {"url": staticmethod(emptied)})
    phases = tuple(each for each in Phase if each is not Phase.explain)
    run_state_machine_as_test(machine, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS, print_blob=True, phases=phases))
