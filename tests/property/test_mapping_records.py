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
from adapter.mapping.shape import Field, Group
from adapter.mapping.values import Unfit
from tests.unit.identity.numbers import keyed
from tests.unit.mapping.records import AT, CALL, DOCUMENTS, FORM, UNITS, context

TERMS = next(iter(DOCUMENTS.values())).terms
_PATH = re.compile(r"([A-Za-z_]+|\?)?([.\[][A-Za-z_0-9\]]+|\.\?)*")


def facts() -> MapContext:
    return context(nir_authorised=True, recorder="PractitionerRole/secretaire")


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


def value_of(name: str, field: Field) -> SearchStrategy[Any]:
    """Values of one field of the two documents."""
    known: dict[str, SearchStrategy[Any]] = {
        "appel": instants, "date": dates, "date_rdv": instants, "personne.naissance": dates, "personne.numero_secu": nirs(),
        "accord_medecin.le": instants, "accord_patient.le": instants, "appelant.rpps": st.just("10000000009"),
        "destinataire": st.sampled_from(sorted(UNITS)), "personne.adresse.code_postal": st.from_regex(r"[0-9]{5}", fullmatch=True),
        "personne.adresse.code_insee": st.from_regex(r"[0-9]{5}", fullmatch=True), "preneur_appel": keys,
        "id": keys.filter(lambda key: key[0].isalnum()),
        "accord_medecin.par": keys, "accord_patient.par": keys, "personne.telephone": french_phones, "appelant.telephone": french_phones,
    }  # fmt: skip
    if name in known:
        return known[name]
    closed = CLOSED.get(name)
    return st.sampled_from(closed) if closed else canonical(field)


def table(name: str) -> list[str]:
    return [code for code, term in TERMS[name].terms.items() if not term.abstract]


WAYS, LANGUAGES = table("agreement-way"), ["fr", "en", "ar", "uk"]
CLOSED: dict[str, list[str]] = {
    "besoins": table("need"), "urgence": ["48h", "immediate", "normale"], "service": table("service"), "contraintes": table("constraint"),
    "situation": table("situation"), "role": table("relation"), "age": table("age-class"), "deja_suivi": table("already-followed"),
    "accord_medecin.accord": ["oui"], "accord_patient.accord": ["oui"], "accord_medecin.comment": WAYS, "accord_patient.comment": WAYS,
    "accord_patient.texte": ["accord-1"], "accord_patient.langue": LANGUAGES, "personne.sexe": ["F", "M", "autre", "inconnu"],
    "personne.canal_sur": ["oui", "non"], "demandeur.qualification": ["Médecin généraliste", "secretaire", "Infirmière", "psychologue"],
    "motifs": ["Accès aux droits", "Renoncements aux soins", "Pathologie lourde", "Autre", "violences", "budget"],
}  # fmt: skip


def group(shape: Group, *, full: bool) -> SearchStrategy[dict[str, Any]]:
    """Records of a shape. `full`: with what the way back fills in, so that it must give the same record."""
    must: dict[str, SearchStrategy[Any]] = {}
    may: dict[str, SearchStrategy[Any]] = {}
    for key, member in shape.members.items():
        if isinstance(member, Group):
            (must if member.required else may)[key] = group(member, full=full)
        elif not (member.never and not member.unless) and member.owner == "sender":
            needed = bool(member.required or member.least) or (full and (member.default is not None or key in FILLED))
            (must if needed else may)[key] = entries(member)
    return st.fixed_dictionaries(must, optional=may)


FILLED = {"service", "accord", "par", "le", "canal_sur"}  # what comes back although it was left out


def entries(field: Field) -> SearchStrategy[Any]:
    if field.group:
        return st.lists(group(field.group, full=False), min_size=1, max_size=3)
    one = value_of(field.name, field)
    return st.lists(one, min_size=1, max_size=4, unique=True) if field.most else one


def shape_of(name: str) -> Group:
    mapping = DOCUMENTS[name]
    return mapping.program(facts().systems).shape


def sorted_needs(record: dict[str, Any]) -> dict[str, Any]:
    """Needs of sensitivity 3 come after the others: their order is not part of the record, nor are empty groups."""
    filled = {key: sorted_needs(value) if isinstance(value, dict) else value for key, value in record.items()}
    return {key: sorted(value) if key in ("besoins", "motifs") else value for key, value in filled.items() if value != {}}


def valid(resources: list[dict[str, Any]]) -> None:
    for resource in resources:
        json.dumps(resource).encode()
        assert [issue for issue in fhir_check(resource) if issue.severity in ("error", "fatal")] == []


def there_and_back(mapping: Mapping, record: dict[str, Any]) -> dict[str, Any]:
    mapped = mapping.to_fhir(record, context=facts())
    valid(mapped.resources)
    back = mapping.from_fhir(mapped.resources, context=facts())
    again = mapping.to_fhir(back, context=facts())
    assert sorted_needs(mapping.from_fhir(again.resources, context=facts())) == sorted_needs(back)
    return back


@given(record=group(shape_of("appel-coursier"), full=True))
def test_call_of_the_declared_shape_becomes_valid_fhir_and_comes_back_the_same(record: dict[str, Any]) -> None:
    assert sorted_needs(there_and_back(DOCUMENTS["appel-coursier"], record)) == sorted_needs(record)


@given(record=group(shape_of("fiche-st-eloi"), full=True))
def test_form_of_the_declared_shape_becomes_valid_fhir_and_comes_back_the_same(record: dict[str, Any]) -> None:
    assert sorted_needs(there_and_back(DOCUMENTS["fiche-st-eloi"], record)) == sorted_needs(record)


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
        mapped = mapping.to_fhir(record, context=facts())
    except RecordRefused as refused:
        for error, issue in zip(refused.problems, refused.issues, strict=True):
            assert _PATH.fullmatch(error.path) and issue.expression == error.path
            assert re.fullmatch(r"[a-z/-]+\.yaml:\d+", error.document)
        return
    valid(mapped.resources)
    mapping.from_fhir(mapped.resources, context=facts())


@pytest.mark.parametrize("name", ["appel-coursier", "fiche-st-eloi"])
@given(draw=st.data())
def test_damaged_record_maps_or_is_refused_with_paths(name: str, draw: Any) -> None:
    maps_or_is_refused(DOCUMENTS[name], draw.draw(damaged(CALL if name == "appel-coursier" else FORM)))


@pytest.mark.parametrize("name", ["appel-coursier", "fiche-st-eloi"])
@given(record=anything)
def test_anything_at_all_is_refused_with_paths(name: str, record: Any) -> None:
    maps_or_is_refused(DOCUMENTS[name], record)


@pytest.mark.parametrize("name", ["appel-coursier", "fiche-st-eloi"])
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
