from __future__ import annotations

from typing import Any

import pytest

from adapter.ehr import Differs, HttpEhrClient, Matched, Several, match_identified, match_patient
from adapter.ehr.fake import FakeEhr, Fault
from adapter.names import NIR
from tests.unit.ehr.shapes import Resource, patient

IPP = "https://clinic.example/ipp"


def planted(ehr: FakeEhr, *resources: Resource) -> list[str]:
    return [one["id"] for one in ehr.plant(*resources)]


def unnumbered(**more: Any) -> Resource:
    return {key: part for key, part in patient(**more).items() if key != "identifier"}


def name(family: str, *given: str, use: str | None = "official") -> dict[str, Any]:
    return {"family": family, "given": list(given), **({"use": use} if use else {})}


# ── by number ────────────────────────────────────────────────────────────────────────────────────
def test_match_finds_the_patient_by_hospital_number_where_nothing_speaks_against_it(client: HttpEhrClient, ehr: FakeEhr) -> None:
    names = [name("Martin", "JEANNE", use="usual"), name("LEFEVRE NOEL", "Jeanne")]
    [id, _] = planted(ehr, patient(name=names), patient(identifier=[{"system": IPP, "value": "43"}]))
    assert match_patient(client, patient()) == Matched(id)


@pytest.mark.parametrize(
    ("more", "trait"),
    [({"name": [name("Durand", "Jeanne")]}, "family"), ({"name": [name("Lefèvre-Noël", "Paul")]}, "given"), ({"birthDate": "1938-02-04"}, "birthDate"), ({"gender": "male"}, "gender")],
)
def test_match_asks_a_person_when_the_number_agrees_and_a_trait_does_not(client: HttpEhrClient, ehr: FakeEhr, more: Resource, trait: str) -> None:
    [id, _] = planted(ehr, patient(**more), unnumbered())  # who has the same traits and no number is not taken instead
    assert match_patient(client, patient()) == Differs(id, (trait,))


def test_match_is_several_when_two_records_carry_the_number(client: HttpEhrClient, ehr: FakeEhr) -> None:
    planted(ehr, patient(), patient())
    assert match_patient(client, patient()) == Several(2)


NEW = [{"system": IPP, "value": "43"}, {"system": IPP, "value": "42", "use": "old"}]


def test_match_follows_a_number_that_the_ehr_keeps_as_an_old_one(client: HttpEhrClient, ehr: FakeEhr) -> None:
    [id] = planted(ehr, patient(identifier=NEW))
    assert match_patient(client, patient()) == Matched(id)


def test_match_follows_our_old_number_while_the_ehr_still_uses_it(client: HttpEhrClient, ehr: FakeEhr) -> None:
    [id] = planted(ehr, patient())
    assert match_patient(client, patient(identifier=NEW)) == Matched(id)


@pytest.mark.parametrize("more", [{"birthDate": "1938-02-04"}, {"name": [name("Durand", "Paul")]}])
def test_match_does_not_follow_an_old_number_to_somebody_else(client: HttpEhrClient, ehr: FakeEhr, more: Resource) -> None:
    planted(ehr, patient(identifier=NEW, **more))
    assert match_patient(client, patient()) is None


def test_match_takes_who_has_the_number_now_before_who_had_it(client: HttpEhrClient, ehr: FakeEhr) -> None:
    [id, _] = planted(ehr, patient(), patient(identifier=NEW))
    assert match_patient(client, patient()) == Matched(id)


def test_match_accepts_a_birth_date_that_is_less_precise(client: HttpEhrClient, ehr: FakeEhr) -> None:
    [id] = planted(ehr, patient(birthDate="1938-02"))
    assert match_patient(client, patient()) == Matched(id)


@pytest.mark.parametrize("more", [{"active": False}, {"link": [{"type": "replaced-by", "other": {"reference": "Patient/9"}}]}])
def test_match_passes_over_a_record_that_was_closed_or_replaced_Y_23(client: HttpEhrClient, ehr: FakeEhr, more: Resource) -> None:
    planted(ehr, patient(**more))
    assert match_patient(client, patient()) is None


def test_match_believes_no_server_that_ignores_the_parameter(client: HttpEhrClient, ehr: FakeEhr) -> None:
    stranger = patient(id="9", identifier=[{"system": IPP, "value": "99"}])
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": stranger}]}
    ehr.inject(Fault("answer", status=200, body=page, times=None))
    assert match_patient(client, patient()) is None


def test_match_ignores_a_number_that_is_no_longer_used(client: HttpEhrClient, ehr: FakeEhr) -> None:
    planted(ehr, patient(name=[name("Durand", "Paul")], birthDate="1950-01-01"))
    old = patient(identifier=[{"system": IPP, "value": "42", "use": "old"}])
    assert match_patient(client, old) is None


