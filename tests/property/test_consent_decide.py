"""P1 to P7 of consent.md 1.4, for generated Consents, asks and resources."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from adapter.consent import anchored, decide, denial, may_deny, run_vectors
from adapter.consent.codes import CONFIDENTIALITY
from adapter.names import ACT_CODE, ACT_REASON, CONSENT_ACTION, CONSENT_SCOPE, RESOURCE_TYPES
from adapter.ports import Ask, Basis, Decision

NEED = "https://liaison.example/CodeSystem/need"
GROUPS = {"Group/g": ["Organization/a"], "Group/h": ["Group/g", "Group/h"]}
AT = datetime(2026, 6, 15, 12, tzinfo=UTC)
P7 = "P7"  # the rule that says "a fault was caught": never to be seen


def coding(system: str, *codes: str) -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from(codes).map(lambda code: {"system": system, "code": code})


def several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=1, max_size=3)


def concept(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(several(strategy).map(lambda codings: {"coding": codings}), st.just({"text": "x"}))


references = st.one_of(
    st.sampled_from(["Organization/a", "Organization/b", "Group/g", "Group/h", "Group/unknown", "https://other.example/Organization/a"])
    .map(lambda text: {"reference": text}),
    st.just({"display": "Asso"}), st.just({"identifier": {"system": "urn:s", "value": "1"}}),
)  # fmt: skip
dates = st.sampled_from(["2025", "2026-06", "2026-06-15", "2026-06-15T12:00:00Z", "2027-01-01", "someday"])
periods = st.fixed_dictionaries({}, optional={"start": dates, "end": dates}).filter(bool)
labels = st.one_of(coding(CONFIDENTIALITY, "N", "R", "V"), coding(ACT_CODE, "PSY", "BH", "HIV"), coding("urn:other", "X"))
meanings = st.sampled_from(["instance", "related", "dependents", "authoredby", "about"])
CONSTRAINTS: dict[str, st.SearchStrategy[Any]] = {
    "period": periods,
    "actor": several(references.map(lambda reference: {"role": {"text": "IRCP"}, "reference": reference})),
    "action": several(concept(coding(CONSENT_ACTION, "access", "disclose"))),
    "purpose": several(coding(ACT_REASON, "TREAT", "COC", "HRESCH")),
    "class": several(coding(RESOURCE_TYPES, "ServiceRequest", "Task")),
    "code": several(concept(coding(NEED, "denutrition", "isolement", "budget"))),
    "securityLabel": several(labels),
    "dataPeriod": periods,
    "data": several(st.fixed_dictionaries({"meaning": meanings, "reference": references})),
}
MODIFIED = {"url": "urn:x", "valueBoolean": True}


@st.composite
def rules(draw: st.DrawFn, depth: int) -> dict[str, Any]:
    """Two constraints at most: with more, nothing would ever match."""
    chosen = draw(st.lists(st.sampled_from(sorted(CONSTRAINTS)), max_size=2, unique=True))
    rule = {name: draw(CONSTRAINTS[name]) for name in chosen}
    if stated := draw(st.sampled_from(["permit", "permit", "deny", ""])):
        rule["type"] = stated
    if depth and draw(st.booleans()):
        rule["provision"] = draw(st.lists(rules(depth - 1), min_size=1, max_size=2))
    return rule


def consents() -> st.SearchStrategy[dict[str, Any]]:
    status, more = st.sampled_from(["active"] * 6 + ["inactive"]), st.sampled_from([{}] * 6 + [{"modifierExtension": [MODIFIED]}])
    return st.builds(_consent, rules(2), status, more, st.integers(1, 9))


def _consent(provision: dict[str, Any], status: str, more: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "resourceType": "Consent", "id": f"c{number}", "status": status, "patient": {"reference": "Patient/p"},
        "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]}, "provision": provision, **more,
    }  # fmt: skip


asks = st.builds(
    Ask, st.just("Patient/p"), st.sets(st.sampled_from(["Organization/a", "Organization/b", "urn:s|1"]), min_size=1).map(frozenset),
    st.lists(st.sampled_from(["TREAT", "COC", "HRESCH"]).map(lambda code: f"{ACT_REASON}|{code}"), max_size=2).map(tuple),
    st.sampled_from(["access", "disclose"]),
)  # fmt: skip
resources = st.builds(
    lambda codes, security, more: {
        "resourceType": "ServiceRequest", "id": "sr", "subject": {"reference": "Patient/p"}, "meta": {"security": security},
        "reasonCode": [{"coding": [code]} for code in codes], **more,
    },
    st.lists(coding(NEED, "denutrition", "isolement"), max_size=2), st.lists(labels, max_size=2),
    st.fixed_dictionaries({}, optional={"authoredOn": dates, "requester": references, "basedOn": st.lists(references, max_size=1)}),
)  # fmt: skip
sets = st.lists(consents(), max_size=4)


def ask_of(those: list[dict[str, Any]], ask: Ask, resource: dict[str, Any], **more: Any) -> Decision:
    decision = decide(those, (), ask, AT, resource=resource, groups=GROUPS, **more)
    assert decision.rule != P7
    return decision


def every_rule(consent: dict[str, Any]) -> list[dict[str, Any]]:
    found, rest = [], [consent["provision"]]
    while rest:
        rule = rest.pop()
        found.append(rule)
        rest += rule.get("provision", [])
    return found


@given(sets, asks, resources, consents())
def test_consent_P1_a_further_denying_consent_never_shows_more(those: Any, ask: Ask, resource: Any, further: Any) -> None:
    only_denies = copy.deepcopy(further)
    for rule in every_rule(only_denies):
        rule["type"] = "deny"
    before, after = ask_of(those, ask, resource), ask_of([*those, only_denies], ask, resource)
    assert before.permit or not after.permit
    assert not after.permit or after.codes == before.codes


@given(sets, asks, resources, rules(0), st.data())
def test_consent_P1_a_further_nested_deny_never_shows_more(those: Any, ask: Ask, resource: Any, further: Any, data: st.DataObject) -> None:
    assume(those)
    before = ask_of(those, ask, resource)
    longer = copy.deepcopy(those)
    place = data.draw(st.sampled_from([rule for consent in longer for rule in every_rule(consent)]))
    place.setdefault("provision", []).append({**further, "type": "deny"})
    assert before.permit or not ask_of(longer, ask, resource).permit


@given(sets, asks, resources, st.data())
def test_consent_P2_one_permit_less_never_shows_more(those: Any, ask: Ask, resource: Any, data: st.DataObject) -> None:
    """A permit taken out with nothing below it; taking out a whole Consent with permits only is the same."""
    before = ask_of(those, ask, resource)
    shorter = copy.deepcopy(those)
    places = [
        (rule["provision"], number)
        for consent in shorter for rule in every_rule(consent)
        for number, nested in enumerate(rule.get("provision", [])) if nested.get("type") == "permit" and "provision" not in nested
    ]  # fmt: skip
    assume(places)
    siblings, number = data.draw(st.sampled_from(places))
    del siblings[number]
    for consent in shorter:
        for rule in every_rule(consent):
            if rule.get("provision") == []:
                del rule["provision"]
    after = ask_of(shorter, ask, resource)
    assert before.permit or not after.permit


@given(sets, asks, resources, st.integers(0, 3))
def test_consent_P2_one_permitting_consent_less_never_shows_more(those: Any, ask: Ask, resource: Any, number: int) -> None:
    permitting = [consent for consent in those if all(rule.get("type") == "permit" for rule in every_rule(consent))]
    assume(number < len(permitting))
    shorter = [consent for consent in those if consent is not permitting[number]]
    before, after = ask_of(those, ask, resource), ask_of(shorter, ask, resource)
    assert before.permit or not after.permit
    unlimited = before.permit and not before.codes
    assert not after.permit or unlimited or (after.codes and after.codes <= before.codes)


@given(sets, asks, resources, st.randoms(use_true_random=False))
def test_consent_P3_order_does_not_matter(those: Any, ask: Ask, resource: Any, chance: Any) -> None:
    def shuffled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: shuffled(value) for key, value in chance.sample(sorted(node.items()), len(node))}
        if isinstance(node, list):
            return chance.sample([shuffled(entry) for entry in node], len(node))
        return node

    assert ask_of(shuffled(those), ask, shuffled(resource)) == ask_of(those, ask, resource)


@given(sets, asks, resources, consents(), st.sampled_from([{"end": "2026-06-14"}, {"start": "2026-06-16"}, {"start": "2027"}]))
def test_consent_P4_what_is_not_in_force_changes_nothing(those: Any, ask: Ask, resource: Any, further: Any, period: Any) -> None:
    elsewhere = {**further, "provision": {**further["provision"], "period": period}}
    assert ask_of([*those, elsewhere], ask, resource, zone="UTC") == ask_of(those, ask, resource, zone="UTC")


@given(sets, asks, resources, consents(), st.sampled_from(["draft", "proposed", "rejected", "inactive", "entered-in-error", "gone"]))
def test_consent_P5_revoked_is_as_if_absent(those: Any, ask: Ask, resource: Any, further: Any, status: str) -> None:
    assert ask_of([*those, {**further, "status": status}], ask, resource) == ask_of(those, ask, resource)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8,
)  # fmt: skip
WORDS = [*CONSTRAINTS, "type", "provision", "reference", "identifier", "coding", "system", "code", "start", "end", "meaning", "meta",
         "security", "versionId", "verification", "modifierExtension", "scope", "patient", "status"]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, strategy: st.SearchStrategy[Any]) -> Any:
    """A sound value with some parts replaced by any JSON."""
    root = copy.deepcopy(draw(strategy))
    for _ in range(draw(st.integers(1, 4))):
        holders: list[Any] = []
        rest = [root]
        while rest:
            node = rest.pop()
            if isinstance(node, dict | list) and node:
                holders.append(node)
                rest += node.values() if isinstance(node, dict) else node
        if not holders:
            break
        holder = draw(st.sampled_from(holders))
        if isinstance(holder, dict):
            holder[draw(st.sampled_from([*sorted(holder), *WORDS]))] = draw(json)
        else:
            holder[draw(st.integers(0, len(holder) - 1))] = draw(json)
    return root


@given(st.lists(damaged(consents()) | json, max_size=3), asks, damaged(resources) | json, damaged(st.just(GROUPS)))
def test_consent_P7_never_raises_whatever_the_json(those: Any, ask: Ask, resource: Any, groups: Any) -> None:
    groups = groups if isinstance(groups, dict) else {}
    decision = decide(those, (), ask, AT, resource=resource, groups={str(k): v for k, v in groups.items() if isinstance(v, list)})
    assert decision.rule != P7
    decision = decide(anchored(those, resource), (Basis("team", "CareTeam/t"),), ask, AT, resource=resource)
    assert decision.rule != P7


@given(st.lists(damaged(consents()), max_size=2), json, json, json)
def test_consent_P7_vectors_never_raise_whatever_the_json(those: Any, request: Any, now: Any, rest: Any) -> None:
    vector = {"id": "x", "consents": those, "request": request, "now": now, "groups": rest, "resources": rest, "expect_visible": []}
    for vectors in ([vector, {**vector, "now": "2026", "resources": [rest]}], rest, [rest]):
        passed, failures = run_vectors(vectors)
        assert passed + len(failures) >= 0


@given(sets, asks, resources)
def test_consent_same_input_gives_same_output_and_changes_nothing(those: Any, ask: Ask, resource: Any) -> None:
    before = copy.deepcopy((those, resource))
    assert ask_of(those, ask, resource) == ask_of(those, ask, resource)
    assert (those, resource) == before


@given(sets, asks, resources)
def test_consent_anchored_never_shows_more_than_all_of_them(those: Any, ask: Ask, resource: Any) -> None:
    named = {**resource, "supportingInfo": [{"reference": f"Consent/{consent['id']}"} for consent in those[:1]]}
    assert ask_of(those, ask, named).permit or not ask_of(anchored(those, named), ask, named).permit
    assert ask_of(anchored(those, {**named, "supportingInfo": []}), ask, resource).permit is False


def test_generated_sets_permit_and_deny_often_enough() -> None:
    """A guard on the generators: properties over nothing but denials would prove little."""
    seen: list[str] = []

    @given(sets, asks, resources)
    def collect(those: Any, ask: Ask, resource: Any) -> None:
        seen.append(ask_of(those, ask, resource).reason)

    collect()
    assert seen.count("permit") > len(seen) / 25
    assert seen.count("deny") > len(seen) / 25


@given(consents(), asks, resources)
def test_what_cannot_deny_denies_nothing(consent: dict[str, Any], ask: Ask, resource: dict[str, Any]) -> None:
    """`denial` leaves out what `may_deny` does not name: it must never leave out a deny."""
    found = decide([consent], (Basis("author", ""),), ask, AT, resource=resource, groups=GROUPS)
    assert may_deny(consent) or found.permit or found.rule in ("S2", "S14")
    assert (denial([consent], ask, AT, resource=resource, groups=GROUPS) is None) == (found.permit or not may_deny(consent))
