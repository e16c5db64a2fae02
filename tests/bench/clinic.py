"""B1, B3, B4, B4b, B5: what a clinic's software does on /fhir. B6: what a social service's software does on /views."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.bench.doors import Asking, Door
from tests.bench.load import BenchError
from tests.bench.specimens import MARK, request_of, specimen, task_of
from tests.bench.systems import System
from tests.e2e.serving import agreed

TASKS = 200  # that are read in turn
WRITTEN = 1_000  # that are written in turn: so many that none comes again before its last answer, however late that is
MANY, EACH = 10_000, 125  # Tasks that a search looks through, and of a Bundle
OWNER = "HealthcareService/saad-portage"
OWN = f"owner={OWNER}&status=draft"
PATIENTS, PERSON = 2000, "Patient/OF-THE-BENCH"
VIEW = "coursier-dac-asso"


def _compact(resource: dict[str, Any]) -> str:
    return json.dumps(resource, separators=(",", ":"))


def create_request(system: System) -> Asking:
    """A new ServiceRequest each time, all about one Patient that is there."""
    body = _compact(request_of(system.patient))
    path = f"{system.base}/ServiceRequest"
    return Asking(lambda number: system.wire("POST", path, body.replace(MARK, f"bench-{number}").encode()), 201)


def read_task(system: System) -> Asking:
    """Some Tasks in turn, by id."""
    requests = _created(system, [json.loads(_compact(request_of(system.patient)).replace(MARK, f"read-{number}")) for number in range(TASKS)])
    bodies = (json.loads(_compact(task_of(system.patient, each)).replace(MARK, f"task-{number}")) for number, each in enumerate(requests))
    wired = [system.wire("GET", f"{system.base}/{reference}") for reference in _created(system, list(bodies))]
    return Asking(lambda number: wired[number % TASKS])


def transact(system: System) -> Asking:
    """A whole referral in one transaction: a Consent, the ServiceRequest that names it, the Task on that; about some Patients in turn,
    for nobody agrees to a thousand referrals."""
    agreed, asked = ("urn:uuid:00000000-0000-4000-8000-00000000000a", "urn:uuid:00000000-0000-4000-8000-00000000000b")
    patients = _created(system, [specimen("Patient") for _ in range(PATIENTS)])
    patient = {"reference": PERSON}
    request = request_of(PERSON) | {"supportingInfo": [{"reference": agreed}]}
    task = task_of(PERSON, asked) | {"status": "requested"}
    entries = [(agreed, specimen("Consent") | {"patient": patient}), (asked, request), ("", task)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
        ({"fullUrl": name} if name else {}) | {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}} for name, resource in entries
    ]}  # fmt: skip
    body = _compact(bundle)


    def post(number: int) -> bytes:
        return system.wire("POST", system.base, body.replace(MARK, f"bench-t-{number}").replace(PERSON, patients[number % PATIENTS]).encode())

    return Asking(post)


def update_task(system: System) -> Asking:
    """Some Tasks in turn, each on the version that it has: nobody else writes them."""
    requests = _created(system, [json.loads(_compact(request_of(system.patient)).replace(MARK, f"put-{number}")) for number in range(WRITTEN)])
    bodies = [json.loads(_compact(task_of(system.patient, each)).replace(MARK, f"put-{number}")) for number, each in enumerate(requests)]
    references = _created(system, bodies)
    texts = [[_compact(body | {"id": each.partition("/")[2], "priority": how}).encode() for how in ("asap", "urgent")]
             for body, each in zip(bodies, references, strict=True)]  # fmt: skip

    def put(number: int) -> bytes:
        place, turn = number % WRITTEN, number // WRITTEN
        return system.wire("PUT", f"{system.base}/{references[place]}", texts[place][turn % 2], more={"If-Match": f'W/"{turn + 1}"'})

    return Asking(put)


def search_tasks(count: int) -> Any:
    """The newest Tasks of a unit in one state, a page of `count`, among ten thousand of it."""

    def prepare(system: System) -> Asking:
        if system.name == "hapi":  # which indexes no reference to what is not there
            system.ask("PUT", f"{system.base}/{OWNER}", {"resourceType": "HealthcareService", "id": OWNER.partition("/")[2]})
        if not system.ask("GET", f"{system.base}/Task?{OWN}&_count=1").get("entry"):
            for start in range(0, MANY, EACH):
                system.ask("POST", system.base, _tasks(system.patient, start))
        page = f"{system.base}/Task?{OWN}&_sort=-_lastUpdated&_count={count}"
        if (given := len(system.ask("GET", page).get("entry", ()))) != count:
            raise BenchError(f"{system.name} gave {given} Tasks on a page of {count}")
        wired = system.wire("GET", page)
        return Asking(lambda number: wired)

    return prepare


def _tasks(patient: str, start: int) -> dict[str, Any]:
    """A transaction of some Tasks, each on a request of its own."""
    entries = []
    for number in range(start, start + EACH):
        asked = f"urn:uuid:00000000-0000-4000-8000-{number:012d}"
        for name, resource in ((asked, request_of(patient)), ("", task_of(patient, asked) | {"owner": {"reference": OWNER}})):
            filled = json.loads(_compact(resource).replace(MARK, f"many-{number}"))
            entries.append(({"fullUrl": name} if name else {}) | {"resource": filled, "request": {"method": "POST", "url": filled["resourceType"]}})
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _created(system: System, resources: list[dict[str, Any]]) -> list[str]:
    made = replace(system, base="/fhir") if system.name == "yardstick-inline" else system  # which is spared a second door
    return [made.create(each) for each in resources]


def view(consents: int) -> Any:
    """One referral through the view of its recipient, the person having so many Consents: decided, projected and recorded in
    the audit each time."""

    def prepare(system: System) -> Asking:
        person = {"nom": f"Bench{consents}", "prenom": "Zyx", "naissance": "1938-02-03", "sexe": "F", "telephone": "+33639980001", "canal_sur": "oui"}
        call = agreed(id=f"bench-{consents}")
        call["personne"] |= person
        known = {each["id"] for each in _cards(system)}
        system.ask("POST", "/intake/appel-coursier", call, client="coursiers")
        (mine,) = (each["id"] for each in _cards(system) if each["id"] not in known)
        patient = _patient(system, call["id"])
        for _ in range(consents - 1):
            system.create(specimen("Consent") | {"patient": {"reference": patient}})
        wired = system.wire("GET", f"/views/{VIEW}/referrals/{mine}", client="coursiers")
        return Asking(lambda number: wired)

    return prepare


def _cards(system: System) -> list[dict[str, Any]]:
    return list(system.ask("GET", f"/views/{VIEW}/referrals", client="coursiers")["referrals"])


def _patient(system: System, call: str) -> str:
    """Whom the call was about, as the clinic knows it."""
    found = system.ask("GET", f"{system.base}/ServiceRequest?requisition={call}")["entry"]
    return str(found[0]["resource"]["subject"]["reference"])


EVERY = ("ours", "yardstick", "yardstick-inline", "hapi")
DOORS = (
    Door("B1", "create ServiceRequest", dict.fromkeys(EVERY, create_request)),
    Door("B3", "transaction of Consent, ServiceRequest and Task", dict.fromkeys(("ours", "hapi"), transact)),
    Door("B4b", "update Task with If-Match", dict.fromkeys(("ours", "hapi"), update_task)),
    Door("B5", "search 20 of 10,000 Tasks", dict.fromkeys(("ours", "hapi"), search_tasks(20))),
    Door("B5", "search 100 of 10,000 Tasks", dict.fromkeys(("ours", "hapi"), search_tasks(100))),
    Door("B4", "read Task by id", dict.fromkeys(EVERY, read_task)),
    Door("B6", "view of one referral, 1 Consent (HAPI: GET)", {"ours": view(1), "hapi": read_task}),
    Door("B6", "view of one referral, 20 Consents (HAPI: GET)", {"ours": view(20), "hapi": read_task}),
)
