"""The language of a view file to its edges: what naming a datatype gives, selectors, dates, cards, lines of errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from adapter.names import SDOHCC_CODES, SNOMED
from adapter.views import Facts, View, card, etag, load_view, pairwise, project
from adapter.views.card import _address
from adapter.views.elements import Leaf, Step, leaves, steps_of
from adapter.views.glass import of_now
from adapter.views.load import load_labels
from adapter.views.matrix import load_matrix
from adapter.views.r4 import RESOURCES
from tests.unit.views.looks import (
    MESSAGE,
    NEEDS,
    ROOT,
    SYSTEMS,
    TASK,
    VIEWS,
    author,
    coded,
    facts,
    key,
    of,
    other,
    see,
)  # fmt: skip

FOLDER = ROOT / "mappings" / "views"
MATRIX = load_matrix((FOLDER / "matrix.yaml").read_text("utf-8"))
LABELS = load_labels((FOLDER / "labels.yaml").read_text("utf-8"))


def trial(listed: dict[str, list[str]], *, ids: str = "pairwise", card: dict[str, Any] | None = None, sensitivity: int | None = None) -> View:
    """A view of the house itself that lists these paths always, whatever the matrix gives."""
    elements = {kind: {path.partition(" ")[0]: ("structure", False) for path in paths} for kind, paths in listed.items()}
    resources = {kind: {path.partition(" ")[0]: f"structure always {path.partition(' ')[2]}" for path in paths} for kind, paths in listed.items()}
    head = {"view": "t", "version": 1, "recipient": "dossier-clinique", "title": {"fr": "Essai", "en": "Trial"}, "profile": "drop", "subsetted": False, "ids": ids}
    more = {"sensitivity": sensitivity} if sensitivity is not None else {}
    text = yaml.safe_dump(head | {"resources": resources, "card": card or {}} | more, sort_keys=False)
    return load_view(text, name="t.yaml", matrix=replace(MATRIX, elements=elements), labels=LABELS)


def seen(listed: dict[str, list[str]], resource: dict[str, Any], look: Facts | None = None, **more: Any) -> Any:
    shown = project(resource, trial(listed, **more), facts=look or facts())
    return shown and {name: value for name, value in shown.items() if name != "resourceType"}


def carded(listed: dict[str, list[str]], spec: Any, resources: list[dict[str, Any]], **more: Any) -> Any:
    """What a card with one key shows of these resources, already projected."""
    view = trial(listed, card={"it": spec})
    return card(view, resources, facts=facts(**more), lang="fr").get("it")


# ── what naming a datatype gives ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("kind", "path", "given"), [
    ("Task", "code", "code.coding.system code.coding.code"), ("Consent", "provision.purpose", "provision.purpose.system provision.purpose.code"),
    ("Task", "focus", "focus.reference"), ("Task", "groupIdentifier", "groupIdentifier.system groupIdentifier.value"),
    ("Task", "executionPeriod", "executionPeriod.start executionPeriod.end"), ("Patient", "telecom", "telecom.system telecom.value telecom.use"),
    ("Patient", "name", "name.use name.prefix name.given name.family"), ("Patient", "address", "address.use address.line address.postalCode address.city"),
])  # fmt: skip
def test_datatype_opens_to_these_elements_and_no_other(kind: str, path: str, given: str) -> None:
    assert [".".join(step.name for step in leaf.steps) for leaf in leaves(kind, path)] == given.split()


@pytest.mark.parametrize("kind", ["string", "boolean", "code", "date", "dateTime", "instant", "integer", "decimal", "uri"])
def test_open_choice_takes_every_simple_type(kind: str) -> None:
    path = f"input.value{kind[0].upper()}{kind[1:]}"
    assert leaves("Task", path) == [Leaf((Step("input"), Step(path.partition(".")[2])), ("BackboneElement", kind))]


@pytest.mark.parametrize("kind", ["Attachment", "Quantity"])
def test_open_choice_of_a_wide_type_is_listed_inside(kind: str) -> None:
    with pytest.raises(ValueError, match=f"is a {kind}: list the elements inside"):
        leaves("Task", f"input.value{kind}")


def test_id_is_an_element_of_every_resource() -> None:
    assert leaves("Patient", "id") == [Leaf((Step("id", ""),), ("id",))]


@pytest.mark.parametrize("kind", ["HumanName", "Address", "Identifier", "Coding", "Reference", "Nothing"])
def test_datatype_is_no_resource_of_a_view(kind: str) -> None:
    assert kind not in RESOURCES
    with pytest.raises(ValueError, match="expected one of Appointment, CareTeam"):
        leaves(kind, "id")


@pytest.mark.parametrize(("path", "said"), [
    ("*", "without wildcard"), ("name.*", "without wildcard"), ("telecom[*]", "without wildcard"), ("birthDate.", "expected dotted element names"),
    ("deceased[x]", "name the type of a choice element"), ("", "expected the path of an element"), (".name", "expected dotted element names"),
    ("extension[urn:x].valueString", "listed last and by its url"), ("extension", "listed last and by its url"), ("birthDate[phone]", "a date cannot be selected by"),
    ("contact[phone]", "a BackboneElement cannot be selected by"), ("contact", "is a BackboneElement: list the elements inside"),
])  # fmt: skip
def test_path_is_refused_in_words_that_say_what_is_wrong(path: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        leaves("Patient", path)


@pytest.mark.parametrize(("kind", "path"), [
    ("Task", "code[snomed]"), ("Consent", "provision.purpose[snomed]"), ("Patient", "identifier[nir]"), ("Patient", "telecom[email]"), ("Patient", "name[usual]"),
])  # fmt: skip
def test_selector_may_stand_at_what_has_a_system_or_a_use(kind: str, path: str) -> None:
    assert path.partition("[")[2].rstrip("]") in {step.selector for step in leaves(kind, path)[0].steps}


def test_steps_of_a_path_have_a_selector_only_where_one_is_said() -> None:
    assert steps_of("a[b].c") == (Step("a", "b"), Step("c"))
    assert Step("c") == Step("c", "")


# ── selectors ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("selector", "system"), [("sdohcc", SDOHCC_CODES), ("snomed", SNOMED), ("need-result", SYSTEMS.code("need-result"))])
def test_selector_of_a_code_is_that_of_its_system(selector: str, system: str) -> None:
    concepts = [{"coding": [{"system": "urn:x", "code": "a"}, {"system": system, "code": "b"}]}, {"coding": [{"system": "urn:x", "code": "c"}]}, {"coding": "x"}]
    assert seen({"ServiceRequest": [f"orderDetail[{selector}]"]}, {"resourceType": "ServiceRequest", "orderDetail": concepts}) == {
        "orderDetail": [{"coding": [{"system": system, "code": "b"}]}]
    }


@pytest.mark.parametrize(("selector", "value"), [("phone", "+33261910012"), ("email", "dr@saint-eloi.example")])
def test_selector_of_a_contact_is_its_kind(selector: str, value: str) -> None:
    telecom = [{"system": "phone", "value": "+33261910012"}, {"system": "email", "value": "dr@saint-eloi.example"}, {"system": "fax", "value": "1"}]
    assert seen({"Practitioner": [f"telecom[{selector}]"]}, {"resourceType": "Practitioner", "telecom": telecom}) == {"telecom": [{"system": selector, "value": value}]}


@pytest.mark.parametrize("code", ["NH", "NSS", "SS", "SB", "INS", "INS-NIR", "INS-NIA", "INS-C"])
def test_number_is_a_social_security_number_by_its_type(code: str) -> None:
    numbers = [{"system": "urn:s", "value": "x", "type": other("http://terminology.hl7.org/CodeSystem/v2-0203", code)}, {"system": "urn:ipp", "value": "42"}]
    patient = {"resourceType": "Patient", "identifier": numbers}
    assert seen({"Patient": ["identifier[local]"]}, patient) == {"identifier": [{"system": "urn:ipp", "value": "42"}]}
    assert seen({"Patient": ["identifier[nir]"]}, patient) == {"identifier": [{"system": "urn:s", "value": "x"}]}


@pytest.mark.parametrize("kind", ["x", {"coding": "NH"}, {"coding": ["NH"]}, {"text": "NH"}])
def test_number_with_a_type_that_cannot_be_read_is_local(kind: Any) -> None:
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:s", "value": "x", "type": kind}]}
    assert seen({"Patient": ["identifier[local]"]}, patient) == {"identifier": [{"system": "urn:s", "value": "x"}]}


def test_usual_name_is_chosen_for_all_that_is_listed_of_names() -> None:
    names = [{"use": "official", "family": "Dupont", "text": "Dupont"}, {"use": "usual", "family": "Durand", "text": "Durand"}]
    assert seen({"Patient": ["name[usual]", "name.text"]}, {"resourceType": "Patient", "name": names})["name"] == [{"use": "usual", "family": "Durand", "text": "Durand"}]


def test_official_name_is_shown_where_there_is_no_other() -> None:
    names = [{"use": "maiden", "family": "Martin"}, {"use": "official", "family": "Dupont"}, {"use": "official", "family": "Durand"}]
    assert seen({"Patient": ["name[usual]"]}, {"resourceType": "Patient", "name": names})["name"] == [{"use": "official", "family": "Dupont"}]


def test_name_of_another_use_is_none_that_a_person_goes_by() -> None:
    assert seen({"Patient": ["name[usual]", "id"]}, {"resourceType": "Patient", "id": "p", "name": [{"use": "maiden", "family": "Martin"}]}, ids="local") == {"id": "p"}


def test_entry_that_two_selectors_mean_is_one_entry() -> None:
    both = {"coding": [*coded("relation", "voisin")["coding"], *coded("age-class", "60-74")["coding"]]}
    listed = [f"orderDetail[{table}]{more}" for table in ("relation", "age-class") for more in ("", ".text label")]
    shown = seen({"ServiceRequest": listed}, {"resourceType": "ServiceRequest", "orderDetail": [both]})["orderDetail"]
    assert [each["coding"] for each in shown] == [both["coding"]] and isinstance(shown[0]["text"], str)


@pytest.mark.parametrize("value", [7, 2.5, True, "x"])
def test_extension_gives_any_simple_value(value: Any) -> None:
    given = [{"url": "urn:a", "valueX": value, "other": value}]
    assert seen({"Patient": ["extension[urn:a]"]}, {"resourceType": "Patient", "extension": given}) == {"extension": [{"url": "urn:a", "valueX": value}]}


# ── what is of now ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("entry", "now"), [
    ({"period": {"end": "2026-03-05"}}, False), ({"period": {"end": "2026-03-06"}}, True), ({"period": {"end": "2026-03-05T23:59:59+01:00"}}, False),
    ({"period": {"end": "2026-03-06T00:00:01+01:00"}}, True), ({"period": {"end": "2026-02"}}, False), ({"period": {"end": "2026-03"}}, True), ({"period": {"end": "2025"}}, False),
    ({"period": {"end": "2026"}}, True), ({"period": {"start": "2026-04-01"}}, True), ({"use": "old"}, False), ({"use": "old", "period": {"end": "2030"}}, False),
    ({"period": {"end": 3}}, True), ({"period": "x"}, True), ("x", True), (None, True),
])  # fmt: skip
def test_entry_is_of_now_until_the_day_on_which_it_ended(entry: Any, now: bool) -> None:
    assert of_now(entry, "2026-03-06") is now


@pytest.mark.parametrize("name", ["address", "identifier", "name", "telecom"])
def test_old_entries_of_a_person_stay_behind(name: str) -> None:
    of_old = {"use": "old", "system": "phone", "value": "1", "family": "a", "city": "a"}
    entry = {"system": "phone", "value": "2", "family": "b", "city": "b"}
    shown = seen({"Patient": [name]}, {"resourceType": "Patient", name: [of_old, entry]})
    assert len(shown[name]) == 1 and "a" not in shown[name][0].values() and "1" not in shown[name][0].values()


# ── needs ────────────────────────────────────────────────────────────────────────────────────────
REASONS = {"ServiceRequest": ["reasonCode"]}


def reasons(*codes: str, **more: Any) -> list[str]:
    request = {"resourceType": "ServiceRequest", "reasonCode": [coded("need", code) for code in codes]}
    shown = seen(REASONS, request, more.pop("look", None), **more)
    return [concept["coding"][0]["code"] for concept in (shown or {}).get("reasonCode", [])]


def test_need_stored_by_its_neutral_code_is_named_by_the_permit_that_names_what_it_stands_for() -> None:
    assert NEEDS["impayes-loyer"].neutral == "maintien-logement"
    assert reasons("maintien-logement", look=facts("impayes-loyer")) == ["maintien-logement"]
    assert reasons("maintien-logement", look=facts("isolement")) == []


def test_need_that_no_table_knows_spoils_no_other() -> None:
    assert reasons("isolement", "mystere", look=facts("isolement", "mystere")) == ["isolement"]
    assert reasons("isolement", look=facts("isolement", terms={})) == []


@pytest.mark.parametrize("basis", ["self", "author"])
def test_need_of_sensitivity_3_is_shown_to_the_person_and_to_whom_asked(basis: Any) -> None:
    assert reasons("violences", look=facts("violences", basis=basis, needs=None)) == ["mise-en-securite"]
    assert reasons("violences", look=facts("violences", basis="team", needs=None)) == []


@pytest.mark.parametrize(("highest", "shown"), [(1, []), (2, ["maintien-logement"]), (3, ["maintien-logement"])])
def test_need_is_shown_up_to_the_sensitivity_of_the_view(highest: int, shown: list[str]) -> None:
    assert NEEDS["expulsion"].sensitivity == 2
    assert reasons("expulsion", look=author("expulsion", tick=True), sensitivity=highest) == shown


def test_need_that_is_no_text_is_not_shown() -> None:
    concept = {"coding": [{"system": SYSTEMS.code("need"), "code": ["isolement"]}]}
    assert seen(REASONS, {"resourceType": "ServiceRequest", "reasonCode": [concept]}, facts("isolement")) is None


# ── labels made from codes ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("codings", "said"), [
    ([{"system": "urn:x"}, {"system": "urn:x", "code": "b"}], "b"), ([{"system": "urn:x", "code": "b"}, {"system": SYSTEMS.code("status-reason"), "code": "hors-territoire"}], "Hors du territoire du service"),
    ({"system": "urn:x", "code": "b"}, "b"), ([{"system": SYSTEMS.code("status-reason"), "code": "no-such"}], "no-such"),
])  # fmt: skip
def test_text_of_a_code_is_the_label_of_ours_else_the_first_code(codings: Any, said: str) -> None:
    shown = seen({"Task": ["statusReason", "statusReason.text label"]}, {**TASK, "statusReason": {"coding": codings, "text": "never"}})
    assert shown["statusReason"]["text"] == said


# ── cards ────────────────────────────────────────────────────────────────────────────────────────
def test_card_leaves_out_what_is_empty() -> None:
    patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "", "given": ["", "Jeanne"]}]}
    listed = {"Patient": ["name", "id"]}
    assert carded(listed, "Patient.name.family", [patient]) is None
    assert carded(listed, ["Patient.name.family", "Patient.name.given"], [patient]) == "Jeanne"
    assert carded(listed, "Patient.name.given | list", [patient]) == ["Jeanne"]
    assert carded(listed, {"family": "Patient.name.family"}, [patient]) is None


def test_card_of_facts_that_say_nothing_has_nothing_of_them() -> None:
    bare = Facts("offer", "consent", None, frozenset(), {}, key)
    assert card(VIEWS["saad"], [], facts=bare, lang="fr") == {"view": "saad", "version": VIEWS["saad"].version}


def test_card_speaks_of_each_message_for_itself() -> None:
    listed = {"Communication": ["sent", "payload.contentString"], "Task": ["status"]}
    spec = {"each": "Communication", "sent": "Communication.sent", "text": "Communication.payload.contentString", "state": "Task.status"}
    second, empty = {**MESSAGE, "id": "m2", "sent": "2026-03-10", "payload": [{"contentString": "Mercredi."}]}, {"resourceType": "Communication", "id": "m3"}
    made = carded(listed, spec, [MESSAGE, second, empty, TASK])
    assert [each.get("text") for each in made] == ["Je passe mardi.", "Mercredi.", None] and {each["state"] for each in made} == {"requested"}
    assert carded({"Communication": ["sent"]}, {"each": "Communication", "sent": "Communication.sent"}, [empty]) is None


def test_card_follows_references_to_what_is_shown_and_to_nothing_else() -> None:
    listed = {"Task": ["owner", "status"], "HealthcareService": ["name", "providedBy"], "Organization": ["name"]}
    unit = {"resourceType": "HealthcareService", "id": "u", "name": "Unité", "providedBy": {"reference": "Organization/o"}}
    house = {"resourceType": "Organization", "id": "o", "name": "Maison"}
    task = {"resourceType": "Task", "id": "t", "status": "requested", "owner": {"reference": "HealthcareService/u"}}
    way = "Task.owner > HealthcareService.providedBy > Organization.name"
    assert carded(listed, way, [task, unit, house]) == "Maison"
    assert carded(listed, way, [task, unit]) is None and carded(listed, way, [task]) is None
    assert carded(listed, "Task.owner > Organization.name", [task, unit, house]) is None  # the owner is no Organization
    assert carded(listed, "Task.status > Organization.name", [task, unit, house]) is None  # no reference at all


def test_card_says_the_display_of_a_reference_whose_name_is_not_shown() -> None:
    assert carded({"Task": ["owner"]}, "Task.owner", [{"resourceType": "Task", "owner": {"display": "un service de soins"}}]) == "un service de soins"


def test_card_says_the_label_of_the_first_code_that_a_table_has() -> None:
    listed = {"ServiceRequest": ["reasonCode"], "Patient": ["gender"]}
    mixed = {"coding": [{"system": "urn:x", "code": "a"}, *coded("need", "isolement")["coding"]]}
    request = {"resourceType": "ServiceRequest", "reasonCode": [other("urn:x", "a"), mixed, {"text": "x"}, {"coding": "x"}]}
    assert carded(listed, "ServiceRequest.reasonCode | label | list", [request]) == ["Isolement"]
    assert carded(listed, "ServiceRequest.reasonCode | code", [{**request, "reasonCode": [{"text": "x"}, mixed]}]) == "a"
    woman = {"resourceType": "Patient", "gender": "female"}
    assert carded(listed, "Patient.gender | label gender", [woman]) == "femme" and carded(listed, "Patient.gender | label", [woman]) == "female"


def test_card_takes_what_a_selector_means() -> None:
    listed = {"Practitioner": ["telecom"]}
    doctor = {"resourceType": "Practitioner", "telecom": [{"system": "email", "value": "e"}, {"system": "phone", "value": "1"}, "x"]}
    assert carded(listed, "Practitioner.telecom[phone].value", [doctor]) == "1"


@pytest.mark.parametrize(("name", "said"), [
    ({"given": ["Jeanne", "Marie"], "family": "Durand"}, "J. D."), ({"family": "durand"}, "D."), ({"given": ["", "Marie"], "family": "Durand"}, "D."),
    ({"given": [3], "family": ""}, None), ({"text": "Jeanne Durand"}, None), ("Jeanne", None),
])  # fmt: skip
def test_initials_are_of_the_first_given_name_and_the_family_name_of_an_accepted_file(name: Any, said: str | None) -> None:
    patient = {"resourceType": "Patient", "name": [name]}
    assert carded({"Patient": ["name"]}, "Patient.name | initials", [patient], accepted=True) == said
    assert carded({"Patient": ["name"]}, "Patient.name | initials", [patient]) is None


def test_address_on_one_line_has_no_empty_part() -> None:
    assert _address({"line": ["", "12 rue de l'Exemple"], "postalCode": "", "city": "Rouen"}) == "12 rue de l'Exemple, Rouen"


@pytest.mark.parametrize("lang", ["fr", "de"])
def test_telling_name_is_replaced_in_french_where_the_language_is_not_spoken(lang: str) -> None:
    look = facts(telling={"HealthcareService/u1": "1"}, lang=lang)
    assert of("HealthcareService", see("prescripteur", replace(look, basis="author", needs=None)))["name"] == "un service de soins"


# ── ids and tags that outlive a version of the software ──────────────────────────────────────────
def test_id_of_a_recipient_is_fixed_for_the_life_of_a_task() -> None:
    assert pairwise(b"key", "unit", "Task", "1") == "jtike2m4gc4wbygdbnsndil6ty"
    assert {len(pairwise(b"key", "unit", "Task", str(number))) for number in range(200)} == {26}


def test_tag_of_a_card_is_fixed_while_the_card_is() -> None:
    assert etag({"b": [1, 2], "a": "é"}) == "9cfb1f938a87f2b8f3b8cc429c7a0911"
