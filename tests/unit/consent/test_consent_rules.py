"""Rules of consent.md 1.3 one by one, each shown from both sides: what it lets through and what it does not. (Every rule also has
its vectors, and a broken copy that they must catch: test_consent_vectors.py.)"""

from __future__ import annotations

from typing import Any

import pytest

from adapter.consent.codes import CONFIDENTIALITY
from adapter.names import ACT_CODE, ACT_REASON, CONSENT_ACTION, RESOURCE_TYPES
from tests.unit.consent.test_decide import CBO, REQUEST, ask, consent, needs

OTHER = {"actor": [{"reference": {"reference": "Organization/other"}}]}


def permitted(*consents: dict[str, Any], **more: Any) -> bool:
    return ask(list(consents), **more).permit


def codes(system: str, *found: str) -> list[dict[str, str]]:
    return [{"system": system, "code": code} for code in found]


def test_nothing_permits_but_a_permit_and_a_deny_wins_S1() -> None:
    assert not permitted() and not permitted(consent(type="permit", **OTHER))
    assert permitted(consent(type="permit", **CBO))
    for both in ([consent("c1", type="permit", **CBO), consent("c2", type="deny", **CBO)], [consent("c1", type="deny", **CBO), consent("c2", type="permit", **CBO)]):
        assert not permitted(*both)


def test_root_without_type_permits_nothing_but_its_nested_rules_count_S3() -> None:
    assert not permitted(consent(**CBO)) and permitted(consent(type="permit", **CBO))
    assert permitted(consent(provision=[{"type": "permit", **CBO}]))
    assert not permitted({**consent(), "policyRule": {"coding": codes("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN")}})
    assert not permitted(consent(type="permit", provision=[{**CBO}]))  # nested without type: a deny


def test_elements_are_all_wanted_and_repetitions_are_alternatives_S4() -> None:
    two = {"actor": [*OTHER["actor"], *CBO["actor"]]}
    assert permitted(consent(type="permit", **two)) and permitted(consent(type="permit", **two, **needs("denutrition", "budget")))
    assert not permitted(consent(type="permit", **two, **needs("budget"))) and not permitted(consent(type="permit", **OTHER, **needs("denutrition")))
    assert permitted(consent(type="permit"))  # an absent element is no constraint


def test_purpose_must_be_covered_for_a_permit_and_only_touched_for_a_deny_S8() -> None:
    above, below = codes(ACT_REASON, "PurposeOfUse"), codes(ACT_REASON, "COC")
    permit = consent(type="permit")
    assert permitted(consent(type="permit", purpose=above)) and not permitted(consent(type="permit", purpose=below))
    assert not permitted(permit, consent("c2", type="deny", purpose=above)) and not permitted(permit, consent("c2", type="deny", purpose=below))
    assert permitted(permit, consent("c2", type="deny", purpose=codes(ACT_REASON, "HMARKT")))


def test_action_is_the_one_listed_S9() -> None:
    for code, expected in {"access": True, "disclose": False, "collect": False}.items():
        assert permitted(consent(type="permit", action=[{"coding": codes(CONSENT_ACTION, code)}])) is expected


def labelled(*security: dict[str, str]) -> dict[str, Any]:
    return {**REQUEST, "meta": {"security": list(security)}}


N, R, V = (codes(CONFIDENTIALITY, code)[0] for code in ("N", "R", "V"))
SUD, HIV = (codes(ACT_CODE, code)[0] for code in ("SUD", "HIV"))


@pytest.mark.parametrize(
    ("rule", "resource", "expected"),
    [([R], [N], True), ([R], [R], True), ([N], [R], False), ([N], [N, SUD], False), ([R], [N, SUD], True), ([SUD], [N, SUD], True), ([SUD], [SUD, HIV], False)],
)  # fmt: skip
def test_label_is_a_ceiling_or_a_compartment_for_a_permit_S10(rule: Any, resource: Any, expected: bool) -> None:
    assert permitted(consent(type="permit", securityLabel=rule), resource=labelled(*resource)) is expected


