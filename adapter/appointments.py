"""What a unit's own appointment tool tells (france.md 2.4 and 2.9): an appointment finds the one referral of that unit that it is
about, by our reference, by what was found before, or by the traits of a person whom the unit was shown; else a person of the unit
says which it is. Nothing is looked at that the unit may not see, and whoever tells is never told what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from adapter import acts, fhir, parked
from adapter.agreements import Agreements
from adapter.audit import events
from adapter.clock import instant_of
from adapter.dossier import Dossier, content, load, of_request, patient_of, pointing, split
from adapter.errors import Invalid, NeedsMatch, NotFound, Stale
from adapter.intake import Intake
from adapter.look import Look
from adapter.mapping.kinds import fold
from adapter.network import Network, Unit
from adapter.parked import Parked
from adapter.ports import Change, Clause, Principal, Query, Resource, Uow, Version
from adapter.referral import appointments, spoken
from adapter.showing import Window
from adapter.writing import HOLDER, Writer

MAPPING = "rdv-service-public"
AHEAD = timedelta(minutes=5)  # how far another clock may be before ours
TAKEN = frozenset({"accepted", "in-progress", "on-hold"})  # whose persons are found by their traits
OPEN = TAKEN | {"requested"}  # what a reference finds


@dataclass(frozen=True, slots=True)
class Told:
    """One participation as the document has it: whom the tool means, the appointment, when and by whom it was told."""

    person: Resource
    appointment: Resource
    proof: Resource
    rdv: str
    user: str
    at: datetime

    @property
    def reference(self) -> str:
        """What the unit wrote where our reference belongs, "" for nothing."""
        return next((str(each["identifier"]["value"]) for each in self.appointment.get("basedOn", ())), "")

    def parked(self, since: datetime, why: str) -> Parked:
        """The same for the unit's list: without what was written where our reference belongs, which may be anything."""
        bare = {name: value for name, value in self.appointment.items() if name != "basedOn"}
        return Parked(self.rdv, self.user, self.at, since, why, bare, self.proof)


