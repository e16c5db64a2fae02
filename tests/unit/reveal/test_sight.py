"""The facts of a look: what a view is told of a referral and of who looks (workflow.md 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapter.mapping import Terms
from adapter.names import SDOHCC_CODES
from adapter.network import Network
from adapter.ports import Decision
from adapter.referral.spoken import of_task
from adapter.sight import Sight, unsafe_contact
from adapter.views import Facts, Need, pairwise
from tests.e2e.stage import COURSIER, GP
from tests.unit.reveal.scene import PERMIT, Scene, played


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


def facts(scene: Scene, name: str = "open", decision: Decision = PERMIT, who: Any = COURSIER, lang: str = "fr", **more: Any) -> Facts:
    """What `who` is told of the referral; `more`: elements of it, and `unsafe`, `stage`."""
    given = {"stage": more.pop("stage", "open"), "lang": lang} | ({"unsafe": more.pop("unsafe")} if "unsafe" in more else {})
    dossier = scene.dossier(name, **more)
    return scene.on(lambda window, uow: window.sight.facts(uow, who, dossier, decision, holder="coursier-rouen", **given))


def needs(*codes: str) -> frozenset[str]:
    return frozenset(f"https://liaison.example/code/need|{code}" for code in codes)


# ── what the permit says ─────────────────────────────────────────────────────────────────────────
def test_facts_carry_the_stage_the_language_and_the_spoken_reference(scene: Scene) -> None:
    found = facts(scene, stage="closed", lang="en")
    assert (found.stage, found.lang, found.reference) == ("closed", "en", of_task(scene.dossier("open").task))


@pytest.mark.parametrize(("rule", "basis"), [
    ("S1", "consent"), ("basis:author", "author"), ("basis:team", "team"), ("basis:self", "self"), ("basis:urgency", "consent"), ("author", "consent"),
])  # fmt: skip
def test_facts_name_the_basis_that_permitted_and_consent_for_any_other(scene: Scene, rule: str, basis: str) -> None:
    assert facts(scene, decision=replace(PERMIT, rule=rule)).basis == basis


def test_facts_hold_the_needs_that_the_permit_names(scene: Scene) -> None:
    asked = facts(scene).asked
    assert {each.rpartition("|")[2] for each in asked} == {"denutrition", "isolement"}
    named = frozenset(each for each in asked if "isolement" in each)
    assert facts(scene, decision=replace(PERMIT, codes=named)).needs == named
    assert facts(scene).needs is None
    assert facts(scene, decision=replace(PERMIT, rule="basis:author")).needs is None
    assert facts(scene, decision=replace(PERMIT, rule="basis:urgency")).needs == asked  # sensitive or not


def test_facts_ask_for_no_need_that_is_not_of_our_table(scene: Scene) -> None:
    concepts = [{"coding": [{"system": "http://snomed.info/sct", "code": "1"}, {"code": "isolement"}]}, {"text": "x"}]
    assert facts(scene, request={"reasonCode": concepts}).asked == frozenset()


@pytest.mark.parametrize(("status", "accepted"), [("draft", False), ("requested", False), ("accepted", True), ("in-progress", True), ("completed", True)])
def test_facts_say_whether_the_recipient_has_accepted(scene: Scene, status: str, accepted: bool) -> None:
    found = facts(scene, task={"status": status})
    assert getattr(found, "accepted", accepted) is accepted


def test_ids_are_those_that_the_holder_knows(scene: Scene) -> None:
    key = scene.on(lambda window, uow: window.writer.key)
    assert facts(scene).pairwise("Task", "t") == pairwise(key, "coursier-rouen", "Task", "t")


# ── who may read a message ───────────────────────────────────────────────────────────────────────
def test_messages_reach_the_organisation_the_person_and_the_unit_that_looks(scene: Scene) -> None:
    assert facts(scene).parties == {"Organization/asso-coursiers", "PractitionerRole/coursier-lea", "HealthcareService/coursier-rouen"}


def test_messages_to_its_requester_reach_the_practice_and_nobody_else(scene: Scene) -> None:
    requester = scene.dossier("open").request["requester"]["reference"]
    assert requester == "PractitionerRole/dr-exemple"
    secretary = replace(GP, person="secretaire-saint-eloi")
    assert requester in facts(scene, who=secretary).parties
    assert requester not in facts(scene).parties


def test_messages_from_nobody_reach_nobody(scene: Scene) -> None:
    """A message without sender, or with one that is none of ours, has the empty reference."""
    assert "" not in facts(scene, who=GP, request={"requester": {}}).parties
    assert "" not in facts(scene, who=GP, request={"requester": {"display": "Dr Exemple"}}).parties


# ── may the person be contacted ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("coding", "unsafe"), [
    ({"system": SDOHCC_CODES, "code": "contacting-subject-prohibited"}, True), ({"system": "urn:other", "code": "contacting-subject-prohibited"}, False),
    ({"system": SDOHCC_CODES, "code": "food-insecurity"}, False), ({}, False),
])  # fmt: skip
def test_contact_is_unsafe_where_the_request_says_so(scene: Scene, coding: dict[str, str], unsafe: bool) -> None:
    detail = {"orderDetail": [{"coding": [{"system": "urn:x", "code": "y"}, coding]}, {"text": "nothing coded"}]}
    assert unsafe_contact(detail) is unsafe
    assert facts(scene, request=detail).unsafe is unsafe


def test_contact_is_unsafe_where_another_referral_says_so(scene: Scene) -> None:
    assert facts(scene, unsafe=True).unsafe and not facts(scene).unsafe
    assert not unsafe_contact({})


# ── coarse place and age ─────────────────────────────────────────────────────────────────────────
def living(*addresses: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"patient": {"resourceType": "Patient", "address": list(addresses), **more}}


def at(insee: str = "", **more: str) -> dict[str, Any]:
    other = {"url": "https://example.org/other", "valueCoding": {"code": "75056"}}
    coded = {"url": "https://interop.esante.gouv.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code", "valueCoding": {"code": insee}}
    return more | ({"extension": [other, coded]} if insee else {})


@pytest.mark.parametrize(("address", "said"), [
    (at("76540", postalCode="76100"), "76100 Rouen"), (at("76540"), "Rouen"), (at("76001", postalCode="76190"), "département 76"),
    (at("97411", postalCode="97400"), "département 974"), (at(postalCode="27000"), "département 27"), (at("76001"), "département 76"), ({"city": "Rouen"}, ""),
])  # fmt: skip
def test_area_is_the_commune_where_it_is_large_enough_else_the_department(scene: Scene, address: dict[str, Any], said: str) -> None:
    assert facts(scene, **living(address)).area == said


def test_area_is_said_in_the_language_of_the_look(scene: Scene) -> None:
    assert facts(scene, lang="en", **living(at("76001"))).area == "department 76"


def test_area_is_that_of_the_address_of_now(scene: Scene) -> None:
    old = at("76498", postalCode="76140") | {"use": "old"}
    left = at("76498", postalCode="76140") | {"period": {"end": "2026-03-05"}}
    assert facts(scene, **living(old, left, at("76540", postalCode="76100"), at(postalCode="27000"))).area == "76100 Rouen"
    assert facts(scene, **living()).area == facts(scene, patient=None).area == ""


@pytest.mark.parametrize(("people", "said"), [(1999, "département 76"), (2000, "76000 Petite")])
def test_area_names_a_commune_of_2000_inhabitants_and_no_smaller_one(scene: Scene, people: int, said: str) -> None:
    terms = Terms.of({"c.yaml": f'table: commune\nlabels: {{fr: x, en: x}}\nproperties: {{inhabitants: n}}\ncodes:\n  "76001": {{fr: Petite, en: Small, inhabitants: {people}}}\n'})
    sight = Sight(scene.network, terms, scene.on(lambda window, uow: window.writer))
    assert sight._area(living(at("76001", postalCode="76000"))["patient"], date(2026, 3, 6), "fr") == said


def test_area_is_the_department_where_nobody_knows_how_many_live_there(scene: Scene) -> None:
    writer = scene.on(lambda window, uow: window.writer)
    unknown = Terms.of({"c.yaml": 'table: commune\nlabels: {fr: x, en: x}\ncodes:\n  "76001": {fr: Petite, en: Small}\n'})
    for terms in (unknown, Terms.of({})):
        assert Sight(scene.network, terms, writer)._area(living(at("76001"))["patient"], date(2026, 3, 6), "fr") == "département 76"


@pytest.mark.parametrize(("born", "lang", "said"), [("1938-02-03", "fr", "75 ans et plus"), ("1938-02-03", "en", "75 and over"), ("2000", "fr", "18 à 29 ans"), ("", "fr", "")])
def test_age_class_is_said_in_the_language_of_the_look(scene: Scene, born: str, lang: str, said: str) -> None:
    assert facts(scene, lang=lang, **living(birthDate=born)).age_class == said
    assert facts(scene, lang=lang, **living()).age_class == ""


def test_day_of_the_look_is_that_of_the_network_and_not_of_utc(scene: Scene) -> None:
    class Late:
        def __init__(self, uow: Any) -> None:
            self._uow, self.at = uow, datetime(2026, 3, 6, 23, 30, tzinfo=UTC)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._uow, name)

    dossier = scene.dossier("open")
    found = scene.on(lambda window, uow: window.sight.facts(Late(uow), COURSIER, dossier, PERMIT, holder="u", stage="open", lang="fr"))  # type: ignore[arg-type]
    assert found.on == "2026-03-07"


# ── needs and labels ─────────────────────────────────────────────────────────────────────────────
SMALL = """table: need
labels: {fr: x, en: x}
properties: {neutral: x, sensitivity: y}
codes:
  plain: {fr: Simple, en: Plain, neutral: other, sensitivity: 1}
  other: {fr: Autre, en: Other, neutral: other, sensitivity: 2}
  unsaid: {fr: Tue, en: Unsaid, neutral: unsaid}
