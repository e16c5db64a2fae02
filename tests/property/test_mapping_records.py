"""Any record maps, or is refused with paths in the record and in the document; what maps is valid FHIR and comes back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from adapter.fhir import check as fhir_check
from adapter.mapping import MapContext, Mapping, RecordRefused
from adapter.mapping.context import PARIS, Run
from adapter.mapping.document import as_list, as_tree, plain
from adapter.mapping.shape import Field, Group
from adapter.mapping.values import Unfit
from tests.unit.identity.numbers import keyed
from tests.unit.mapping.records import AT, CALL, DOCUMENTS, FORM, UNITS, context

TERMS = next(iter(DOCUMENTS.values())).terms
_PATH = re.compile(r"([A-Za-z_]+|\?)?([.\[][A-Za-z_0-9\]]+|\.\?)*")


def facts(name: str = "") -> MapContext:
    about = {"patient": "Patient/p1", "request": "ServiceRequest/r1"} if name == "bilan-coursier" else {}
    return context(nir_authorised=True, recorder="PractitionerRole/secretaire", **about)


# ── records of the declared shape, in the words the way back writes ──────────────────────────────
words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
keys = st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True)
dates = st.dates(datetime(1900, 1, 1).date(), datetime(2026, 3, 5).date()).map(str)
instants = st.datetimes(datetime(1971, 1, 1), datetime(2026, 3, 6, 17)).map(
    lambda at: at.replace(tzinfo=UTC, microsecond=0).astimezone(PARIS).isoformat()
)
french_phones = st.from_regex(r"\+33[1-9][0-9]{8}", fullmatch=True)


def canonical(field: Field) -> SearchStrategy[str]:
    """Words of a field's kind that are clean already."""
    kind = field.kind
    assert kind

    def cleaned(word: str) -> str:
        run = Run(facts())
        try:
            return str(kind.write(kind.read(word, run, "", "") or "", run))
        except Unfit:
            return ""

    return words.map(cleaned).filter(bool)


def nirs() -> SearchStrategy[str]:
    """Of a woman; the month is one that there is, or stands for one that is not known."""
    month = st.sampled_from([*range(1, 13), *range(20, 43), *range(50, 100)])
    return st.builds(lambda year, month, rest: keyed(f"2{year:02}{month:02}{rest:08}"), st.integers(0, 99), month, st.integers(0, 99_999_999))


emails = st.from_regex(r"[a-z]{1,9}@[a-z]{1,9}\.example", fullmatch=True)
ids = keys.filter(lambda key: key[0].isalnum())
units = st.sampled_from(sorted(UNITS))


def value_of(name: str, field: Field) -> SearchStrategy[Any]:
    """Values of one field of the documents."""
    known: dict[str, SearchStrategy[Any]] = {
        "query_id": ids, "creation_date": instants, "di_service_id": units, "prescriber.email": emails, "prescriber.phone": french_phones,
        "beneficiary_phone": french_phones, "beneficiary_email": emails, "beneficiary_france_travail_number": ids, "beneficiary_availability": dates,
        "referent_phone": french_phones, "referent_email": emails, "duration_weekly_hours": st.sampled_from([0, 7, 12.5, 35]), "duration_weeks": st.integers(0, 520),
        "data_protection_commitment": st.just(True), "reference": ids, "visite": instants, "fait_par": keys, "objectif.echeance": dates,
        "opening_date": dates, "asked_amount": st.sampled_from([0, 320, 99.95]), "examination_date": dates, "due_date": dates, "help_requested": st.booleans(),
        "beneficiary.file_number": ids, "beneficiary.birth_date": dates, "beneficiary.phone": french_phones, "beneficiary.social_security_number": nirs(),
        "beneficiary.zipcode": st.from_regex(r"[0-9]{5}", fullmatch=True), "created_at": instants, "requested_orientation_system_id": units,
        "beneficiary.date_of_birth": dates, "beneficiary.mobile_number": french_phones, "beneficiary.email": emails,
        "appel": instants, "echeance": dates, "date": dates, "date_rdv": instants, "personne.naissance": dates, "personne.numero_secu": nirs(),
        "accord_medecin.le": instants, "accord_patient.le": instants, "appelant.rpps": st.just("10000000009"),
        "destinataire": st.sampled_from(sorted(UNITS)), "personne.adresse.code_postal": st.from_regex(r"[0-9]{5}", fullmatch=True),
        "personne.adresse.code_insee": st.from_regex(r"[0-9]{5}", fullmatch=True), "preneur_appel": keys,
        "id": keys.filter(lambda key: key[0].isalnum()),
        "accord_medecin.par": keys, "accord_patient.par": keys, "personne.telephone": french_phones, "appelant.telephone": french_phones,
    }  # fmt: skip
    if name == "service" and field.place.startswith("dora"):
        return units  # there it is who is asked
    if name == "date" and field.place.startswith("mon-suivi"):
        return instants
    if name in known:
        return known[name]
    closed = [given for word in CLOSED.get(name, ()) if (given := as_given_back(field, word))]
    return st.sampled_from(list(dict.fromkeys(closed))) if closed else canonical(field)