@dataclass(frozen=True, slots=True)
class Appointments:
    network: Network
    writer: Writer
    window: Window
    intake: Intake
    agreements: Agreements

    def told(self, uow: Uow, unit: Unit, record: Mapping[str, Any], *, request_id: str = "") -> None:
        """A signed webhook of the tool of this unit. What was told before, or is older than that, changes nothing. Raises Invalid for
        what the document refuses, what is of another organisation of the tool or of a time to come: by the record alone."""
        who = tool_of(self.network, unit)
        told = self._read(uow, who, unit, record)
        uow.alone()  # of two about one appointment the second finds the first
        waiting, known = parked.load(uow, unit.key), {each["user"]: each for each in self._known(uow, unit, told[0].rdv)}
        before = [each.at for each in waiting if each.rdv == told[0].rdv] + [each["at"] for each in known.values()]
        if before and told[0].at <= max(before):
            uow.audit(events.act(who, "appointment-told", at=uow.at, request_id=request_id, details=[("outcome", "known")]))
            return
        since = {each.user: each.since for each in waiting if each.rdv == told[0].rdv}
        waiting = [each for each in waiting if each.rdv != told[0].rdv]
        for each in told:
            mine = known.pop(each.user, None)
            dossier, why = (of_request(uow, mine["request"]), "") if mine else self._found(uow, who, each)
            if dossier:
                self._joined(uow, who, dossier, each, mine["version"] if mine else None, request_id=request_id)
            else:
                waiting.append(each.parked(since.get(each.user, uow.at), why))
                uow.audit(events.act(who, "appointment-told", at=uow.at, request_id=request_id, details=[("outcome", "parked"), ("why", why)]))
        for mine in known.values():
            self._left_out(uow, who, mine, told[0], request_id=request_id)
        parked.keep(uow, unit.key, waiting)

    def assign(self, uow: Uow, who: Principal, view: str, said: Mapping[str, Any], *, if_match: str | None, request_id: str = "") -> bool:
        """A person of the unit says that the parked appointment `rdv`, `user` is about one of its `referral`s, by the caller's own id. False: the
        caller has no such appointment, or may not see such a referral. Raises Invalid for what is no such body, NeedsMatch, Stale."""
        if missing := [name for name in ("rdv", "user", "referral") if name not in said]:
            raise Invalid("expected rdv, user and referral", expression=missing[0], code="required")
        dossier, shown = self.window.find(uow, who, view, said["referral"], lang="fr", request_id=request_id)
        if dossier is None or shown is None:
            return False
        if if_match is None:
            raise NeedsMatch("expected If-Match with the ETag of the card; read it again first")
        if if_match != shown.etag:
            raise Stale("the referral changed meanwhile; read it again")
        uow.alone()
        waiting = parked.load(uow, dossier.owner)
        found = next((each for each in waiting if (each.rdv, each.user) == (said["rdv"], said["user"])), None)
        if found is None:
            self.window.refused(uow, who, view, "absent", request_id=request_id)
            return False
        if dossier.task["status"] not in OPEN:
            raise Invalid("expected a referral that is open", expression="referral")
        parked.keep(uow, dossier.owner, [each for each in waiting if each is not found])
        told = Told({}, found.appointment, found.proof, found.rdv, found.user, found.at)
        self._joined(uow, who, dossier, told, None, request_id=request_id)
        return True

    def parked(self, uow: Uow, who: Principal, view: str, *, request_id: str = "") -> list[Parked] | None:
        """The appointments of the caller's units that no referral was found for, oldest first. None: the view is not the caller's."""
        if not self.window.holder(who, view):
            return None
        found = [each for unit in self.window.units(who) for each in parked.load(uow, unit) if each.open]
        uow.audit(events.act(who, "appointments-parked", at=uow.at, request_id=request_id, details=[("count", str(len(found)))]))
        return sorted(found, key=lambda each: each.start)

    # ── the record ───────────────────────────────────────────────────────────────────────────────
    def _read(self, uow: Uow, who: Principal, unit: Unit, record: Mapping[str, Any]) -> list[Told]:
        context = replace(self.intake.context(uow, who, record, clinic=who.organisation), recorder=f"HealthcareService/{unit.key}")
        made = self.intake.document(MAPPING).to_fhir(dict(record), context=context).resources
        organisation = record["data"].get("organisation") or {}
        if unit.rdv is None or str(organisation.get("id")) != str(unit.rdv.organisation_id):
            raise Invalid("expected the organisation that the network file names for this unit", expression="data.organisation.id")
        told = [self._participation(*made[place : place + 3]) for place in range(0, len(made), 3)]
        if told[0].at > uow.at + AHEAD:
            raise Invalid("expected a time that is not in the future", expression="meta.timestamp")
        return list({each.user: each for each in told}.values())  # somebody twice in one rdv is there once

    def _participation(self, person: Resource, appointment: Resource, proof: Resource) -> Told:
        at = instant_of(proof["occurredDateTime"])
        assert at is not None  # the document reads an instant
        return Told(person, appointment, proof, self._number(appointment, "rdv"), self._number(appointment, "rdv-user"), at)

    def _number(self, appointment: Resource, kind: str) -> str:
        system = self.writer.systems.sid(kind)
        return next((str(each["value"]) for each in appointment.get("identifier", ()) if each.get("system") == system), "")

    # ── which referral ───────────────────────────────────────────────────────────────────────────
    def _known(self, uow: Uow, unit: Unit, rdv: str) -> Iterator[dict[str, Any]]:
        """What this unit told of this appointment before: each participation with its request, and the time that it was last told of."""
        clause = Clause("identifier", "token", (f"{self.writer.systems.sid('rdv')}|{rdv}",))
        for version in uow.search(Query("Appointment", (clause,), count=1000)):
            found = content(version)
            request = next((split(str(each.get("reference", "")))[1] for each in found.get("basedOn", ())), "")
            proofs = (content(each) for each in pointing(uow, "Provenance", "target", version.reference))
            times = [at for each in proofs if (at := instant_of(str(each.get("occurredDateTime", ""))))]
            dossier = of_request(uow, request)
            if dossier and dossier.owner == unit.key and times:
                yield {"user": self._number(found, "rdv-user"), "request": request, "version": version, "at": max(times)}

    def _found(self, uow: Uow, who: Principal, told: Told) -> tuple[Dossier | None, str]:
        """The referral, or why there is none: unknown-reference, other-person, none, several."""
        if told.reference and (clause := self._reference(who, told.reference)):
            looks = list(self._looks(uow, who, OPEN, clause))
            if len(looks) == 1:
                return (None, "other-person") if _another(_person(looks[0]), told.person) else (looks[0].dossier, "")
            if spoken.parse(told.reference):
                return None, "unknown-reference"
        if not told.person.get("birthDate"):
            return None, "none"
        born = fhir.query("Patient", [("birthdate", told.person["birthDate"]), ("_count", "1000")])
        persons = tuple(each.reference for each in uow.search(born))
        looks = list(self._looks(uow, who, TAKEN, Clause("patient", "reference", persons))) if persons else []
        found = [each.dossier for each in looks if _same(_person(each), told.person)]
        return (found[0], "") if len(found) == 1 else (None, "several" if found else "none")

    def _reference(self, who: Principal, said: str) -> Clause | None:
        """How a Task is found by what stands where our reference belongs: as it is spoken, or the id under which the unit knows it."""
        if reference := spoken.parse(said):
            return Clause("identifier", "token", (f"{self.writer.systems.sid('spoken')}|{reference}",))
        return Clause(HOLDER, "token", (f"{who.unit}|{said}",)) if said.isalnum() and said.isascii() else None

    def _looks(self, uow: Uow, who: Principal, states: frozenset[str], clause: Clause) -> Iterator[Look]:
        """What the unit is shown of those of its referrals that meet the clause; of what it may not see there is none."""
        view = self.network.view_of(who.organisation) or ""
        clauses = (clause, Clause(HOLDER, "token", (f"{who.unit}|",)), Clause("status", "token", tuple(sorted(states))))
        for version in uow.search(Query("Task", clauses, count=1000)):
            if dossier := load(uow, version.id):
                look = self.window.look(uow, who, view, dossier, lang="fr")
                if look.decision.permit:
                    yield look

    # ── what follows ─────────────────────────────────────────────────────────────────────────────
    def _joined(self, uow: Uow, who: Principal, dossier: Dossier, told: Told, before: Version | None, *, request_id: str) -> None:
        """The appointment as it stands now, and what the Task becomes of it: acts of the unit. A referral that it may not see any more, as one
        that was withdrawn, takes nothing."""
        if not self.window.decision(uow, who, self.network.view_of(who.organisation) or "", dossier).permit:
            uow.audit(events.act(who, "appointment-told", at=uow.at, request_id=request_id, details=[("outcome", "closed")]))
            return
        id = before.id if before else told.appointment["id"]
        appointment = self._of(told.appointment, dossier, id)
        others = [each for each in dossier.of("Appointment") if each["id"] != id and self._number(each, "rdv")]
        self._written(uow, who, dossier, appointment, [*others, appointment], told, new=before is None, request_id=request_id)

    def _left_out(self, uow: Uow, who: Principal, mine: Mapping[str, Any], told: Told, *, request_id: str) -> None:
        """Somebody takes part no more: the appointment is called off for them, unless it was held."""
        dossier, appointment = of_request(uow, mine["request"]), content(mine["version"])
        if dossier is None or appointment["status"] != "booked":
            return
        told = replace(told, appointment=appointment | {"status": "cancelled"}, proof=told.proof | {"id": self.writer.clock.new_id()})
        self._joined(uow, who, dossier, told, mine["version"], request_id=request_id)

    def _of(self, appointment: Resource, dossier: Dossier, id: str) -> Resource:
        own, patient = self.writer.systems.sid("appointment"), patient_of(dossier.request)
        parts = [
            each | {"actor": {"reference": patient}} if str(each["actor"]["reference"]).startswith("Patient/") else each
            for each in appointment["participant"]
        ]
        identifiers = [each | {"value": id} if each["system"] == own else each for each in appointment["identifier"]]
        based = [{"reference": dossier.request_version.reference}]
        return appointment | {"id": id, "identifier": identifiers, "basedOn": based, "participant": parts}

    def _written(
        self, uow: Uow, who: Principal, dossier: Dossier, appointment: Resource, all_told: list[Resource], told: Told, *, new: bool, request_id: str
    ) -> None:
        hand = self.agreements.hand(uow, who, dossier)
        steps = appointments.follow(hand.referral, hand.scene, appointment, all_told)
        proof = told.proof | {"target": [{"reference": f"Appointment/{appointment['id']}"}]}
        changes = [
            Change("create" if new else "update", "Appointment", appointment["id"], appointment, origin="portal"),
            Change("create", "Provenance", proof["id"], proof, origin="portal"),
            *acts.changes(dossier, steps),
        ]
        self.agreements.received(uow, who, changes, heard={}, request_id=request_id)
        outcome = [("outcome", "new" if new else "changed"), ("status", appointment["status"])]
        patient = patient_of(dossier.request)
        uow.audit(events.act(who, "appointment-told", what=dossier.task_version.cited, patient=patient, at=uow.at, request_id=request_id, details=outcome))