"""


def small(scene: Scene) -> Sight:
    return Sight(scene.network, Terms.of({"n.yaml": SMALL}), scene.on(lambda window, uow: window.writer))


def test_need_travels_by_its_neutral_code_and_counts_as_most_sensitive_when_nothing_is_said(scene: Scene) -> None:
    sight = small(scene)
    assert sight._needs == {"plain": Need("other", 1), "other": Need("other", 2), "unsaid": Need("unsaid", 3)}
    assert [sight.sensitivity(code) for code in ("plain", "other", "unsaid", "nowhere")] == [1, 2, 3, 3]


def test_labels_are_those_of_every_table_in_both_languages(scene: Scene) -> None:
    assert small(scene)._labels == {"need": {"plain": {"fr": "Simple", "en": "Plain"}, "other": {"fr": "Autre", "en": "Other"}, "unsaid": {"fr": "Tue", "en": "Unsaid"}}}
    assert facts(scene).labels["need"]["isolement"]["en"] and facts(scene).terms["denutrition"].neutral == "aide-alimentaire"


# ── telling names ────────────────────────────────────────────────────────────────────────────────
def tellers(scene: Scene, network: Network) -> dict[str, str]:
    return Sight(network, Terms.of({}), scene.on(lambda window, uow: window.writer)).telling


def test_telling_is_the_house_its_units_and_its_people_each_with_a_phone_that_stands_for_it(scene: Scene) -> None:
    relay = next(unit.relay_phone for each in scene.network.organisations for unit in each.units if unit.key == "cmp-rouen")
    assert relay
    parties = ("Organization/centre-hospitalier-exemple", "HealthcareService/cmp-rouen", "Practitioner/as-cmp", "PractitionerRole/as-cmp")
    assert tellers(scene, scene.network) == dict.fromkeys(parties, relay) == facts(scene).telling


def test_telling_is_a_unit_alone_where_its_house_does_not_tell(scene: Scene) -> None:
    silent = tuple(replace(each, telling=False) for each in scene.network.organisations)
    found = tellers(scene, replace(scene.network, organisations=silent))
    assert set(found) == {"HealthcareService/cmp-rouen", "Practitioner/as-cmp", "PractitionerRole/as-cmp"}


def test_telling_house_without_a_relay_has_no_phone(scene: Scene) -> None:
    def house(each: Any) -> Any:
        return replace(each, units=tuple(replace(unit, relay_phone="") for unit in each.units))

    found = tellers(scene, replace(scene.network, organisations=tuple(map(house, scene.network.organisations))))
    assert found["Organization/centre-hospitalier-exemple"] == found["HealthcareService/cmp-rouen"] == ""


def test_telling_is_every_unit_of_a_house_that_tells_by_the_phone_of_the_first_that_has_one(scene: Scene) -> None:
    def house(each: Any) -> Any:
        if each.key != "centre-hospitalier-exemple":
            return each
        bare = replace(each.units[0], key="bare", telling=False, relay_phone="")
        return replace(each, units=(bare, *each.units, replace(each.units[0], key="last", telling=False, relay_phone="+33261910099")))

    people = (*scene.network.people, replace(scene.network.people[0], key="head", unit="", organisation="centre-hospitalier-exemple"))
    people += (replace(people[0], key="nurse", organisation="", unit="bare"),)
    found = tellers(scene, replace(scene.network, organisations=tuple(map(house, scene.network.organisations)), people=people))
    first = found["HealthcareService/cmp-rouen"]
    assert first and found["HealthcareService/bare"] == found["Organization/centre-hospitalier-exemple"] == first
    assert found["HealthcareService/last"] == "+33261910099"
    assert found["Practitioner/head"] == found["PractitionerRole/head"] == ""
    assert found["Practitioner/nurse"] == found["PractitionerRole/nurse"] == ""
    assert not any("dr-exemple" in party for party in found)
