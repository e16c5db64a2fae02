"""Why a place does not come out of a view: what came and what was left out are all there is, by the code of the door itself, and
each reason is the true one: with that one fact changed, the reason is gone."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from adapter.names import SDOHCC_CODES
from adapter.views import Facts, around_of, project
from adapter.views.elements import leaves
from adapter.views.view import STAGES
from adapter.views.why import REASONS, Examined, Left, examine, places, written
from adapter.views.words import LANGS, REASON, reason, when
from tests.property.test_views_project import ADDED, Seen, looks
from tests.unit.views.looks import (
    CONSENT,
    DIRECTORY,
    MESSAGE,
    PATIENT,
    PROCEDURE,
    REQUEST,
    TASK,
    VIEWS,
    all_facts,
    author,
    coded,
    facts,
    needs,
    other,
    paths,
)  # fmt: skip
from tests.unit.views.test_views_rows import FULL, LOOKS

MATRIX = around_of().matrix
MADE = {"sourceAttachment.hash", *ADDED}  # what a projection puts there itself; besides the labels of codes


def looked(view: str, look: Facts, resource: dict[str, Any]) -> Examined:
    return examine(resource, VIEWS[view], facts=look, matrix=MATRIX)


def named(place: str) -> str:
    return re.sub(r"\[\d+\]", "", place)


def whole(found: Examined, resource: dict[str, Any]) -> None:
    came, left = list(found.came), [each.place for each in found.left]
    assert sorted([*came, *left]) == sorted(map(written, places(resource)))  # each place once, none forgotten
    made = {path for path in paths(found.shown or {}) if path.endswith((".text", ".display"))} | MADE
    assert paths(found.shown or {}) - made <= {named(place) for place in came}


# ── by the code of the door ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("view", VIEWS)
def test_what_came_and_what_was_left_are_all_and_what_is_shown_is_what_the_view_shows(view: str) -> None:
    for look in LOOKS[::2]:
        for resource in FULL:
            before = copy.deepcopy(resource)
            found = looked(view, look, resource)
            assert found.shown == project(resource, VIEWS[view], facts=look) and resource == before
            whole(found, resource)


@given(looks())
def test_what_came_and_what_was_left_are_all_whatever_the_resource(seen: Seen) -> None:
    found = examine(seen.resource, seen.view, facts=seen.look, matrix=MATRIX)
    assert found.shown == seen.through()
    whole(found, seen.resource)
    json.dumps([each.about for each in found.left])


@pytest.mark.parametrize("view", ["coursier-dac-asso", "as-carsat", "prescripteur", "patient"])
def test_what_was_left_may_change_at_will_and_what_came_may_not(view: str) -> None:
    """The same said without any mark: left out is what no change of shows."""
    look = author() if view in ("prescripteur", "patient") else facts("acces-droits", "aidant", "denutrition")
    for resource in FULL:
        plain, found = project(resource, VIEWS[view], facts=look), looked(view, look, resource)
        for each in found.left:
            if named(each.place).rpartition(".")[2] not in ("system", "use") and each.why not in ("addressee", "label", "hash") and "type" not in each.place:
                assert project(changed(resource, each.place), VIEWS[view], facts=look) == plain, each
        for place in found.came:
            assert project(changed(resource, place), VIEWS[view], facts=look) != plain, (resource["resourceType"], place)


def changed(resource: dict[str, Any], place: str) -> dict[str, Any]:
    copied = copy.deepcopy(resource)
    *way, last = (int(number) if number else name for number, name in re.findall(r"\[(\d+)\]|([^.\[\]]+)", place))
    node: Any = copied
    for step in way:
        node = node[step]
    node[last] = not node[last] if isinstance(node[last], bool) else "Zyxchanged"
    return copied


# ── the true reason ──────────────────────────────────────────────────────────────────────────────
BEARER = {"telling": {"HealthcareService/u1": ""}}
TOLD = facts("acces-droits", "aidant", demanded=frozenset({"D3", "D9"}))
CASES: list[tuple[str, str, Facts, dict[str, Any], str, Left]] = [
    ("unlisted", "saad", facts(), PATIENT, "birthDate", Left("birthDate", "D2", "unlisted")),
    ("third", "as-carsat", facts("aidant"), PATIENT, "contact[0].name.family", Left("contact[0].name.family", "D9", "third")),
    ("empty", "saad", facts(), {**PATIENT, "birthDate": None, "address": [{"city": None}]}, "address[0].city", Left("address[0].city", "D1", "empty")),
    ("selector", "saad", facts(), PATIENT, "telecom[1].value", Left("telecom[1].value", "D1", "selector", ("phone",))),
    ("ended", "saad", facts(on="2026-03-06"), {**PATIENT, "address": [{"city": "Rouen", "period": {"end": "2025"}}]}, "address[0].city",
     Left("address[0].city", "D1", "ended")),
    ("usual", "saad", facts(), PATIENT, "name[0].family", Left("name[0].family", "D1", "usual")),
    ("type", "caf-cpam-msa", facts("acces-droits"), DIRECTORY[2], "name[0].family", Left("name[0].family", "D10", "type")),
    ("modifier", "saad", facts(), {**PATIENT, "modifierExtension": [{"url": "u"}]}, "birthDate", Left("birthDate", "D2", "modifier")),
    ("addressee", "saad", facts(parties=frozenset()), MESSAGE, "payload[0].contentString", Left("payload[0].contentString", "D12", "addressee")),
    ("sensitive", "dossier-clinique", author("violences"), TASK, "status", Left("status", "D12", "sensitive")),
    ("telling", "coursier-dac-asso", facts(**BEARER), DIRECTORY[3], "name", Left("name", "D11", "telling")),
    ("stage", "saad", facts("denutrition", stage="offer"), PATIENT, "name[1].family", Left("name[1].family", "D1", "stage", ("open",))),
    ("consent", "as-carsat", facts(basis="team"), PATIENT, "birthDate", Left("birthDate", "D2", "consent")),
    ("demand", "idel-ssiad", facts(), PATIENT, "identifier[1].value", Left("identifier[1].value", "D3", "demand")),
    ("need", "saad", facts(), DIRECTORY[0], "name", Left("name", "D10", "need", ("perte-autonomie", "retour-hospitalisation"))),
    ("safe", "saad", facts(unsafe=True), PATIENT, "address[0].city", Left("address[0].city", "D1", "safe")),
    ("mild", "dossier-clinique", author("violences", tick=True), {**REQUEST, "reasonCode": []}, "category[1].coding[0].code",
     Left("category[1].coding[0].code", "D4", "mild")),
    ("unknown", "saad", facts(), {**REQUEST, "reasonCode": [coded("need", "unheard")]}, "reasonCode[0].coding[0].code",
     Left("reasonCode[0].coding[0].code", "D4", "unknown")),
    ("unnamed", "saad", facts("isolement"), REQUEST, "reasonCode[0].coding[0].code", Left("reasonCode[0].coding[0].code", "D4", "unnamed")),
    ("label", "saad", facts(), {**REQUEST, "code": {**REQUEST["code"], "text": "said"}}, "code.text", Left("code.text", "D4", "label")),
    ("hash", "prescripteur", author(), CONSENT, "sourceAttachment.data", Left("sourceAttachment.data", "D11", "hash")),
    ("reference", "saad", facts(), {**TASK, "for": {"reference": "https://x/Patient/1"}}, "for.reference", Left("for.reference", "", "reference")),
    ("once", "saad", facts(), {**REQUEST, "reasonCode": [*REQUEST["reasonCode"], REQUEST["reasonCode"][0]]}, "reasonCode[2].coding[0].code",
     Left("reasonCode[2].coding[0].code", "D4", "once")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_reason_is_the_one_that_kept_the_place_back(case: tuple[str, str, Facts, dict[str, Any], str, Left]) -> None:
    _, view, look, resource, place, expected = case
    assert next(each for each in looked(view, look, resource).left if each.place == place) == expected


def test_every_reason_has_a_case_and_words_in_both_languages() -> None:
    assert {case[0] for case in CASES} == set(REASONS)
    assert set(REASONS) | {"denied", "aside", "told"} == set(REASON)
    for texts in REASON.values():
        assert len(texts) == len(LANGS) and all(texts)


def test_a_condition_that_kept_a_place_back_is_gone_when_it_is_met() -> None:
    seen, lines = set(), set()
    for view in VIEWS.values():
        for look in [*all_facts(), facts(unsafe=True), facts(), facts("denutrition", stage="offer"), author("violences", tick=True)]:
            for resource in FULL:
                for each in examine(resource, view, facts=look, matrix=MATRIX).left:
                    line = (view.name, resource["resourceType"], named(each.place).partition(".")[0], each.why)
                    if line not in lines and (met := _met(each, look)) is not None:
                        lines.add(line)
                        seen.add(each.why)
                        again = examine(resource, view, facts=met, matrix=MATRIX)
                        assert each not in again.left, (view.name, each)
    assert seen == {"stage", "consent", "demand", "need", "safe", "mild"}


def _met(left: Left, look: Facts) -> Facts | None:
    """The same look with what the reason asks for."""
    match left.why:
        case "stage":
            return replace(look, stage=left.about[0])  # type: ignore[arg-type]
        case "consent":
            return replace(look, basis="consent")
        case "demand":
            return replace(look, demanded=look.demanded | {left.cls})
        case "need":
            more = needs(left.about[0])
            return replace(look, asked=look.asked | more, needs=None if look.needs is None else look.needs | more)
        case "safe":
            return replace(look, unsafe=False, asked=needs("isolement"))
        case "mild":
            return replace(look, asked=needs("isolement"))
    return None


# ── words ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("lang", LANGS)
def test_reason_in_words_has_stages_needs_and_cell(lang: str) -> None:
    look = facts("denutrition", stage="offer")
    stage = reason(Left("name", "D1", "stage", ("open",)), cell="C", facts=look, lang=lang)
    assert ("une fois acceptée" if lang == "fr" else "once accepted") in stage and ("avant acceptation" if lang == "fr" else "before a pool") in stage
    assert "perte-autonomie" in reason(Left("name", "D10", "need", ("perte-autonomie",)), cell="c", facts=look, lang=lang)
    assert ("jamais" if lang == "fr" else "never") in reason(Left("birthDate", "D2", "unlisted"), cell="n", facts=look, lang=lang)
    assert reason(Left("id", "", "unlisted"), cell="", facts=None, lang=lang) == REASON["unlisted"][LANGS.index(lang)]
    assert "[phone]" in reason(Left("telecom", "D1", "selector", ("phone",)), cell="C", facts=look, lang=lang)
    assert ("équipe" if lang == "fr" else "team") in reason(Left("birthDate", "D2", "consent"), cell="C", facts=facts(basis="team"), lang=lang)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_line_of_every_view_can_be_said(view: str, lang: str) -> None:
    for kind, rule in VIEWS[view].rules:
        text = when(rule, VIEWS[view], lang)
        assert text and "{" not in text and leaves(kind, rule.path)
        assert ("accord enregistré" in text or "recorded consent" in text) == rule.consent
        assert rule.stages == frozenset(STAGES) or ("toujours" not in text and "always" not in text)


def test_what_is_examined_is_never_in_what_is_said() -> None:
    secret = "Zyxsecret"
    resources = [{**PATIENT, "extension": [{"url": f"urn:{secret}", "valueString": secret}]}, {**REQUEST, "note": [{"text": secret}]}, PROCEDURE, CONSENT,
                 {**REQUEST, "category": [other(SDOHCC_CODES, secret)]}]  # fmt: skip
    for resource in resources:
        for each in looked("saad", facts(), resource).left:
            assert secret not in repr(each) and "belle-fille" not in repr(each)
