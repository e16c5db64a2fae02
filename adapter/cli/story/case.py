"""Whose referral it is: the story's own call, or a record that the user brings."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from adapter.clock import Clock, instant
from adapter.errors import SettingsError
from adapter.intake import Intake
from adapter.mapping import MapContext, RecordRefused, Terms
from adapter.mapping import Mapping as Document
from adapter.names import IDENTIFIER_TYPE, Systems
from adapter.network import Network
from adapter.ports import Resource

CLINIC, PRACTICE = "msp-saint-eloi", "saint-eloi"  # the clinic, and its software's client id
SECRETARY = "secretaire-saint-eloi"
CALL: dict[str, Any] = {
    "id": "appel-2026-03-06-1",
    "appel": "2026-03-06T18:50:00+01:00",
    "appelant": {"nom": "Exemple", "prenom": "Camille", "telephone": "+33261910012", "commune": "Rouen", "rpps": "10000000009"},
    "preneur_appel": "coursier-lea",
    "personne": {
        "nom": "Fictive", "nom_naissance": "Inventée", "prenom": "Jeanne", "naissance": "1938-02-03", "sexe": "F",
        "telephone": "+33639980001", "canal_sur": "oui",
        "adresse": {"ligne": "12 rue de l'Exemple", "code_postal": "76100", "commune": "Rouen", "code_insee": "76540"},
    },
    "besoins": ["denutrition", "isolement"], "urgence": "48h", "contraintes": ["marche-aide", "temps-ouvrir"],
    "situation": ["vit-seul"], "destinataire": "coursier-rouen", "deja_suivi": "nsp",
    "mots_du_medecin": "Ne mange plus depuis dix jours.",
}  # fmt: skip
IPP = "https://ehr.example/ipp"  # the practice's own record numbers
AGREEMENTS = ("accord_medecin", "accord_patient")


@dataclass(frozen=True)
class Case:
    """`record` bears no agreement yet. `sender` takes it down and `witness` hears the agreements; `unit` is asked, its
    `client` acts for it through `view`. `patient`: as the practice's EHR knows the person. `lot`: which of the requests
    that the record makes is followed. `words`: the prescriber's own, as they are kept. `own`: the user's record."""

    mapping: str
    record: dict[str, Any]
    sender: str
    witness: str
    unit: str
    client: str
    view: str
    patient: Resource
    lot: int = 0
    words: str = ""
    own: bool = False

    def again(self, at: datetime) -> dict[str, Any]:
        """A second record about the same person, taken down at that time."""
        later = copy.deepcopy(self.record) | {"id": f"{str(self.record['id'])[:90]}-2"}
        return later if self.own else later | {"besoins": ["isolement"], "urgence": "normale", "appel": instant(at)}


def default_case(documents: Mapping[str, Document], network: Network, terms: Terms, clock: Clock, *, run: str) -> Case:
    """The story's own call. `run`: letters that make the person another one each time (a server keeps those before)."""
    record = copy.deepcopy(CALL)
    for name in ("nom", "nom_naissance"):
        record["personne"][name] += run
    return _case(documents, network, terms, clock, mapping="appel-coursier", record=record, own=False)


def own_case(documents: Mapping[str, Document], network: Network, terms: Terms, clock: Clock, *, mapping: str, record: dict[str, Any]) -> Case:
    """The user's record, its agreements taken out: the story gives them. Raises SettingsError saying why this record
    cannot be played."""
    bare = {name: value for name, value in record.items() if name not in AGREEMENTS}
    given = record.get("accord_patient")
    if isinstance(given, dict) and given.get("accord") == "non":
        raise _unfit("the person did not agree, so nothing is stored and there is nothing to show", "bring a record without that answer")
    return _case(documents, network, terms, clock, mapping=mapping, record=bare, own=True)