def tool_of(network: Network, unit: Unit) -> Principal:
    """The appointment tool of a unit, which acts for it. Raises NotFound where the unit takes no part."""
    organisation = network.unit_organisation(unit.key)
    if organisation is None or not organisation.active or not unit.active:
        raise NotFound("not found")
    return Principal(MAPPING, organisation.key, unit.key, "service")


def _person(look: Look) -> Resource:
    """The person as the unit is shown it."""
    return next((each for each in look.resources if each["resourceType"] == "Patient"), {})


def _same(shown: Resource, meant: Resource) -> bool:
    """Whether both are one person by family name (used or of birth), first name and date of birth; what is not shown is not the same."""
    return "birthDate" in shown and shown["birthDate"] == meant.get("birthDate") and all(map(_meet, _names(shown), _names(meant)))


def _another(shown: Resource, meant: Resource) -> bool:
    """Whether what both say cannot be of one person: another date of birth, or neither a family nor a first name in common."""
    if "birthDate" in shown and "birthDate" in meant and shown["birthDate"] != meant["birthDate"]:
        return True
    pairs = [(one, other) for one, other in zip(_names(shown), _names(meant), strict=True) if one and other]
    return bool(pairs) and not any(_meet(*pair) for pair in pairs)


def _meet(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one & other)


def _names(person: Resource) -> tuple[frozenset[str], frozenset[str]]:
    """The family names, the first of the given names, as they are compared: no case, no accents, hyphens as blanks."""
    names = person.get("name", ())
    families = frozenset(fold(str(each["family"]).replace("-", " ")) for each in names if each.get("family"))
    return families, frozenset(fold(str(each["given"][0]).replace("-", " ")) for each in names if each.get("given"))
