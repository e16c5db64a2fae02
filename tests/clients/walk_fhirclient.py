"""What a vendor writes with fhirclient, as its documentation shows it; run by a Python that has it. One JSON line for each step says
what came of it. Arguments: base URL, a system for identifiers that nobody else uses. The token comes from the variable TOKEN."""

import json
import os
import sys

from fhirclient import client
from fhirclient.models.bundle import Bundle, BundleEntry, BundleEntryRequest
from fhirclient.models.codeableconcept import CodeableConcept
from fhirclient.models.coding import Coding
from fhirclient.models.fhirreference import FHIRReference
from fhirclient.models.humanname import HumanName
from fhirclient.models.identifier import Identifier
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient

PATIENTS, PAGE = 5, 2
PERSON = "urn:uuid:00000000-0000-4000-8000-000000000001"


def say(step, **found):
    print(json.dumps({"step": step} | found))


def patient(system, value):
    return Patient(
        {"identifier": [Identifier({"system": system, "value": value}).as_json()], "name": [HumanName({"family": "Exemple", "given": ["Inventé"]}).as_json()]}
    )


def observation(subject):
    made = Observation()
    made.status = "final"
    made.code = CodeableConcept()
    made.code.coding = [Coding({"system": "http://loinc.org", "code": "29463-7"})]
    made.subject = FHIRReference({"reference": subject})
    return made


def entry(resource, url, named=None):
    made = BundleEntry()
    made.fullUrl, made.resource, made.request = named, resource, BundleEntryRequest({"method": "POST", "url": url})
    return made


def main(base, system):
    smart = client.FHIRClient(settings={"app_id": "walk", "api_base": base})
    smart.prepare()
    server = smart.server
    server.session.headers["Authorization"] = f"Bearer {os.environ['TOKEN']}"
    say("capability", version=server.capabilityStatement.fhirVersion)

    created = patient(system, "edited").create(server)
    read = Patient.read(created["id"], server)
    say("create and read", id=created["id"], read=read.id, family=read.name[0].family, version=read.meta.versionId)

    read.active = True
    updated = read.update(server)
    say("update", version=updated["meta"]["versionId"], active=Patient.read(read.id, server).active)

    made = [patient(system, "many").create(server)["id"] for _ in range(PATIENTS)]
    search = Patient.where({"identifier": f"{system}|many", "_count": str(PAGE)})
    pages = [[each.resource.id for each in page.entry or ()] for page in search.perform_iter(server)]
    say("pages", made=made, pages=pages)

    bundle = Bundle()
    bundle.type = "transaction"
    bundle.entry = [entry(patient(system, "together"), "Patient", PERSON), entry(observation(PERSON), "Observation")]
    answer = Bundle(bundle.create(server))
    places = [each.response.location.split(f"{base}/")[1].split("/_history")[0] for each in answer.entry]
    stored = Observation.read(places[1].split("/")[1], server)
    say("transaction", type=answer.type, statuses=[each.response.status for each in answer.entry], places=places, subject=stored.subject.reference)


main(*sys.argv[1:])