def _case(documents: Mapping[str, Document], network: Network, terms: Terms, clock: Clock, *, mapping: str, record: dict[str, Any], own: bool) -> Case:
    if mapping not in documents:
        raise SettingsError(f"no mapping {mapping}", variable="--mapping", fix=f"there are: {', '.join(sorted(documents))}")
    made = _tried(documents[mapping], record, network, clock)
    patient = next((each for each in made if each["resourceType"] == "Patient"), None)
    unit = next((each["owner"]["reference"].partition("/")[2] for each in made if each["resourceType"] == "Task"), "")
    if patient is None:
        raise _unfit("this kind of record brings no person of its own", "use --mapping appel-coursier or fiche-st-eloi")
    clients = {client.unit: client for client in network.clients if client.unit}
    view = network.view_of(network.organisation_of_unit(unit) or "") or ""
    if unit not in clients or view not in ("as-carsat", "coursier-dac-asso", "saad"):
        playable = [each for each in clients if network.view_of(network.organisation_of_unit(each) or "") != "as-departement"]
        raise _unfit(f"the demonstration has nobody at the unit {unit}", f"name as destinataire one of {', '.join(playable)}")
    sender, witness = _taken_down(record, network)
    return Case(
        mapping=mapping, record=record, sender=sender, witness=witness,
        unit=unit, client=clients[unit].id, view=view, patient=_known_there(patient, clock.new_id()), lot=_mild(made, terms),
        words=next((note["text"] for each in made if each["resourceType"] == "ServiceRequest" for note in each.get("note", ())), ""), own=own,
    )  # fmt: skip


def _taken_down(record: dict[str, Any], network: Network) -> tuple[str, str]:
    """The client that sends the record and the person who hears the agreements: those of the house that took the call down,
    else the practice. Raises SettingsError where the practice has no part in it."""
    taker = str(record.get("preneur_appel", ""))
    house = network.organisation_of_person(taker) or CLINIC
    sender = next((each.id for each in network.clients if each.organisation == house and "intake" in each.scopes), PRACTICE)
    caller = record.get("appelant")
    number = caller.get("rpps") if isinstance(caller, dict) else None
    theirs = (each for each in network.people if network.organisation_of_person(each.key) == CLINIC)
    if house != CLINIC and not any(number == each.value for person in theirs for each in person.identifiers):
        raise _unfit("the practice of this story has no part in it", "let its secretary take the call down: preneur_appel secretaire-saint-eloi")
    return sender, taker if network.person(taker) else SECRETARY


def _tried(document: Document, record: dict[str, Any], network: Network, clock: Clock) -> list[Resource]:
    intake, recipient = Intake({}, network, Systems(), clock), network.unit_organisation(str(record.get("destinataire", "")))
    context = MapContext(
        at=clock.now(), new_id=clock.new_id, clinic=f"Organization/{CLINIC}", unit=intake.unit, zone=ZoneInfo(network.zone),
        recorder=f"Organization/{CLINIC}", due=intake.due, name_of=intake.name,
        nir_authorised=bool(recipient and recipient.nir_authorised),
    )  # fmt: skip
    try:
        return document.to_fhir(record, context=context).resources
    except RecordRefused as refused:
        lines = "\n".join(f"  {error}" for error in refused.problems)
        fix = f"liaison map try {document.name} FILE shows the same"
        raise SettingsError(f"{refused}\n{lines}", variable="--record", fix=fix) from None


def _known_there(patient: Resource, number: str) -> Resource:
    """The person as the EHR has them: its own record number, and name at birth, date of birth and sex, by which Liaison
    finds them (workflow.md 7)."""
    names = {name.get("use"): name for name in patient.get("name", ())}
    usual = names.get("usual", {})
    birth = usual | names.get("official", {}) | {"use": "official", "given": usual.get("given", [])}
    if len(patient.get("birthDate", "")) != 10:
        raise _unfit("expected the whole date of birth", "an EHR's patient is found by name at birth, date of birth and sex")
    names_there = [birth] + ([usual] if usual.get("family") != birth.get("family") else [])
    own = {"use": "usual", "type": {"coding": [{"system": IDENTIFIER_TYPE, "code": "PI"}]}, "system": IPP, "value": number}
    return {"resourceType": "Patient", "identifier": [own], "name": names_there, "gender": patient.get("gender", "unknown"), "birthDate": patient["birthDate"]}


def _mild(made: list[Resource], terms: Terms) -> int:
    """The first request without a need of sensitivity 3: such a one reaches an EHR only on the prescriber's tick."""
    needs = terms["need"]
    requests = [each for each in made if each["resourceType"] == "ServiceRequest"]
    for at, request in enumerate(requests):
        codes = [coding["code"] for concept in request.get("reasonCode", ()) for coding in concept.get("coding", ())]
        known = [term for code in codes if (term := needs.get(code))]
        if known and all(int(term.properties.get("sensitivity", 3)) < 3 for term in known):
            return at
    raise _unfit("every need of this record is of sensitivity 3: it stays out of the EHR", "bring one with another need to see the whole way")


def _unfit(text: str, fix: str) -> SettingsError:
    return SettingsError(text, variable="--record", fix=fix)