@pytest.mark.parametrize(("rule", "resource", "hit"), [([R], [N], False), ([R], [R], True), ([R], [V], True), ([R], [N, SUD], True), ([SUD], [N, SUD], True), ([SUD], [N, HIV], False)])
def test_label_is_a_floor_or_a_compartment_for_a_deny_S10(rule: Any, resource: Any, hit: bool) -> None:
    assert permitted(consent("c1", type="permit"), consent("c2", type="deny", securityLabel=rule), resource=labelled(*resource)) is not hit


def test_data_period_must_hold_all_for_a_permit_and_any_for_a_deny_S11() -> None:
    resource = {**REQUEST, "occurrencePeriod": {"start": "2026-02-01", "end": "2026-03-31"}}
    whole, half = {"start": "2026-01-01", "end": "2026-12-31"}, {"start": "2026-03-01", "end": "2026-12-31"}
    assert permitted(consent(type="permit", dataPeriod=whole), resource=resource) and not permitted(consent(type="permit", dataPeriod=half), resource=resource)
    assert not permitted(consent("c1", type="permit"), consent("c2", type="deny", dataPeriod=half), resource=resource)
    assert permitted(consent("c1", type="permit"), consent("c2", type="deny", dataPeriod={"start": "2026-04-01"}), resource=resource)


def test_nested_rule_inherits_what_it_does_not_restate_and_the_deepest_counts_S12() -> None:
    research = {"purpose": codes(ACT_REASON, "HRESCH")}
    assert not permitted(consent(type="deny", **research, provision=[{"type": "permit", **CBO}]))  # the purpose of the root binds it
    assert permitted(consent(type="deny", **research, provision=[{"type": "permit", **CBO, "purpose": codes(ACT_REASON, "TREAT")}]))
    assert not permitted(consent(type="permit", provision=[{"type": "deny", **CBO}]))
    assert permitted(consent(type="deny", **CBO, provision=[{"type": "permit"}]))
    assert not permitted(consent(type="deny", provision=[{"type": "permit"}, {"type": "deny", **CBO}]))  # of siblings the deny


def test_bare_root_deny_is_the_default_of_its_own_consent_only_S13() -> None:
    opt_in = consent("c2", type="deny", provision=[{"type": "permit", **OTHER}])
    assert permitted(consent("c1", type="permit", **CBO), opt_in)
    assert not permitted(consent("c1", type="permit", **CBO), consent("c2", type="deny"))
    assert not permitted(consent("c1", type="permit", **CBO), consent("c2", type="deny", **CBO, provision=[{"type": "permit", **OTHER}]))


@pytest.mark.parametrize(
    "more",
    [{"modifierExtension": [{"url": "urn:not"}]}, {"implicitRules": "urn:rules"}, {"verification": [{"verified": False}]}, {"provision": {"type": "permit", "unheard": 1}}],
)  # fmt: skip
def test_consent_that_is_not_understood_permits_nothing_and_still_denies_S15(more: dict[str, Any]) -> None:
    permit = consent(type="permit")
    assert permitted(permit) and not permitted({**permit, **more})
    deny = {**consent("c2", type="deny", **CBO), **more}
    if "provision" in more:
        deny["provision"] = {"type": "deny", **CBO, "unheard": 1}
    assert not permitted(permit, deny)


def test_consent_nested_deeper_than_five_is_refused_S16() -> None:
    def nested(levels: int) -> dict[str, Any]:
        rule: dict[str, Any] = {"type": "permit"}
        for _ in range(levels):
            rule = {"type": "permit", "provision": [rule]}
        return consent("c2", **rule)

    assert permitted(nested(5)) and not permitted(nested(6))
    found = ask([consent("c1", type="permit"), nested(6)])
    assert (found.permit, found.reason, found.rule) == (False, "nesting", "S16")


def test_class_is_the_type_of_the_resource_S4_S6() -> None:
    assert permitted(consent(**{"type": "permit", "class": codes(RESOURCE_TYPES, "Task", "ServiceRequest")}))
    assert not permitted(consent(**{"type": "permit", "class": codes(RESOURCE_TYPES, "Task")}))
