"""`considered`: each Consent with what it says, by which rule, in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.consent import anchored, considered, decide, in_words
from adapter.consent.codes import CONFIDENTIALITY
from adapter.consent.explain import REASONS, RULE_OF
from adapter.consent.match import MATCHERS
from adapter.consent.vectors import _ask
from adapter.names import ACT_CODE, ACT_REASON, CONSENT_SCOPE
from adapter.ports import Ask, Decision

RULES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "consent" / "rules.json").read_text("utf-8"))
AT = datetime(2026, 3, 3, 9, tzinfo=UTC)
ASK = Ask("Patient/p1", frozenset({"Organization/cbo"}), (f"{ACT_REASON}|TREAT",), "access")
REQUEST = RULES[0]["resources"][0]


def consent_of(id: str, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = next(vector for vector in RULES if vector["id"] == id)["consents"][number]
    return found


@pytest.mark.parametrize(
    ("id", "says", "rule", "why"),
    [
        ("S1-permit-permits", "permit", "S1", "provision (permit) applies"),
        ("S1-permit-for-another-denies", "nothing", "S7", "provision (permit) does not apply: actor does not match (S7)"),
        ("S2-status-draft-is-not-active", "nothing", "S2", "its status is not active"),
        ("S2-scope-research-is-not-privacy", "nothing", "S2", "its scope is not"),
        ("S1-deny-for-another-leaves-permit", "nothing", "S7", "provision (deny) does not apply: actor does not match (S7)"),
        ("S2-another-patient", "nothing", "S2", "it is about another person"),
        ("S2-same-id-on-another-server-cannot-permit", "nothing", "S6", "it is not certain that it is about this person"),
        ("S3-root-without-type-cannot-permit", "nothing", "S3", "no rule of it is of the type permit or deny"),
        ("S3-no-provision-cannot-permit", "nothing", "S3", "it has no provision"),
        ("S5-start-after-end-cannot-permit", "nothing", "S5", "its period cannot be read, or ends before it starts"),
        ("S6-unknown-group-does-not-help-a-permit", "nothing", "S6", "provision (permit) does not apply: actor is not known (S6)"),
        ("S12-nested-deny-in-permit", "deny", "S12", "provision.provision[0] (deny) applies"),
        ("S13-opt-in-for-another-permits-nothing", "nothing", "S7", "provision (deny) is only what this Consent takes as usual"),
        ("S15-implicit-rules-cannot-permit", "nothing", "S15", "it carries a modifier that is not known"),
        ("S15-unknown-element-cannot-permit", "nothing", "S15", "a rule has an element that is not known"),
        ("S16-six-levels-are-refused", "deny", "S16", "its rules are nested deeper than is read"),
    ],
)
def test_considered_names_the_rule_in_words(id: str, says: str, rule: str, why: str) -> None:
    [one] = considered([consent_of(id, 1 if id == "S1-deny-for-another-leaves-permit" else 0)], ASK, AT, resource=REQUEST)
    assert (one.says, one.rule) == (says, rule)
    assert one.consent.startswith("Consent/c")
    assert any(why in line for line in one.why), one.why


def test_considered_says_that_an_unknown_does_not_stop_a_deny() -> None:
    [one] = considered([consent_of("S6-unknown-group-does-not-stop-a-deny", 1)], ASK, AT, resource=REQUEST)
    assert one.why == ("provision (deny) applies; not known, which does not stop a deny (S6): actor",)


def test_considered_says_when_a_consent_permits_another_request_only() -> None:
    permit = consent_of("S1-permit-permits")
    [one] = considered(anchored([permit], REQUEST), ASK, AT, resource=REQUEST)
    assert (one.says, one.rule) == ("nothing", "anchor")
    assert one.why == ("it permits, but not this request: only its denies count here",)


def test_considered_says_what_is_over_and_what_is_no_consent() -> None:
    over = {**consent_of("S1-permit-permits"), "provision": {"type": "permit", "period": {"end": "2025"}}}
    found = considered([over, "x", {"resourceType": "Task"}, {**over, "provision": [{"type": "deny"}]}], ASK, AT, resource=REQUEST)  # type: ignore[list-item]
    assert [(one.says, one.rule, one.why[0]) for one in found[:3]] == [
        ("nothing", "S5", "it is not in force at that time"), ("nothing", "S2", "it is no Consent"), ("nothing", "S2", "it is no Consent"),
    ]  # fmt: skip
    assert [one.consent for one in found] == ["Consent/c1", "", "", "Consent/c1"]
    assert (found[3].says, found[3].why) == ("deny", ("provision.provision[0] (deny) applies",))


@pytest.mark.parametrize("vector", RULES, ids=lambda vector: vector["id"])
def test_considered_agrees_with_the_decision_on_every_vector(vector: dict[str, Any]) -> None:
    """What a Consent is said to do is what it does: the decision over those said to speak is the decision over all."""
    at = datetime.fromisoformat(vector["now"])
    ask = _ask(vector["request"], vector["consents"])
    for resource in vector["resources"]:
        more: dict[str, Any] = {"resource": resource, "groups": vector.get("groups", {}), "zone": "UTC"}
        decision = decide(vector["consents"], (), ask, at, **more)
        if decision.rule == "S2" and decision.reason == "other-patient":
            continue
        told = considered(vector["consents"], ask, at, **more)
        assert all(one.why for one in told)
        assert decision.permit == (any(one.says == "permit" for one in told) and not any(one.says == "deny" for one in told))
        for consent, one in zip(vector["consents"], told, strict=True):
            alone = decide([consent], (), ask, at, **more)
            assert one.says == {"permit": "permit", "deny": "deny", "nesting": "deny", "no-permit": "nothing"}[alone.reason]
            assert one.says == "nothing" or one.rule == alone.rule


def test_considered_is_empty_when_nothing_can_be_decided() -> None:
    permit = [consent_of("S1-permit-permits")]
    assert considered(permit, ASK, AT, resource=None) == []  # type: ignore[arg-type]
    assert considered(permit, ASK, AT.replace(tzinfo=None), resource=REQUEST) == []
    assert considered(permit, ASK, AT, resource=REQUEST, zone="Nowhere/Else") == []


def test_rule_of_covers_every_element_that_constrains() -> None:
    assert RULE_OF.keys() == MATCHERS.keys()
    assert set(RULE_OF.values()) == {"S4", "S5", "S7", "S8", "S9", "S10", "S11"}


def test_in_words_has_a_sentence_for_every_reason() -> None:
    for reason in ("permit", "deny", "basis", "no-permit", "nesting", "other-patient", "indeterminate"):
        assert in_words(Decision(False, reason, "S1")) == REASONS[reason] != reason
    assert in_words(Decision(False, "not this unit's", "scope")) == "not this unit's"


def test_considered_tells_a_scope_of_two_codings_from_another_person() -> None:
    scope = {"coding": [{"system": "urn:x", "code": "y"}, *consent_of("S1-permit-permits")["scope"]["coding"]]}
    [one] = considered([{**consent_of("S2-another-patient"), "scope": scope}], ASK, AT, resource=REQUEST)
    assert (one.rule, one.why) == ("S2", ("it is about another person",))
    for unread in ("x", {"coding": "x"}, {"coding": ["x"]}, {"coding": [{"system": CONSENT_SCOPE}]}, {"coding": [{"code": "patient-privacy"}]}):
        [one] = considered([{**consent_of("S1-permit-permits"), "scope": unread}], ASK, AT, resource=REQUEST)
        assert (one.rule, one.why) == ("S2", ("its scope is not patient-privacy",))


def actor(key: str) -> list[dict[str, Any]]:
    return [{"reference": {"reference": key}}]


@pytest.mark.parametrize(
    ("provision", "more", "rule", "why"),
    [
        ({"type": "permit", "provision": [{"type": "permit", "actor": actor("Organization/x")}]}, {"implicitRules": "urn:x"}, "S15",
         ["it carries a modifier that is not known, or no verification of it succeeded: only its denies count"]),
        ({"type": "deny", "provision": [{"type": "permit", "actor": actor("Organization/x")}]}, {"implicitRules": "urn:x"}, "S7",
         ["provision (deny) is only what this Consent takes as usual (S13)", "provision.provision[0] (permit) does not apply: actor does not match (S7)"]),
        ({"type": "permit", "actor": actor("Organization/cbo"), "class": [{"system": "s", "code": "x"}], "action": [{"coding": []}]}, {}, "S6",
         ["provision (permit) does not apply: action is not known (S6), class is not known (S6)"]),
        ({"type": "permit", "actor": actor("Organization/cbo"), "purpose": [{"system": ACT_REASON, "code": "HRESCH"}], "class": [{}]}, {}, "S8",
         ["provision (permit) does not apply: purpose does not match (S8), class is not known (S6)"]),
        ({"actor": actor("Organization/x"), "provision": [{"type": "permit"}, {"actor": actor("Organization/y")}]}, {}, "S7",
         ["provision.provision[0] (permit) does not apply: actor does not match (S7)",
          "provision.provision[1] (deny) does not apply: actor does not match (S7)"]),
        ({"type": "maybe", "provision": []}, {}, "S3", ["no rule of it is of the type permit or deny"]),
    ],
)  # fmt: skip
def test_considered_tells_of_each_rule_why_it_does_not_apply(provision: dict[str, Any], more: dict[str, Any], rule: str, why: list[str]) -> None:
    [one] = considered([{**consent_of("S1-permit-permits"), **more, "provision": provision}], ASK, AT, resource=REQUEST)
    assert (one.says, one.rule, list(one.why)) == ("nothing", rule, why)


def test_considered_tells_of_the_rules_that_apply_only() -> None:
    nested = {"type": "permit", "provision": [{"type": "permit", "actor": actor("Group/g")}, {"type": "deny", "actor": actor("Organization/x")}, {"type": "permit"}]}
    [one] = considered([{**consent_of("S1-permit-permits"), "provision": nested}], ASK, AT, resource=REQUEST)
    assert (one.says, one.why) == ("permit", ("provision (permit) applies", "provision.provision[2] (permit) applies"))
    deep = {"provision": [{"type": "permit", "provision": [{"type": "permit", "provision": [{"actor": actor("Organization/cbo")}]}]}]}
    [one] = considered([{**consent_of("S1-permit-permits"), "provision": deep}], ASK, AT, resource=REQUEST)
    assert (one.says, one.why) == ("deny", ("provision.provision[0].provision[0].provision[0] (deny) applies",))


@pytest.mark.parametrize(
    ("labels", "ceiling", "rule"),
    [([], "R", "S6"), (["PSY"], "R", "S6"), (["V"], "R", "S10"), (["N", "PSY"], "N", "S10"), (["N", "Q"], "R", "S6"), (["PSY"], "PSY-other", "S10")],
)
def test_considered_tells_a_label_too_high_from_one_not_known(labels: list[str], ceiling: str, rule: str) -> None:
    def label(code: str) -> dict[str, str]:
        return {"system": ACT_CODE if code.startswith("PSY") else CONFIDENTIALITY, "code": code}

    resource = {**REQUEST, "meta": {"security": [label(code) for code in labels]}}
    permit = {**consent_of("S1-permit-permits"), "provision": {"type": "permit", "securityLabel": [label(ceiling)]}}
    [one] = considered([permit], ASK, AT, resource=resource)
    assert (one.says, one.rule) == ("nothing", rule)