def as_given_back(field: Field, word: str) -> Any:
    """A word as the way back writes it; None: not a word of this field."""
    assert field.kind
    run = Run(facts())
    try:
        return field.kind.write(field.kind.read(word, run, "", ""), run)
    except Unfit:
        return None


def table(name: str) -> list[str]:
    return [code for code, term in TERMS[name].terms.items() if not term.abstract]


FIRST = {"mon-suivi-social-aide": "WaitingAdditionalInformation", "mon-suivi-social-suivi": "Todo", "carnet-de-bord": "pending"}
WAYS, LANGUAGES = table("agreement-way"), ["fr", "en", "ar", "uk"]
CLOSED: dict[str, list[str]] = {
    "besoins": table("need"), "urgence": ["48h", "immediate", "normale"], "service": table("service"), "contraintes": table("constraint"),
    "situation": table("situation"), "role": table("relation"), "age": table("age-class"), "deja_suivi": table("already-followed"),
    "accord_medecin.accord": ["oui"], "accord_patient.accord": ["oui"], "accord_medecin.comment": WAYS, "accord_patient.comment": WAYS,
    "accord_patient.texte": ["accord-1"], "accord_patient.langue": LANGUAGES, "personne.sexe": ["F", "M", "autre", "inconnu"],
    "personne.canal_sur": ["oui", "non"], "demandeur.qualification": ["Médecin généraliste", "secretaire", "Infirmière", "psychologue"],
    "status": ["OUVERTE", "MODÉRATION_EN_COURS", *FIRST.values()], "thematiques": table("need"), "types": table("need"), "reason": table("need"), "besoin": table("need"),
    "suite": table("outcome"), "resultat": table("need-result"), "etat": ["en place", "en cours", "prévue"], "objectif.but": table("goal"),
    "objectif.besoin": table("need"), "objectif.atteint": ["en cours", "oui", "non"], "termine": ["oui", "non"], "beneficiary.gender": ["Female", "Male", "Other"],
    "beneficiary_contact_preferences": ["TELEPHONE", "EMAIL", "REFERENT", "AUTRE"], "canal_sur": ["oui", "non"], "beneficiary.canal_sur": ["oui", "non"],
    "medium": ["PlannedInPerson", "Email", "ThirdParty"],
    "motifs": ["Accès aux droits", "Renoncements aux soins", "Pathologie lourde", "Autre", "violences", "budget"],
}  # fmt: skip


def group(shape: Group, *, full: bool) -> SearchStrategy[dict[str, Any]]:
    """Records of a shape. `full`: with what the way back fills in, so that it must give the same record."""
    must: dict[str, SearchStrategy[Any]] = {}
    may: dict[str, SearchStrategy[Any]] = {}
    for key, member in shape.members.items():
        if isinstance(member, Group):
            (must if member.required else may)[key] = group(member, full=full)
        elif not (member.never and not member.unless) and member.owner != "liaison":
            needed = bool(member.required or member.least) or (full and (member.default is not None or key in FILLED))
            (must if needed else may)[key] = entries(member)
    return st.fixed_dictionaries(must, optional=may)


