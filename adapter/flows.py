"""The story of a referral in six verbs: receive, refer, advance, reveal, withdraw, resolve.

Each runs inside one unit of work: state, outbox and audit commit together or not at all. No verb calls an EHR;
`outgoing` says what a letter may carry at the moment it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from adapter import acts, dossier, followed, lifecycle, moving, onward, recorded, refusal, reporting, takes, witness
from adapter import receipt as receipts
from adapter.agreements import Agreements
from adapter.appointments import MAPPING as RDV
from adapter.appointments import Appointments
from adapter.audit import events
from adapter.dossier import Dossier, content, patient_of
from adapter.errors import Conflict, Forbidden, Invalid, NeedsMatch, NotFound, Stale
from adapter.intake import Intake
from adapter.lists import Lists
from adapter.look import Revealed
from adapter.mapping import Mapped
from adapter.mapping.context import Remark
from adapter.network import PRESCRIBER, Network
from adapter.own import Own
from adapter.past import Past
from adapter.ports import Change, Found, Letter, Principal, Query, Resource, Uow, Version
from adapter.receipt import Receipt
from adapter.referral.spoken import of_task
from adapter.referral.states import TERMINAL
from adapter.showing import Window
from adapter.subscriptions import Subscriptions
from adapter.subset import Subset
from adapter.sync import doubts, links, pairs
from adapter.sync.canonical import decode
from adapter.sync.inbound import GONE
from adapter.sync.judge import as_theirs
from adapter.sync.ownership import Ownership
from adapter.sync.push import release
from adapter.trail import Trail
from adapter.writing import Writer

FURTHER = "demande-complementaire"  # the mapping of a further service asked by a recipient
REFER, REORIENT = "refer", "reorient"
SENT = "it was sent: the requester cancels the request, or the person withdraws the agreement"


@dataclass(frozen=True, slots=True)
class Flows:
    """One story for one state of the network file; `app.App` makes a new one when that changes."""

    network: Network
    writer: Writer
    intake: Intake
    window: Window
    ownership: Ownership

    @property
    def lists(self) -> Lists:
        return Lists(self.window)

    @property
    def subset(self) -> Subset:
        return Subset(self.window)

    @property
    def own(self) -> Own:
        return Own(self.window)

    @property
    def subscriptions(self) -> Subscriptions:
        return Subscriptions(self.window)

    @property
    def trail(self) -> Trail:
        return Trail(self.writer.key)

    @property
    def past(self) -> Past:
        return Past(self.own, self.subset)

    @property
    def agreements(self) -> Agreements:
        return Agreements(self.network, self.writer, self.window, self.intake.due)

    @property
    def appointments(self) -> Appointments:
        return Appointments(self.network, self.writer, self.window, self.intake, self.agreements)

    # ── receive ──────────────────────────────────────────────────────────────────────────────────
    def receive(
        self, uow: Uow, who: Principal, changes: Sequence[Change], *, request_id: str = "", heard: Mapping[str, Any] | None = None
    ) -> list[Version]:
        """Every write of the house: /fhir, intake, pull, portal, and what ends with it. Returns the versions that now stand,
        those asked for first. `heard`: when and how the person said it, where a Consent is taken back by it."""
        changes = [self.subscriptions.brought_in(uow, who, each) if each.type == "Subscription" and each.origin == "fhir" else each for each in changes]
        saved = self.agreements.received(uow, who, changes, heard=heard or {}, request_id=request_id)
        for person in (each for each in saved if each.type == "Patient" and not each.deleted):
            doubts.written(uow, person)
            if person.number == 1:
                pairs.look(uow, person)
        return saved

    # ── refer ────────────────────────────────────────────────────────────────────────────────────
    def refer(
        self, uow: Uow, who: Principal, mapping: str, record: Mapping[str, Any], *, body: bytes = b"", key: str = "",
        request_id: str = "", parent: Dossier | None = None, replacing: bool = False,
    ) -> Receipt:  # fmt: skip
        """A record of another tool becomes a referral to one unit or several: a draft, or sent when both agreed.

        The same record (or `key`) with the same content gets the same receipt; with other content, Conflict.
        """
        if mapping == RDV:
            raise Invalid("an appointment comes signed by its tool, to /hooks/rdv/{unit}", expression="mapping")
        digest = hashlib.sha256(body or orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()
        source = parent.task["id"] if parent else ""
        if key and (kept := self._replayed(uow, who, onward.once(who, mapping, f"key {key}", source), digest, request_id=request_id)):
            return kept
        if not parent and self.intake.document(mapping).is_about:
            return self._report(uow, who, mapping, record, digest=digest, key=key, request_id=request_id)
        mapped = self.intake.mapped(uow, who, mapping, record, parent, replacing=replacing)
        once = onward.once(who, mapping, mapped.record_id, source)
        if kept := self._replayed(uow, who, once, digest, request_id=request_id):
            return kept
        self._dropped(uow, who, mapping, mapped, request_id=request_id)
        if mapped.refused:
            refusal.count(uow, who.organisation)
        changes = self.intake.changes(
            uow, who, mapped, parent, practice=record.get("cabinet_informe") == "oui", replacing=replacing,
            unsafe=parent is not None and onward.unsafe(uow, self.window, parent),
        )  # fmt: skip
        if against := refusal.against(uow, self.network, changes):
            if parent:
                raise refusal.stopped(uow, who, self.network, against, request_id=request_id)
            said = refusal.told(uow, who, self.network, patient_of(against[0]), map(of_task, against), request_id=request_id)
            mapped.warnings.append(Remark("opposition", mapping, said))
            return replace(receipts.first(mapped, [], self.network.zone), status="not-sent")
        tasks = [content(version) for version in self.receive(uow, who, changes, request_id=request_id) if version.type == "Task"]
        receipt = receipts.first(mapped, tasks, self.network.zone)
        if tasks and who.role == "clinic":
            patient, made = tasks[0]["for"]["reference"], frozenset(task["id"] for task in tasks)
            units = [line["unit"] for line in receipt.referrals]
            if followed.followed(self.window, uow, who, patient, units, but=made, request_id=request_id):
                warning = {"path": "deja_suivi", "mapping": mapping, "text": followed.SAID}
                receipt = replace(receipt, warnings=(*receipt.warnings, warning))
        if parent:
            onward.note(uow, who, mapping, mapped.record_id, source)
        return self._kept(uow, {once, onward.once(who, mapping, f"key {key}", source) if key else once}, digest, receipt)

    def _report(self, uow: Uow, who: Principal, mapping: str, record: Mapping[str, Any], *, digest: str, key: str, request_id: str) -> Receipt:
        """A record about a referral that is here already: what it tells is kept with it, and is the act of the caller's unit."""
        document = self.intake.document(mapping)
        once, by_key = onward.once(who, mapping, str(record.get(document.id_field, ""))), onward.once(who, mapping, f"key {key}")
        if kept := self._replayed(uow, who, once, digest, request_id=request_id):
            return kept
        mapped, changes = reporting.told(uow, who, mapping, record, intake=self.intake, agreements=self.agreements, request_id=request_id)
        self._dropped(uow, who, mapping, mapped, request_id=request_id)
        self.receive(uow, who, changes, request_id=request_id)
        receipt = replace(receipts.first(mapped, [], self.network.zone), status="reported")
        return self._kept(uow, {once, by_key if key else once}, digest, receipt)

    def _dropped(self, uow: Uow, who: Principal, mapping: str, mapped: Mapped, *, request_id: str) -> None:
        """That something was left at the door, and where; never what (workflow.md 8)."""
        if mapped.dropped:
            details = [("mapping", mapping), ("count", str(len(mapped.dropped))), ("paths", ",".join(mapped.dropped))]
            uow.audit(events.act(who, "intake-dropped", at=uow.at, request_id=request_id, details=details))

    def _kept(self, uow: Uow, names: set[str], digest: str, receipt: Receipt) -> Receipt:
        for name in names:
            uow.remember(name, digest, receipt.dumps())
        return receipt

    def _replayed(self, uow: Uow, who: Principal, once: str, digest: str, *, request_id: str) -> Receipt | None:
        kept = uow.remembered(once)
        if kept and kept[0] != digest:
            raise Conflict("this record was received before with other content; send it under another id or key", code="duplicate")
        return self._again(uow, who, Receipt.loads(kept[1], replayed=True), request_id=request_id) if kept else None

    def _again(self, uow: Uow, who: Principal, receipt: Receipt, *, request_id: str) -> Receipt:
        """The receipt as things stand now: an answer about a referral like any other, so it leaves an event."""
        now = receipts.refreshed(uow, receipt, self.network.zone)
        task = next((found for each in now.referrals if (found := uow.current("Task", each["task"]))), None)
        patient = patient_of(content(task)) if task else ""
        uow.audit(events.act(who, "receipt", what=task.cited if task else "", patient=patient, at=uow.at, request_id=request_id))
        return now

    def agree(self, uow: Uow, who: Principal, mapping: str, record: str, heard: Mapping[str, Any], *, request_id: str = "") -> Receipt:
        """One of the two agreements, heard after the record was taken down; with both, the draft is sent.

        `heard`: {who: doctor | patient, agreed, heard_by?, at?, how?}. A patient's "no" leaves a count and no identity of what was
        never sent, and takes back what was sent and runs. A doctor's gives the draft up; raises Conflict where it was sent.
        """
        self.intake.document(mapping)
        kept = onward.received(uow, who, mapping, record)
        if kept is None:
            raise NotFound("no record of that id was received from this organisation")
        takes.check("agree", heard)
        side: Literal["doctor", "patient"] | None = {"doctor": "doctor", "patient": "patient"}.get(heard.get("who", ""))  # type: ignore[assignment]
        if side is None or "agreed" not in heard:
            raise Invalid("expected who (doctor or patient) and agreed (true or false)", code="required", expression="who")
        receipt = Receipt.loads(kept[1])
        found = [each for line in receipt.referrals if (each := dossier.load(uow, line["task"]))]
        if side == "patient" and not heard["agreed"]:
            self._declined(uow, who, found, heard, request_id=request_id)
            return self._again(uow, who, receipt, request_id=request_id)
        if not heard["agreed"] and any(each.task["status"] not in (*TERMINAL, "draft") for each in found):
            raise Conflict(SENT, expression="agreed")
        written = False
        for each in found:
            if not (each.task["status"] == "draft" or (side == "patient" and unagreed(each))):
                continue
            if heard["agreed"] and refusal.opposed(uow, self.network, each.request, each.owner):
                said = refusal.told(uow, who, self.network, patient_of(each.request), [of_task(each.task)], request_id=request_id)
                receipt = replace(receipt, warnings=(*receipt.warnings, {"path": "opposition", "mapping": mapping, "text": said}))
                continue
            self.receive(uow, who, self.intake.agreed(self.agreements.case(uow, who, each), side, heard), request_id=request_id)
            written = True
        return receipts.refreshed(uow, receipt, self.network.zone) if written else self._again(uow, who, receipt, request_id=request_id)

    def _declined(self, uow: Uow, who: Principal, found: Sequence[Dossier], heard: Mapping[str, Any], *, request_id: str) -> None:
        """The person said no: what was never sent is forgotten, what was sent is taken back."""
        unsent = [each for each in found if refusal.unsent(uow, each)]
        for each in found:
            if each in unsent:
                witness.heard(self.agreements.case(uow, who, each), heard)  # somebody who may have heard it, or nothing happens
            else:
                self.withdraw(uow, who, each, {name: heard[name] for name in takes.HEARD if name in heard}, request_id=request_id)
        if unsent:
            refusal.forget(uow, who, unsent, systems=self.writer.systems, request_id=request_id)

    def recorded(self, uow: Uow, who: Principal, mapping: str, record: str, *, request_id: str = "") -> Mapping[str, Any] | None:
        """A record again, as it stands: to the practice that sent it, which wrote what is in it. None: 404."""
        return recorded.again(uow, who, mapping, record, own=self.own, intake=self.intake, request_id=request_id)

    # ── advance ──────────────────────────────────────────────────────────────────────────────────
    def advance(
        self, uow: Uow, who: Principal, view: str, id: str, verb: str, arguments: Mapping[str, Any], *, if_match: str | None,
        lang: str = "fr", request_id: str = "",
    ) -> Revealed | None:  # fmt: skip
        """An act on a referral through a view. None: nothing there that this caller may see (404)."""
        found, shown = self.window.find(uow, who, view, id, lang=lang, request_id=request_id)
        if found is None or shown is None:
            return None
        if verb not in self.window.verbs(view):
            raise NotFound(f"this view offers {', '.join(self.window.verbs(view))}", code="not-supported")
        if if_match is None:
            raise NeedsMatch("expected If-Match with the ETag of the card; read it again first")
        if if_match != shown.etag:
            raise Stale("the referral changed meanwhile; read it again")
        self._acted(uow, who, view, found, shown, verb, arguments, request_id=request_id)
        return shown if verb in lifecycle.CLOSING else self.reveal(uow, who, view, id, lang=lang, request_id=request_id)

    def move(
        self, uow: Uow, who: Principal, id: str, wanted: Callable[[Version], Resource], *, if_match: int | None, request_id: str = ""
    ) -> Version | None:
        """What a social service's own software makes of its Task on /fhir (`moving`), as the act on its view; the Task as it now may see
        it, None: no more. `wanted` gives the Task that it wants of the one that it was shown."""
        seen = self.subset.seen(uow, who, "Task", id, request_id=request_id)
        if seen is None or not who.reaches(content(now := seen[0]), "u"):
            raise NotFound("not found")
        if if_match is None:
            raise NeedsMatch("expected If-Match with the ETag of the Task; read it again first")
        if if_match != now.number:
            raise Stale("the Task changed meanwhile; read it again", expression="Task.meta.versionId")
        task = wanted(now)
        if not who.reaches(task, "u"):
            raise Forbidden("the token's scope grants this for others only: see its constraints", expression="Task")
        view = self.network.view_of(who.organisation) or ""
        if (asked := moving.act(content(now), task, self.writer.systems)) is None:
            return self.subset.read(uow, who, "Task", id, request_id=request_id)
        if asked[0] not in self.window.verbs(view):
            raise Invalid("this move is not for the caller's view", expression="Task.status", detail="illegal-move")
        found, shown = self.window.find(uow, who, view, id, lang="fr", request_id=request_id)
        if found is None or shown is None:
            raise NotFound("not found")
        self._acted(uow, who, view, found, shown, *asked, request_id=request_id)
        return self.subset.read(uow, who, "Task", id, request_id=request_id)

    def _acted(
        self, uow: Uow, who: Principal, view: str, found: Dossier, shown: Revealed, verb: str, arguments: Mapping[str, Any], *, request_id: str
    ) -> None:
        if verb in lifecycle.ACTS or verb in (REFER, REORIENT):
            self._met(uow, view, found)
        takes.check(verb, arguments)
        if verb in lifecycle.ACTS:
            if verb == "withdraw" and refusal.unsent(uow, found):
                self._declined(uow, who, [found], arguments, request_id=request_id)
                return
            self.agreements.live(uow, who, found, verb, arguments, needs=shown.needs, request_id=request_id)
        elif verb in (REFER, REORIENT):
            if verb == REFER:
                onward.may_ask(self.network, who, found, arguments)
            else:
                acts.misdirected(found, dossier.pointing(uow, "ServiceRequest", "replaces", found.request_version.reference))
            record = arguments if arguments.get("id") is not None else {**arguments, "id": self.writer.clock.new_id()}
            self.refer(uow, who, FURTHER, record, request_id=request_id, parent=found, replacing=verb == REORIENT)
        else:
            done = acts.ACTS[verb](self.agreements.equipped(uow, who, found, shown.needs, verb), arguments)
            self.receive(uow, who, acts.changes(found, done), request_id=request_id)

    def _met(self, uow: Uow, view: str, found: Dossier) -> None:
        """What a person said, a further agreement too, is written down by who may have met them. Raises Forbidden for a unit that
        never had more than an offer."""
        if view != PRESCRIBER and not self.window.identity_shown(uow, found):
            raise Forbidden("this unit has not been shown who the person is: what the person says is for the practice to write down")

    # ── reveal ───────────────────────────────────────────────────────────────────────────────────
    def reveal(
        self, uow: Uow, who: Principal, view: str, id: str, *, lang: str = "fr", request_id: str = "", demanded: frozenset[str] = frozenset()
    ) -> Revealed | None:
        """View ∩ consent (or other basis) ∩ scope, decided now and audited. None: 404, and the audit says why. `demanded`: data
        classes that the view shows on demand only."""
        return self.window.find(uow, who, view, id, lang=lang, request_id=request_id, demanded=demanded)[1]

    def worklist(self, uow: Uow, who: Principal, view: str, *, lang: str = "fr", request_id: str = "") -> list[Revealed] | None:
        """Every referral of the caller's unit (or of the prescriber) that may be shown now, newest first."""
        return self.lists.worklist(uow, who, view, lang=lang, request_id=request_id)

    def notices(self, uow: Uow, who: Principal, view: str, *, lang: str = "fr", request_id: str = "") -> list[dict[str, Any]] | None:
        """Closing notices of the caller's unit: a reference and what to do, nothing of the person (a declared exception). Of a
        practice: what could not be sent for its patients."""
        found = self.lists.notices(uow, who, view, lang=lang, request_id=request_id)
        return found if found is None or view != PRESCRIBER else [*found, *refusal.not_sent(uow, who.organisation)]

    def outgoing(self, uow: Uow, letter: Letter) -> Resource | None:
        """What may leave for the clinic's EHR now, by the view `dossier-clinique`; None: nothing."""
        found = dossier.of_request(uow, letter.lane)
        return self.window.letter(uow, letter, found) if found else None

    # ── withdraw ─────────────────────────────────────────────────────────────────────────────────
    def withdraw(self, uow: Uow, who: Principal, referral: Dossier, arguments: Mapping[str, Any], *, request_id: str = "") -> list[Version]:
        """The person takes the agreement back, told to anyone of the team: Consents end, the Task is cancelled, the
        recipient's view closes in this very transaction, a closing notice tells it if it knew who it was."""
        return self.agreements.live(uow, who, referral, "withdraw", arguments, request_id=request_id)

    # ── resolve ──────────────────────────────────────────────────────────────────────────────────
    def resolve(
        self, uow: Uow, who: Principal, conflict: int, choice: str, *, heard: Mapping[str, Any] | None = None, keeping: Collection[str] = (),
        request_id: str = "",
    ) -> None:
        """A person settles what could not merge: `theirs` takes the EHR's content in (the state table still holds; a wider
        Consent needs the evidence `heard`: who heard the person, when and how), but for the elements in `keeping`, which stay ours
        and are sent again; `ours` sends all of ours again."""
        row = next((each for each in uow.conflicts() if each.key == conflict), None)
        if row is None:
            raise NotFound("no open conflict of that number")
        if choice not in ("ours", "theirs"):
            raise Invalid("expected ours or theirs", code="value", expression="choice")
        takes.check("resolve", heard or {})
        current = uow.current(row.type, row.id)
        if choice == "theirs" and current and row.reason != GONE:  # what is gone there has nothing to take in
            wanted = as_theirs(decode(row.base), content(current), decode(row.theirs), ownership=self.ownership, keeping=keeping)
            proof = self.agreements.evidence(uow, who, content(current), wanted, heard) if row.type == "Consent" else []
            self.receive(uow, who, [*proof, Change("update", row.type, row.id, wanted, origin="portal")], request_id=request_id)
            current = uow.current(row.type, row.id) or current
        if (choice == "ours" or keeping) and current and row.reason != GONE:
            links.outdate(uow, row.ehr, row.type, row.id, current.number)
            for lane in dossier.lanes(uow, [content(current)]):
                uow.post(Letter(row.ehr, lane, row.type, row.id, due=uow.at, number=current.number, request_id=request_id))
        uow.settle_conflict(conflict, choice=choice)
        release(uow, row.ehr, row.type, row.id)
        patient = patient_of(content(current)) if current and not current.deleted else ""
        uow.audit(events.act(who, "resolve", at=uow.at, what=f"{row.type}/{row.id}", patient=patient, request_id=request_id))

    def pair(self, uow: Uow, who: Principal, number: int, choice: str) -> list[Version]:
        """A person of the practice says of two of its records that they are the `same` person or `different` ones; the records that changed.
        Raises NotFound, Invalid."""
        return pairs.decided(uow, who, number, choice, receive=self.receive)

    # ── the clinic's own software on /fhir ───────────────────────────────────────────────────────
    def read(self, uow: Uow, who: Principal, type: str, id: str, *, request_id: str = "") -> Version | None:
        """A social service reads its view (`Subset`), a clinic what it wrote (`Own`), each its part of the trail. None: 404."""
        if type == "AuditEvent":
            return self.trail.read(uow, who, id, request_id=request_id)
        if who.role == "service" and type != "Subscription":
            return self.subset.read(uow, who, type, id, request_id=request_id)
        return self.own.read(uow, who, type, id, request_id=request_id)

    def search(self, uow: Uow, who: Principal, query: Query, *, request_id: str = "") -> tuple[list[Version], bool]:
        """One page, and whether there is more."""
        found = self.found(uow, who, query, request_id=request_id)
        return list(found.matches), found.more

    def found(self, uow: Uow, who: Principal, query: Query, *, request_id: str = "") -> Found:
        """One page with what comes along, whether there is more, and how many in all where that is asked for."""
        if query.type == "AuditEvent":
            return self.trail.search(uow, who, query, request_id=request_id)
        if who.role == "service" and query.type != "Subscription":
            return self.subset.search(uow, who, query, request_id=request_id)
        return self.own.search(uow, who, query, request_id=request_id)


def unagreed(referral: Dossier) -> bool:
    """Sent in urgency: it runs, and the person has not agreed yet."""
    return referral.task["status"] not in TERMINAL and any(each.get("status") == "proposed" for each in referral.named)
