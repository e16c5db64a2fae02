"""What must hold of a Liaison beside an EHR, after every step and once everything is mended (the oracle of sync.md 5.4): nothing
forbidden left, nothing acknowledged is lost, each referral is there once, both sides say the same, all of it stands in the audit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from adapter import waiting
from adapter.audit.told import told
from adapter.audit.verifying import verified
from adapter.dead import drop
from adapter.errors import Refused
from adapter.ports import BEHIND, Letter, Principal, Resource, Uow
from adapter.referral.states import MOVES
from adapter.sync import halts, standing
from tests.e2e.stage import CLINIC, PATIENT
from tests.property.chaos import Referral, World

TYPES = ("Consent", "ServiceRequest", "Task")
OPERATOR = Principal("operator", CLINIC, role="operator")
WRONG = "entered-in-error"
ENDED = {"Consent": {"inactive", "rejected", WRONG}, "ServiceRequest": {"revoked", "completed", WRONG}, "Task": {state for state in MOVES if not set(MOVES[state]) - {WRONG}}}
SECRET = ("Zyxmots", "ne mange plus")  # the prescriber's own words
NAMES = ("Zyxdurand", "Jeannezyx")  # only in a search for the patient
KNOWING = ("created", "adopted", "updated", "mended", "seen", "applied", "quarantined")  # acts by which a copy there comes to be known
ROUNDS = 40
TRIES = 4  # that a person gives a letter before looking what the matter is


class Oracle:
    """`careless`: an EHR that was told which version was meant, and did not care; what the clinic wrote in that moment may be gone
    there. `versions`: the model, all that was ever acknowledged: (type, id) -> number -> bytes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.versions: dict[tuple[str, str], dict[int, bytes]] = {}
        self.careless = False
        self.dropped: list[Letter] = []
        self._seen = self._row = self._disclosed = self._written = 0
        self._tried: Counter[int] = Counter()

    # ── after every step ─────────────────────────────────────────────────────────────────────────
    def look(self) -> None:
        assert self._world.faults == [], "no fault of our own"
        self._nothing_forbidden_left()
        self._all_is_disclosed()
        self._nothing_is_lost()

    def _nothing_forbidden_left(self) -> None:
        by_id = {id: each for each in self._world.referrals.values() for id in (each.task, each.request, each.consent)}
        for number, asked in enumerate(self._world.ehr.requests[self._seen :], self._seen):
            text = asked.path + asked.body
            assert not [word for word in SECRET if word in text], asked.path
            assert "/Patient" in asked.path or not [word for word in NAMES if word in text], asked.path
            for verb, resource in _writes(asked.method, asked.path, asked.body):
                values = {each.get("value") for each in resource.get("identifier", ())}
                (referral,) = {by_id[each].record: by_id[each] for each in values & by_id.keys()}.values()
                assert referral.sent is not None and number >= referral.sent, "both have agreed"
                if referral.back is not None and number >= referral.back:
                    assert verb == "PUT" and resource["status"] in ENDED[resource["resourceType"]], self._why(referral, f"taken back, and {number} {verb} {resource['resourceType']} {resource['status']}")
                self._written += resource["status"] != WRONG
        self._seen = len(self._world.ehr.requests)

    def _all_is_disclosed(self) -> None:
        """Each write stood in the audit before a byte left."""
        rows = self._world.door.read_now(lambda _, uow: uow.audit_rows(after=self._row, limit=100_000))
        for row in rows:
            event = told(json.loads(row.event))
            self._disclosed += event.kind == "disclosed" and CLINIC in event.recipient and event.details.get("stage") != "search"
            self._row = row.seq
        assert self._disclosed >= self._written

    def _nothing_is_lost(self) -> None:
        """No version that was acknowledged changes or goes; each state follows from the one before as the table has it."""

        def stand(uow: Uow) -> None:
            for each in self._world.referrals.values():
                for type in TYPES:
                    self._kept(uow, type, each.id(type))

        self._world.door.read_now(lambda _, uow: stand(uow))

    def _kept(self, uow: Uow, type: str, id: str) -> None:
        known, now = self.versions.setdefault((type, id), {}), uow.current(type, id)
        assert now is not None and now.number >= max(known, default=0), f"{type} went back"
        if now.number in known:
            assert known[now.number] == now.served
            return
        for version in reversed(uow.history(type, id)):
            before = known.get(version.number - 1)
            assert known.setdefault(version.number, version.served) == version.served, f"{type} was changed in place"
            if before is not None:
                _legal(type, json.loads(before)["status"], json.loads(version.served)["status"])

    # ── what people do ───────────────────────────────────────────────────────────────────────────
    def mended(self, choice: str = "ours") -> None:
        """Everything that waits for a person is dealt with: what was held goes on, what is stuck is sent again, conflicts are settled."""
        self._world.door.write_now(lambda _, uow: self._goes_on(uow))
        for letter in self._world.door.read_now(lambda _, uow: uow.letters(states=("parked",))):
            self._tried[letter.key] += 1
            hopeless = self._tried[letter.key] > TRIES
            if hopeless:
                self.dropped.append(letter)
            self._world.door.write_now(
                lambda _, uow, letter=letter, hopeless=hopeless: (  # type: ignore[misc]
                    drop(uow, OPERATOR, letter.key, why="told-otherwise", closing=True) if hopeless else waiting.retry(uow, OPERATOR, letter.key)
                )
            )
        for row in self._world.door.read_now(lambda _, uow: uow.conflicts()):
            try:
                self._resolve(row.key, choice)
            except Refused:  # the state table, or a wider agreement without evidence
                self._resolve(row.key, "ours")
        for row in self._world.door.read_now(lambda _, uow: uow.conflicts(state="double")):
            self._world.door.write_now(lambda _, uow, row=row: waiting.seen(uow, OPERATOR, row.key))  # type: ignore[misc]

    def _resolve(self, key: int, choice: str) -> None:
        self._world.door.write_now(lambda story, uow: story.resolve(uow, OPERATOR, key, choice))

    @staticmethod
    def _goes_on(uow: Uow) -> None:
        standing.searchable_again(uow, CLINIC)
        standing.resume(uow, CLINIC)
        for each in halts.halts(uow, CLINIC):
            halts.resume(uow, CLINIC, who=OPERATOR, patient=each.patient)

    # ── at the end ───────────────────────────────────────────────────────────────────────────────
    def settle(self, choice: str = "ours") -> None:
        """Nothing goes wrong any more: both sides come to rest, however long it takes on the clock."""
        world = self._world
        world.ehr.faults.clear()
        world.ehr.ahead = timedelta()
        world.ehr.edit("Patient", PATIENT["id"], {"birthDate": PATIENT["birthDate"]})
        for _ in range(ROUNDS):
            self.mended(choice)
            world.clock.tick(timedelta(minutes=20))
            moved = sum(worker.run(lambda app: app.wiring.push.drain(1000)) or 0 for worker in world.workers.values())
            total = world.workers["a"].run(lambda app: app.wiring.pulls[CLINIC].run(now=True).total)
            world.workers["b"].run(lambda app: app.wiring.presences[CLINIC].look())
            self.look()
            if total is not None and not moved and set(total) <= {"echo", "older", "unlinked"} and not self._waiting():
                return
        raise AssertionError(f"it never comes to rest: {self._waiting()}")

    def _waiting(self) -> list[Any]:
        def found(uow: Uow) -> list[Any]:
            letters = uow.letters(states=("queued", "unknown", "parked", "conflict"))
            held = [each.reason for each in halts.halts(uow, CLINIC)]
            return [(each.type, each.state, each.reason) for each in letters] + [(row.type, row.reason) for row in uow.conflicts()] + held

        return self._world.door.read_now(lambda _, uow: found(uow))

    def holds(self) -> None:
        """The whole oracle, once both sides rest."""
        for letter in self.dropped:
            referral = next(each for each in self._world.referrals.values() if each.request == letter.lane.replace(BEHIND, ""))
            assert referral.deleted, self._why(referral, f"a letter was hopeless although nobody deleted anything: {letter.type}, {letter.reason}")
        for each in self._world.referrals.values():
            self._of(each)
        verdict = self._world.door.read_now(lambda _, uow: verified(uow))
        assert verdict.ok and verdict.count >= self._row, verdict
        self._acts_are_audited()

    def _of(self, referral: Referral) -> None:
        ours = {type: self.ours(type, referral.id(type)) for type in TYPES}
        there = {type: self._world.copies(type, referral.id(type)) for type in TYPES}
        alive = {type: [each for each in there[type] if each["status"] != WRONG] or there[type] for type in TYPES}
        given_up = {letter.type for letter in self.dropped if letter.lane == referral.request}  # that EHR takes nothing that points to what was deleted
        if referral.sent is None:
            assert there == {type: [] for type in TYPES}
            return
        for type in TYPES:
            if type in referral.deleted:
                continue
            if not there[type]:
                assert referral.back is not None or referral.deleted or ours[type]["status"] in ENDED[type], self._why(referral, f"the {type} never arrived")
                continue
            assert len(alive[type]) == 1 or all(each["status"] == WRONG for each in alive[type]), f"{len(alive[type])} copies of one {type}"
            if type in given_up or ("Consent" in referral.deleted and ours[type]["status"] not in ENDED[type]):
                continue  # no agreement that anybody can show: nothing but an end is told any more (C-E8)
            said = {each["status"] for each in alive[type]}
            assert ours[type]["status"] in said, self._why(referral, f"{type}: {ours[type]['status']} here, {said} there")
        if "Task" not in referral.deleted and there["Task"]:
            (task, *_) = alive["Task"]
            if "ServiceRequest" not in referral.deleted:
                assert task["focus"]["reference"] in {f"ServiceRequest/{each['id']}" for each in there["ServiceRequest"]}
            said = {note["text"] for each in there["Task"] for note in each.get("note", ())}
            assert self.careless or set(referral.notes) <= said, "what the clinic wrote is gone"
        if referral.back is not None or ours["Consent"]["status"] != "active":
            self._closed(referral)

    def _why(self, referral: Referral, what: str) -> str:
        """With what became of its letters."""
        letters = self._world.door.read_now(lambda _, uow: uow.letters(lane=referral.request))
        return f"{what}; {[(each.type, each.number, each.state, each.reason) for each in letters]}; {referral}"

    def _closed(self, referral: Referral) -> None:
        """No agreement: nothing of the person is shown any more."""
        shown = self._world.shown(referral)
        assert shown is None or (referral.back is None and not {"person", "needs", "contact", "need_codes"} & shown.card.keys())

    def ours(self, type: str, id: str) -> Resource:
        """As it stands now."""
        self._nothing_is_lost()
        found: Resource = json.loads(self.versions[type, id][max(self.versions[type, id])])
        return found

    def _acts_are_audited(self) -> None:
        """Each copy there has the event of how it came to be known; each withdrawal has its own."""
        events = [told(json.loads(row.event)) for row in self._world.door.read_now(lambda _, uow: uow.audit_rows(limit=100_000))]
        known = {what.partition("/_history")[0] for each in events if each.name.removeprefix("sync-") in KNOWING for what in each.what}
        for referral in self._world.referrals.values():
            for type in TYPES:
                if self._world.copies(type, referral.id(type)):
                    own = f"{type}/{referral.id(type)}"
                    assert own in known, self._why(referral, f"the {type} there stands in no event: {[each.name for each in events if own in str(each.what)]}")
        assert sum(each.name == "agreement-withdraw" for each in events) >= sum(each.back is not None for each in self._world.referrals.values())


def _legal(type: str, before: str, after: str) -> None:
    if before == after:
        return
    if type == "Task":
        assert after in MOVES[before], f"Task: {before} to {after}"
    else:
        assert before not in ENDED[type] or after == WRONG, f"{type}: {before} to {after}"


def _writes(method: str, path: str, body: str) -> Iterator[tuple[str, Resource]]:
    """(POST or PUT, resource) of ours that a request would write."""
    if method not in ("POST", "PUT") or "_search" in path or not path.startswith("/fhir"):
        return
    resource = json.loads(body)
    if resource["resourceType"] == "Bundle":
        for entry in resource["entry"]:
            if entry.get("resource", {}).get("resourceType") in TYPES:
                yield entry["request"]["method"], entry["resource"]
    elif resource["resourceType"] in TYPES:
        yield method, resource