FILLED = {"service", "accord", "par", "le", "canal_sur", "fait_par"}  # what comes back although it was left out, or a rule asks for
AGREED = {"accord": "oui", "par": "lea", "le": "2026-03-06T10:00:00+01:00", "texte": "accord-1", "langue": "fr"}


def by_the_rules(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record with what its document's rules ask for."""
    if name in FIRST:
        return record | {"status": FIRST[name]}
    if name == "dora-orientation":
        given = {key: value for key, value in record.items() if key != "service" or "di_service_id" not in record}
        return given | ({"accord_patient": AGREED} if record["status"] == "OUVERTE" and "accord_patient" not in record else {})
    return record


def entries(field: Field) -> SearchStrategy[Any]:
    if field.group:
        return st.lists(group(field.group, full=False), min_size=1, max_size=3)
    one = value_of(field.name, field)
    return st.lists(one, min_size=1, max_size=min(4, field.most), unique=True) if field.most else one


def shape_of(name: str) -> Group:
    mapping = DOCUMENTS[name]
    return mapping.program(facts().systems).shape


def sorted_needs(record: dict[str, Any]) -> dict[str, Any]:
    """Needs of sensitivity 3 come after the others: their order is not part of the record, nor are empty groups."""
    filled = {key: sorted_needs(value) if isinstance(value, dict) else value for key, value in record.items()}
    needs = ("besoins", "motifs", "thematiques", "types")
    return {key: sorted(value) if key in needs and isinstance(value[0], str) else value for key, value in filled.items() if value != {}}


def valid(resources: list[dict[str, Any]]) -> None:
    for resource in resources:
        json.dumps(resource).encode()
        assert [issue for issue in fhir_check(resource) if issue.severity in ("error", "fatal")] == []


def there_and_back(mapping: Mapping, record: dict[str, Any]) -> dict[str, Any]:
    given = facts(mapping.name)
    mapped = mapping.to_fhir(record, context=given)
    valid(mapped.resources)
    back = mapping.from_fhir(mapped.resources, context=given, whole=True)
    again = mapping.to_fhir(back, context=given)
    assert sorted_needs(mapping.from_fhir(again.resources, context=given, whole=True)) == sorted_needs(back)
    return back


# the first says nothing of the person: its flow does; of the second's records test_rdv.py says the same
KINDS = [name for name in DOCUMENTS if name not in ("demande-complementaire", "rdv-service-public")]


@pytest.mark.parametrize("name", KINDS)
@given(draw=st.data())
def test_record_of_the_declared_shape_becomes_valid_fhir_and_comes_back_the_same(name: str, draw: Any) -> None:
    record = by_the_rules(name, draw.draw(group(shape_of(name), full=True)))
    assert sorted_needs(there_and_back(DOCUMENTS[name], record)) == sorted_needs(record)


@given(record=group(shape_of("dora-orientation"), full=True))
def test_number_of_france_travail_is_not_given_back_before_the_service_accepted(record: dict[str, Any]) -> None:
    record = by_the_rules("dora-orientation", record | {"beneficiary_france_travail_number": "0000000A"})
    mapping = DOCUMENTS["dora-orientation"]
    resources = mapping.to_fhir(record, context=facts()).resources
    assert "beneficiary_france_travail_number" not in mapping.from_fhir(resources, context=facts())
    accepted = [each | {"status": "accepted"} if each["resourceType"] == "Task" else each for each in resources]
    assert mapping.from_fhir(accepted, context=facts())["beneficiary_france_travail_number"] == "0000000A"


@given(record=group(shape_of("appel-coursier"), full=False))
def test_call_is_sent_only_with_both_agreements_whatever_else_it_says(record: dict[str, Any]) -> None:
    try:
        mapped = DOCUMENTS["appel-coursier"].to_fhir(record, context=facts())
    except RecordRefused as refused:
        assert [error.path for error in refused.problems] == ["personne.canal_sur"]
        return
    agreed = all(record.get(key, {}).get("accord") == "oui" for key in ("accord_medecin", "accord_patient"))
    assert {each["status"] for each in mapped.resources if each["resourceType"] == "Task"} == {"requested" if agreed else "draft"}


# ── anything ─────────────────────────────────────────────────────────────────────────────────────
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.characters()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3), max_leaves=8
)
broken_words = st.sampled_from(
    ["2026-03-29T02:30", "2026-02-30", "\ud800", "x" * 5000, "+", "0", "é\u0301", "\u202e", "oui", "non", "autre", "$id", "${id}"]
)