# ── never by the national number ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("system", [NIR, "urn:oid:1.2.250.1.213.1.4.10"])
def test_match_never_goes_by_the_national_number_alone(client: HttpEhrClient, ehr: FakeEhr, system: str) -> None:
    number = [{"system": system, "value": "238027511600185"}]
    planted(ehr, patient(identifier=number, name=[name("Durand", "Paul")]))
    assert match_patient(client, patient(identifier=number)) is None
    assert all("238027511600185" not in recorded.body + recorded.path for recorded in ehr.requests)


# ── by traits ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "names",
    [
        [name("Lefèvre-Noël", "Jeanne")],
        [name("LEFEVRE-NOEL", "JEANNE", "Anne")],
        [name("Martin", "Jeanne", use="usual"), name("Lefèvre-Noël", "Jeanne")],
        [name("Martin", "Jeanne"), name("Lefèvre-Noël", "Jeanne", use="maiden")],
        [name("Lefèvre-Noël", "Jeanne", use=None)],
    ],
)
def test_match_finds_by_birth_name_given_name_birth_date_and_sex(client: HttpEhrClient, ehr: FakeEhr, names: list[Any]) -> None:
    [id] = planted(ehr, unnumbered(name=names))
    assert match_patient(client, patient()) == Matched(id)


@pytest.mark.parametrize(
    "more",
    [
        {"name": [name("Lefèvre", "Jeanne")]},
        {"name": [name("Lefèvre-Noël", "Marie", "Jeanne")]},
        {"name": [name("Lefèvre-Noël", "Jeanne", use="usual")]},
        {"birthDate": "1938-02-04"},
        {"birthDate": "1938"},
        {"gender": "male"},
        {"identifier": [{"system": IPP, "value": "43"}]},
    ],
)
def test_match_is_none_when_one_trait_differs(client: HttpEhrClient, ehr: FakeEhr, more: Resource) -> None:
    planted(ehr, unnumbered() | more)
    assert match_patient(client, patient()) is None


@pytest.mark.parametrize("missing", ["name", "birthDate", "gender"])
def test_match_does_not_even_ask_when_a_trait_is_not_known(client: HttpEhrClient, ehr: FakeEhr, missing: str) -> None:
    planted(ehr, unnumbered())
    assert match_patient(client, {key: part for key, part in unnumbered().items() if key != missing}) is None
    assert ehr.requests == []


def test_match_is_several_when_twins_of_one_name_are_there(client: HttpEhrClient, ehr: FakeEhr) -> None:
    planted(ehr, unnumbered(), unnumbered())
    assert match_patient(client, unnumbered()) == Several(2)


def test_match_looks_at_every_page(ehr: FakeEhr, connect: Any) -> None:
    planted(ehr, *[unnumbered(name=[name("Lefèvre-Noël", given)]) for given in ("Anne", "Berthe", "Claire")])
    [id] = planted(ehr, unnumbered())
    assert match_patient(connect(ehr.base_url, page_size=1), patient()) == Matched(id)


def test_match_sends_names_in_no_url(client: HttpEhrClient, ehr: FakeEhr) -> None:
    match_patient(client, patient())
    assert ehr.requests and all("?" not in recorded.path for recorded in ehr.requests)


# ── organisations and people of the trade ────────────────────────────────────────────────────────
def test_match_links_an_organisation_by_any_of_its_identifiers(client: HttpEhrClient, ehr: FakeEhr) -> None:
    other = {"resourceType": "Organization", "identifier": [{"system": "https://sirene.fr", "value": "2"}]}
    [id, _] = planted(ehr, {"resourceType": "Organization", "identifier": [{"system": "https://sirene.fr", "value": "1"}]}, other)
    assert match_identified(client, "Organization", [("https://finess.example", "9"), ("https://sirene.fr", "1")]) == Matched(id)
    assert match_identified(client, "Organization", [("https://sirene.fr", "1"), ("https://sirene.fr", "2")]) == Several(2)
    assert match_identified(client, "Organization", [("https://sirene.fr", "3")]) is None
    assert match_identified(client, "Organization", []) is None


@pytest.mark.parametrize("there", ["http://finess.esante.gouv.fr", "http://finess.sante.gouv.fr", "https://finess.esante.gouv.fr"])
def test_match_links_an_organisation_whatever_the_ehr_calls_the_system(client: HttpEhrClient, ehr: FakeEhr, there: str) -> None:
    [id] = planted(ehr, {"resourceType": "Organization", "identifier": [{"system": there, "value": "760000010"}]})
    assert match_identified(client, "Organization", [("https://finess.esante.gouv.fr", "760000010")]) == Matched(id)
    assert match_identified(client, "Organization", [("https://finess.esante.gouv.fr", "760000028")]) is None
