"""Whatever an EHR makes of a Consent, what is taken in permits nothing that ours did not (Y-46)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter.ports import Resource
from adapter.sync.narrow import CLOSED, narrower
from tests.unit.sync.house import OWNERSHIP

CODES = st.sampled_from(["a", "b", "c"])
CODED = CODES.map(lambda code: {"coding": [{"code": code}]})
ENDS = st.sampled_from(["2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-12-01T00:00:00Z"])
RULE = st.fixed_dictionaries({"type": st.sampled_from(["permit", "deny"]), "code": st.lists(CODED, min_size=1)})
PROVISION = st.fixed_dictionaries(
    {"type": st.sampled_from(["permit", "permit", "permit", "deny"])},
    optional={
        "action": st.lists(CODED, min_size=1, max_size=3, unique_by=str),
        "code": st.lists(CODED, min_size=1, max_size=3, unique_by=str),
        "purpose": st.lists(CODES.map(lambda code: {"code": code}), min_size=1, max_size=2, unique_by=str),
        "period": st.fixed_dictionaries({"end": ENDS}),
        "provision": st.lists(RULE, min_size=1),
    },
)
STATUS = st.sampled_from(["active", "active", "inactive", "rejected", "proposed"])
CONSENTS = st.fixed_dictionaries({"resourceType": st.just("Consent"), "status": STATUS, "provision": PROVISION})


def permits(consent: Resource, action: str, need: str, purpose: str, at: str) -> bool:
    """A small reading of its own: root permit, no nested deny that names the need."""
    rule = consent["provision"]
    if consent["status"] != "active" or rule["type"] != "permit" or at > rule.get("period", {}).get("end", "9"):
        return False
    nested = [each for each in rule.get("provision", []) if need in codes(each["code"])]
    named = all(value in codes(rule[name]) for name, value in (("action", action), ("code", need)) if name in rule)
    meant = "purpose" not in rule or purpose in [each["code"] for each in rule["purpose"]]
    return named and meant and not any(each["type"] == "deny" for each in nested)


def codes(concepts: list[Any]) -> list[str]:
    return [concept["coding"][0]["code"] for concept in concepts]


@given(CONSENTS, CONSENTS, CODES, CODES, CODES, ENDS)
def test_narrowed_permits_nothing_that_ours_did_not(ours: Resource, after: Resource, action: str, need: str, purpose: str, at: str) -> None:
    narrowed, _ = narrower(ours, after, OWNERSHIP)

    assert permits(ours, action, need, purpose, at) or not permits(narrowed, action, need, purpose, at)


@given(CONSENTS, CONSENTS)
def test_what_is_sure_is_taken_whole(ours: Resource, after: Resource) -> None:
    narrowed, wider = narrower(ours, after, OWNERSHIP)

    if not wider and after["status"] not in CLOSED:
        again, left = narrower(narrowed, after, OWNERSHIP)
        assert (again, left) == (narrowed, [])