@st.composite
def damaged(draw: Any, record: dict[str, Any]) -> dict[str, Any]:
    """A good record with some of its values replaced by anything."""
    copy = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(1, 4))):
        inside = copy
        while True:
            key = draw(st.sampled_from(sorted(inside)))
            if not isinstance(inside[key], dict) or not inside[key] or draw(st.booleans()):
                break
            inside = inside[key]
        inside[key] = draw(anything | broken_words | st.lists(broken_words, max_size=3))
    return copy  # type: ignore[no-any-return]


def maps_or_is_refused(mapping: Mapping, record: Any) -> None:
    try:
        mapped = mapping.to_fhir(record, context=facts(mapping.name))
    except RecordRefused as refused:
        for error, issue in zip(refused.problems, refused.issues, strict=True):
            assert _PATH.fullmatch(error.path) and issue.expression == error.path
            assert re.fullmatch(r"[a-z/-]+\.yaml:\d+", error.document)
        return
    valid(mapped.resources)
    mapping.from_fhir(mapped.resources, context=facts())


def example(name: str) -> dict[str, Any]:
    """The record of the first example in a document."""
    first = as_tree(as_list(DOCUMENTS[name].tree.need("examples"), "examples")[0], "examples")
    record: dict[str, Any] = plain(first.need("record"))
    return record | {key: "permanence" for key in record if key in ("destinataire", "service", "requested_orientation_system_id") and name in FORMS}


FORMS = {"dora-orientation", "mon-suivi-social-aide", "mon-suivi-social-suivi", "carnet-de-bord"}  # whose unit is not one of the context here
EXAMPLES = {name: {"appel-coursier": CALL, "fiche-st-eloi": FORM}.get(name) or example(name) for name in DOCUMENTS}


@pytest.mark.parametrize("name", DOCUMENTS)
@given(draw=st.data())
def test_damaged_record_maps_or_is_refused_with_paths(name: str, draw: Any) -> None:
    maps_or_is_refused(DOCUMENTS[name], draw.draw(damaged(EXAMPLES[name])))


@pytest.mark.parametrize("name", DOCUMENTS)
@given(record=anything)
def test_anything_at_all_is_refused_with_paths(name: str, record: Any) -> None:
    maps_or_is_refused(DOCUMENTS[name], record)


@pytest.mark.parametrize("name", DOCUMENTS)
@given(
    resources=st.lists(
        st.dictionaries(st.sampled_from(["resourceType", "status", "code", "name", "agent", "activity"]), anything, max_size=5)
    )
)
def test_resources_of_any_content_are_read_without_an_exception(name: str, resources: list[dict[str, Any]]) -> None:
    assert isinstance(DOCUMENTS[name].from_fhir(resources, context=facts()), dict)


@given(draw=st.data(), later=st.integers(0, 3000))
def test_call_that_was_damaged_on_the_way_back_is_read_as_far_as_it_goes(draw: Any, later: int) -> None:
    mapping = DOCUMENTS["appel-coursier"]
    resources = mapping.to_fhir(CALL, context=context(at=AT + timedelta(minutes=later))).resources
    hurt = [draw.draw(damaged(resource)) if draw.draw(st.booleans()) else resource for resource in resources]
    assert isinstance(mapping.from_fhir(hurt, context=facts()), dict)
