"""A house with a real store in memory, a clock that stands still, and EHRs by script. All persons are invented."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from adapter.clock import FrozenClock
from adapter.errors import Refused
from adapter.names import Systems
from adapter.ports import EhrClient, Letter, Link, Remote, Resource, Store, Uow, Version
from adapter.store import open_store
from adapter.sync import ownership
from adapter.sync.acts import Act
from adapter.sync.delivery import Delivery
from adapter.sync.doubles import Doubles
from adapter.sync.drafts import Drafts
from adapter.sync.inbound import Inbound, Pulled
from adapter.sync.links import Rewrite, Unlinked
from adapter.sync.patients import Patients
from adapter.sync.pull import Pull, own_searches
from adapter.sync.push import Push
from adapter.sync.together import Together
from tests.unit.sync.scripted import ScriptedEhr

MAPPINGS = Path(__file__).resolve().parents[3] / "mappings"
OWNERSHIP = ownership.load(MAPPINGS / "ownership.yaml")
SYSTEMS = Systems()
START = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
OURS = ("ServiceRequest", "Task", "Consent", "Procedure", "Patient")
NEED = SYSTEMS.code("need")

PATIENT: Resource = {
    "resourceType": "Patient", "id": "p1", "identifier": [{"system": "https://clinic.example/ipp", "value": "42"}],
    "name": [{"family": "Aubier", "given": ["Lise"]}], "birthDate": "1941-05-06",
}  # fmt: skip
CONSENT: Resource = {
    "resourceType": "Consent", "id": "c1", "identifier": [{"system": SYSTEMS.sid("consent"), "value": "c1"}], "status": "active",
    "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
    "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IDSCL"}]}],
    "policy": [{"uri": "https://law.example/secrecy"}], "patient": {"reference": "Patient/p1"}, "dateTime": "2026-03-02T18:00:00+01:00",
    "provision": {
        "type": "permit", "period": {"end": "2026-12-31T00:00:00Z"},
        "actor": [{"role": {"coding": [{"code": "IRCP"}]}, "reference": {"reference": "Organization/cbo"}}],
        "action": [{"coding": [{"code": "access"}]}, {"coding": [{"code": "disclose"}]}],
        "code": [{"coding": [{"system": NEED, "code": "isolement"}]}, {"coding": [{"system": NEED, "code": "denutrition"}]}],
    },
}  # fmt: skip
REQUEST: Resource = {
    "resourceType": "ServiceRequest", "id": "s1", "identifier": [{"system": SYSTEMS.sid("request"), "value": "s1"}], "status": "active",
    "intent": "order", "priority": "routine", "subject": {"reference": "Patient/p1"}, "requester": {"reference": "Organization/clinic"},
    "reasonCode": [{"coding": [{"system": NEED, "code": "isolement"}]}], "supportingInfo": [{"reference": "Consent/c1"}],
}  # fmt: skip
TASK: Resource = {
    "resourceType": "Task", "id": "t1", "identifier": [{"system": SYSTEMS.sid("task"), "value": "t1"}], "status": "requested",
    "intent": "order", "priority": "routine", "focus": {"reference": "ServiceRequest/s1"}, "for": {"reference": "Patient/p1"},
    "authoredOn": "2026-03-02T18:00:00+01:00", "requester": {"reference": "Organization/clinic"},
    "owner": {"reference": "HealthcareService/u1"}, "restriction": {"period": {"end": "2026-03-04T18:00:00+01:00"}},
}  # fmt: skip


def references(resource: Any, rewrite: Callable[[str], str]) -> Any:
    if isinstance(resource, dict):
        return {k: rewrite(v) if k == "reference" and isinstance(v, str) else references(v, rewrite) for k, v in resource.items()}
    return [references(part, rewrite) for part in resource] if isinstance(resource, list) else resource


def outward(uow: Uow, ehr: str, resource: Resource) -> Resource:
    def rewrite(reference: str) -> str:
        type, _, id = reference.partition("/")
        if type not in OURS:
            return reference
        link = uow.link(ehr, type, id)
        if link is None:
            raise Unlinked(type, id)
        return f"{type}/{link.remote_id}"

    found: Resource = references(resource, rewrite)
    return found


def inward(uow: Uow, ehr: str, resource: Resource) -> Resource:
    def rewrite(reference: str) -> str:
        type, _, id = reference.partition("/")
        link = uow.link_by_remote(ehr, type, id)
        return f"{type}/{link.id}" if link else reference

    found: Resource = references(resource, rewrite)
    return found


class House:
    """Everything the engine is given, each part open to a test."""

    def __init__(
        self,
        *,
        store: Store | None = None,
        clock: FrozenClock | None = None,
        client: EhrClient | None = None,
        references: tuple[Rewrite, Rewrite] | None = None,
    ) -> None:
        self.clock = clock or FrozenClock(START)
        self.store = store or open_store("sqlite://", clock=self.clock, seal=lambda before, event: "0", key=b"k" * 32)
        self.ehr = ScriptedEhr("clinic", self.clock)
        self.clients: dict[str, EhrClient] = {"clinic": client or self.ehr}
        self.outward, self.inward = references or (outward, inward)
        self.acts: list[Act] = []
        self.disclosed: list[str] = []
        self.sought: list[str] = []
        self.asked = 0  # how often the EHR was asked for a patient
        self.found_out = True  # whether the EHR may be asked for a patient
        self.faults: list[str] = []
        self.withheld: set[str] = set()
        self.hidden: dict[str, frozenset[str]] = {"Consent": frozenset({"code"})}  # of the provision: never in the EHR
        self.refusing = False
        self.creating = False
        self.works_here = False
        self.transacts: dict[str, bool | None] = {}
        self.searches = True  # what the network file says
        self.pulled: list[Pulled] = []
        self.matches: list[Remote] | None = None
        self.inbound = Inbound(
            self.store, apply=self.apply, inward=self.inward, ownership=OWNERSHIP, audited=self.audited,
            works_here=lambda uow, ehr, task: self.works_here,
        )  # fmt: skip

    # ── what flows would give ────────────────────────────────────────────────────────────────────
    def outgoing(self, uow: Uow, letter: Letter) -> Resource | None:
        version = uow.current(letter.type, letter.id)
        if version is None or f"{letter.type}/{letter.id}" in self.withheld:
            return None
        resource: Resource = orjson.loads(version.served)
        for name in self.hidden.get(letter.type, ()):
            resource.get("provision", {}).pop(name, None)
        return resource

    def leaving(self, uow: Uow, letter: Letter) -> bool:
        self.disclosed.append(f"{letter.type}/{letter.id}")
        return self.outgoing(uow, letter) is not None

    def seeking(self, uow: Uow, letter: Letter) -> bool:
        self.sought.append(f"{letter.type}/{letter.id}")
        return self.found_out

    def apply(self, uow: Uow, pulled: Pulled) -> None:
        self.pulled.append(pulled)
        if self.refusing:
            self.put_in(uow, {**pulled.next, "language": "half-written"})
            raise Refused("not like this")
        self.put_in(uow, pulled.next)
        self.post_in(uow, f"{pulled.type}/{pulled.id}")

    def audited(self, uow: Uow, act: Act) -> None:
        self.acts.append(act)

    def match(self, client: EhrClient, patient: Resource) -> list[Remote]:
        self.asked += 1
        if self.matches is not None:
            return self.matches
        return [Remote(found, found["meta"]["versionId"]) for found in self.ehr.all("Patient")]

    # ── the engine ───────────────────────────────────────────────────────────────────────────────
    def push(self, holder: str = "a", **more: Any) -> Push:
        patients = Patients(
            self.store, match=self.match, outgoing=self.outgoing, leaving=self.leaving, seeking=self.seeking, ownership=OWNERSHIP, systems=SYSTEMS,
            audited=self.audited, creates=lambda ehr: self.creating,
        )  # fmt: skip
        together = Together(self.store, self.clock, ownership=OWNERSHIP, systems=SYSTEMS, told=self.transacts)
        drafts = Drafts(
            self.store, self.clock, outgoing=self.outgoing, leaving=self.leaving, outward=self.outward, ownership=OWNERSHIP, systems=SYSTEMS, together=together
        )
        delivery = Delivery(
            self.store, self.clock, drafts=drafts, patients=patients, inbound=self.inbound, ownership=OWNERSHIP, systems=SYSTEMS,
            doubles=Doubles(self.store, audited=self.audited, searches=lambda ehr: self.searches), together=together,
        )  # fmt: skip
        return Push(
            self.store, self.clients, delivery, self.clock, holder=holder, audited=self.audited,
            failed=lambda code, error: self.faults.append(f"{code}:{type(error).__name__}"), **more,
        )  # fmt: skip

    def pull(self, holder: str = "a", **more: Any) -> Pull:
        given = {"searches": own_searches(SYSTEMS), "holder": holder} | more
        return Pull(self.store, self.clients["clinic"], self.inbound, self.clock, **given)

    # ── our side ─────────────────────────────────────────────────────────────────────────────────
    def put(self, *resources: Resource) -> None:
        """Stores each as the next version of ours."""
        self.store.write_now(lambda uow: [self.put_in(uow, resource) for resource in resources])

    @staticmethod
    def put_in(uow: Uow, resource: Resource) -> Version:
        served = orjson.dumps(resource)
        return uow.save(Version(resource["resourceType"], resource["id"], 0, uow.at, "clinic", served), expected=None, index=())

    def set(self, type: str, **elements: Any) -> None:
        """Our next version: `elements` replaced (None: removed), `for_` stands for `for`; and a letter about it."""
        resource = self.ours(type)
        changed = {**resource, **elements}
        self.put({name: value for name, value in changed.items() if value is not None})
        self.post(f"{type}/{resource['id']}")

    def post(self, *references: str, lane: str = "s1", ehr: str = "clinic") -> None:
        self.store.write_now(lambda uow: [self.post_in(uow, reference, lane=lane, ehr=ehr) for reference in references])

    @staticmethod
    def post_in(uow: Uow, reference: str, *, lane: str = "s1", ehr: str = "clinic") -> Letter:
        type, _, id = reference.partition("/")
        return uow.post(Letter(ehr, lane, type, id, due=uow.at))

    def more(self, count: int, *, ehr: str = "clinic") -> None:
        """As many referrals more, each a request in a lane of its own, with its letter."""
        def one(uow: Uow, n: int) -> None:
            own = {"system": SYSTEMS.sid("request"), "value": f"x{n}"}
            self.put_in(uow, {**REQUEST, "id": f"x{n}", "identifier": [own], "supportingInfo": []})
            self.post_in(uow, f"ServiceRequest/x{n}", lane=f"x{n}", ehr=ehr)

        self.store.write_now(lambda uow: [one(uow, n) for n in range(count)])

    def ours(self, type: str) -> Resource:
        id = {"Task": "t1", "ServiceRequest": "s1", "Consent": "c1", "Patient": "p1"}[type]
        version = self.store.read_now(lambda uow: uow.current(type, id))
        assert version is not None
        resource: Resource = orjson.loads(version.served)
        return resource

    def letters(self, **more: Any) -> list[Letter]:
        return self.store.read_now(lambda uow: uow.letters(**more))

    def states(self) -> list[tuple[str, str, str]]:
        return [(letter.type, letter.state, letter.reason) for letter in self.letters()]

    def conflicts(self) -> list[tuple[str, str]]:
        return [(row.type, row.reason) for row in self.store.read_now(lambda uow: uow.conflicts())]

    def done(self) -> list[str]:
        return [act.what for act in self.acts]

    def later(self, **delta: float) -> None:
        self.clock.tick(timedelta(**delta))

    # ── scenes ───────────────────────────────────────────────────────────────────────────────────
    def referral(self, **task: Any) -> House:
        """One referral, ours, with its letters in order, and its patient in the EHR; nothing sent yet."""
        self.ehr.plant({**copy.deepcopy(PATIENT), "id": "42"})
        self.put(PATIENT, CONSENT, REQUEST, {**TASK, **task})
        self.post("Consent/c1", "ServiceRequest/s1", "Task/t1")
        return self

    def sent(self, **task: Any) -> House:
        """The same, sent, and all in step."""
        self.referral(**task)
        assert self.push().drain() == 3
        assert {state for _, state, _ in self.states()} == {"done"}
        self.acts.clear()
        self.ehr.calls.clear()
        return self


def code(value: str, system: str = NEED) -> Mapping[str, Any]:
    return {"coding": [{"system": system, "code": value}]}


def link(house: House, type: str = "Task", id: str = "t1") -> Link:
    found = house.store.read_now(lambda uow: uow.link("clinic", type, id))
    assert found is not None
    return found
