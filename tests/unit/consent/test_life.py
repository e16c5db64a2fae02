"""The life of a Consent: status, confirmation, information, freshness, opposition, urgency, who agrees for whom, teams."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from adapter.consent import (
    anchored,
    confirmation_stands,
    confirmed,
    decide,
    fresh,
    given_by,
    given_by_parent,
    information_owed,
    may_become,
    members,
    missing_agreement,
    opposition,
    standing,
    team,
    urgencies,
    urgent,
)
from adapter.consent.life import MOVES
from adapter.consent.parties import ADULT, MINOR, PARENT, PROTECTED, PROXY, REPRESENTATIVE, TRUSTED
from adapter.errors import Forbidden, Invalid
from adapter.names import ACT_REASON, CONSENT_SCOPE, Systems
from adapter.ports import Ask, Basis

SYSTEMS = Systems()
AT = datetime(2026, 3, 6, 17, 50, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONSENT: dict[str, Any] = {
    "resourceType": "Consent", "id": "c1", "status": "active", "patient": {"reference": "Patient/p1"},
    "scope": {"coding": [{"system": CONSENT_SCOPE, "code": "patient-privacy"}]}, "provision": {"type": "permit"},
}  # fmt: skip
REQUEST = {"resourceType": "ServiceRequest", "id": "sr1", "subject": {"reference": "Patient/p1"}}


def ask(*actors: str, purpose: str = "TREAT") -> Ask:
    return Ask("Patient/p1", frozenset(actors or ("Organization/cbo",)), (f"{ACT_REASON}|{purpose}",), "access")


# ── status ───────────────────────────────────────────────────────────────────────────────────────
STATUSES = ("draft", "proposed", "active", "rejected", "inactive", "entered-in-error")


@pytest.mark.parametrize("before", STATUSES)
def test_may_become_never_returns_to_active_on_the_same_id(before: str) -> None:
    reached, rest = set(), list(MOVES[before])
    while rest:
        now = rest.pop()
        if now not in reached:
            reached.add(now)
            rest += MOVES[now]
    assert before not in reached
    assert before in ("draft", "proposed") or "active" not in reached


@pytest.mark.parametrize(
    ("before", "reached"),
    [("draft", "proposed active rejected entered-in-error"), ("proposed", "active rejected entered-in-error"), ("active", "inactive entered-in-error"),
     ("rejected", "entered-in-error"), ("inactive", "entered-in-error"), ("entered-in-error", "")],
)  # fmt: skip
def test_may_become_is_the_table_of_moves(before: str, reached: str) -> None:
    assert {after for after in STATUSES if after != before and may_become(before, after)} == set(reached.split())
    assert may_become(before, before)
    assert not may_become(before, "gone")
    assert not may_become("gone", before)


def test_confirmed_adds_a_verification_and_keeps_the_others() -> None:
    once = confirmed(CONSENT, at=AT)
    assert once["verification"] == [{"verified": True, "verifiedWith": {"reference": "Patient/p1"}, "verificationDate": "2026-03-06T17:50:00.000Z"}]
    twice = confirmed(once, at=AT + HOUR, by="RelatedPerson/r1")
    assert [one["verifiedWith"]["reference"] for one in twice["verification"]] == ["Patient/p1", "RelatedPerson/r1"]
    assert "verification" not in CONSENT
    assert decide([twice], (), ask(), AT, resource=REQUEST).permit
    assert (confirmation_stands(CONSENT), confirmation_stands(once)) == (False, True)
    assert not confirmation_stands(CONSENT | {"verification": [{"verified": False}]})


@pytest.mark.parametrize("changed", [{"status": "inactive"}, {"status": "proposed"}, {"patient": {"display": "x"}}])
def test_confirmed_refuses_what_cannot_be_confirmed(changed: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        confirmed(CONSENT | changed, at=AT)
    with pytest.raises(Invalid, match="expected a Patient"):
        confirmed(CONSENT, at=AT, by="Practitioner/dr")


def test_information_owed_after_eight_days_until_given() -> None:
    eight = timedelta(days=8)
    assert not information_owed(AT, None, AT + eight)
    assert information_owed(AT, None, AT + eight + timedelta(seconds=1))
    assert not information_owed(AT, AT + HOUR, AT + eight + HOUR)


def test_fresh_S14_binds_only_what_an_ehr_masters() -> None:
    day = timedelta(hours=24)
    assert fresh([], AT)
    assert fresh([AT - day, AT], AT)
    assert not fresh([AT - day - timedelta(seconds=1), AT], AT)
    assert not fresh([AT, None], AT)
    assert not fresh([AT - HOUR], AT, bound=timedelta(minutes=15))
    assert decide([CONSENT], (), ask(), AT, resource=REQUEST, complete=fresh([None], AT)).rule == "S14"


# ── opposition ───────────────────────────────────────────────────────────────────────────────────
def opposed(**more: Any) -> dict[str, Any]:
    return opposition("Patient/p1", id="o1", at=AT, organisation="Organization/clinic", systems=SYSTEMS, policy="urn:l1110-4", **more)


@pytest.mark.parametrize("purpose", ["TREAT", "BTG", "HOPERAT", "HPAYMT", "HRESCH", "HMARKT", "PUBHLTH", "COC", "PurposeOfUse"])
def test_opposition_wins_over_every_permit_and_basis(purpose: str) -> None:
    bases = tuple(Basis(kind, "x") for kind in ("author", "team", "urgency"))  # type: ignore[arg-type]
    decision = decide(anchored([CONSENT, opposed()], {"supportingInfo": [{"reference": "Consent/c1"}]}), bases, ask(purpose=purpose), AT, resource=REQUEST)
    assert (decision.permit, decision.reason, decision.versions) == (False, "deny", ("Consent/o1",))


def test_opposition_leaves_the_person_himself() -> None:
    assert decide([opposed()], (Basis("self", "Patient/p1"),), ask("Patient/p1", purpose="PATRQT"), AT, resource=REQUEST).permit


def test_opposition_may_name_one_recipient() -> None:
    only = opposed(actors=["Organization/cbo"], by=["RelatedPerson/r1"])
    assert not decide([CONSENT, only], (), ask(), AT, resource=REQUEST).permit
    assert decide([CONSENT, only], (), ask("Organization/other"), AT, resource=REQUEST).permit
    assert only["performer"] == [{"reference": "RelatedPerson/r1"}]


def test_opposition_is_a_whole_consent() -> None:
    from adapter import fhir

    made = opposed(actors=["Organization/cbo"])
    assert fhir.check(made) == []
    assert made["performer"] == [{"reference": "Patient/p1"}]
    assert made["identifier"] == [{"system": SYSTEMS.sid("consent"), "value": "o1"}]
    assert (made["organization"], made["policy"]) == ([{"reference": "Organization/clinic"}], [{"uri": "urn:l1110-4"}])
    assert made["dateTime"] == "2026-03-06T17:50:00.000Z"
    assert made["category"][0]["coding"][0]["code"] == "IDSCL"
    assert made["provision"]["actor"][0]["role"]["coding"][0]["code"] == "IRCP"


# ── urgency ──────────────────────────────────────────────────────────────────────────────────────
def act(**more: Any) -> dict[str, Any]:
    said = {"id": "u1", "by": "PractitionerRole/ines", "to": "Organization/carsat", "bound": True, "reason": "danger-vital", "at": AT}
    return urgent("ServiceRequest/sr1", systems=SYSTEMS, **{**said, **more})


def holding(found: dict[str, Any], *actors: str, at: datetime = AT, target: str = "ServiceRequest/sr1") -> tuple[Basis, ...]:
    return urgencies([found], target, actors or ("Organization/carsat",), at, systems=SYSTEMS)


def test_urgent_holds_for_72_hours_for_whom_it_was_taken() -> None:
    assert holding(act()) == (Basis("urgency", "Provenance/u1"),)
    assert holding(act(), at=AT + timedelta(hours=72) - timedelta(seconds=1))
    assert not holding(act(), at=AT + timedelta(hours=72))
    assert not holding(act(), at=AT - timedelta(seconds=1))
    assert not holding(act(), "Organization/other")
    assert not holding(act(), target="ServiceRequest/sr2")


def test_urgent_is_never_longer_than_72_hours_whatever_is_written() -> None:
    longer = act() | {"occurredPeriod": {"start": "2026-03-06T17:50:00Z", "end": "2030-01-01"}}
    assert holding(longer, at=AT + timedelta(hours=71))
    assert not holding(longer, at=AT + timedelta(hours=72))
    shorter = act() | {"occurredPeriod": {"start": "2026-03-06T17:50:00Z", "end": "2026-03-06T18:00:00Z"}}
    assert holding(shorter, at=AT + timedelta(minutes=10))
    assert not holding(shorter, at=AT + timedelta(minutes=10, seconds=1))


def test_urgencies_looks_at_every_target_and_agent() -> None:
    one = act()
    assert holding(one | {"target": [{"reference": "ServiceRequest/sr0"}, *one["target"]], "agent": [3, {"who": {"display": "x"}}, *one["agent"]]})


@pytest.mark.parametrize(
    "changed",
    [{"activity": {"coding": [{"system": SYSTEMS.code("activity"), "code": "saisie"}]}}, {"activity": "x"}, {"reason": []}, {"id": None},
     {"occurredPeriod": None}, {"occurredPeriod": {"start": "2026-03-06T17:50:00Z"}}, {"occurredPeriod": {"end": "2030"}}, {"agent": []},
     {"agent": [{"who": {"reference": "Organization/carsat"}}]}, {"agent": "x"}, {"target": []}, {"target": [{"display": "x"}]},
     {"target": [{"reference": "https://ehr.example/fhir/ServiceRequest/sr1"}]}],
)  # fmt: skip
def test_urgencies_takes_nothing_else_for_an_act_of_urgency(changed: dict[str, Any]) -> None:
    assert holding(act() | changed) == ()


def test_urgent_is_refused_without_secrecy_or_reason() -> None:
    with pytest.raises(Forbidden):
        act(bound=False)
    with pytest.raises(Invalid, match="danger-vital, impossible-de-consentir"):
        act(reason="presse")


def test_urgent_is_a_whole_provenance_with_its_reason() -> None:
    from adapter import fhir

    assert fhir.check(act()) == []
    assert act()["reason"] == [{"coding": [{"system": SYSTEMS.code("urgency-reason"), "code": "danger-vital"}]}]
    assert act()["activity"] == {"coding": [{"system": SYSTEMS.code("activity"), "code": "urgence"}]}
    assert act()["agent"] == [{"who": {"reference": "PractitionerRole/ines"}, "onBehalfOf": {"reference": "Organization/carsat"}}]
    assert act()["recorded"] == "2026-03-06T17:50:00.000Z"


def test_decide_takes_urgency_last_and_never_against_a_deny() -> None:
    basis = holding(act())
    decision = decide([], basis, ask("Organization/carsat"), AT, resource=REQUEST)
    assert (decision.permit, decision.reason, decision.rule) == (True, "basis", "basis:urgency")
    assert decide([CONSENT], basis, ask("Organization/carsat"), AT, resource=REQUEST).rule == "S1"
    assert not decide([CONSENT | {"provision": {"type": "deny"}}], basis, ask("Organization/carsat"), AT, resource=REQUEST).permit


# ── who agrees for whom ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("birth", "protected", "at", "expected"),
    [
        (date(2008, 3, 7), False, date(2026, 3, 6), MINOR), (date(2008, 3, 6), False, date(2026, 3, 6), ADULT), (None, False, date(2026, 3, 6), ADULT),
        (date(1940, 1, 1), True, date(2026, 3, 6), PROTECTED), (None, True, date(2026, 3, 6), PROTECTED), (date(2010, 1, 1), True, date(2026, 3, 6), MINOR),
        (date(2008, 2, 29), False, date(2026, 2, 28), MINOR), (date(2008, 2, 29), False, date(2026, 3, 1), ADULT),
    ],
)  # fmt: skip
def test_standing_of_a_person(birth: date | None, protected: bool, at: date, expected: str) -> None:
    assert standing(birth, protected=protected, at=at) == expected


def relation(code: str, **more: Any) -> dict[str, Any]:
    coding = {"system": SYSTEMS.code("capacity"), "code": code}
    return {"resourceType": "RelatedPerson", "id": "r1", "patient": {"reference": "Patient/p1"}, "relationship": [{"coding": [coding]}], **more}


def lacking(who: str, *performers: str, related: dict[str, Any] | None = None) -> str:
    consent = given_by(CONSENT, performers) if performers else CONSENT
    return missing_agreement(consent, {"RelatedPerson/r1": related} if related else {}, who=who, systems=SYSTEMS)


@pytest.mark.parametrize(
    ("who", "code", "lacks"),
    [(MINOR, PARENT, ""), (MINOR, REPRESENTATIVE, ""), (MINOR, PROXY, PARENT), (MINOR, TRUSTED, PARENT), (PROTECTED, REPRESENTATIVE, ""),
     (PROTECTED, PARENT, REPRESENTATIVE), (PROTECTED, PROXY, REPRESENTATIVE), (ADULT, PROXY, ""), (ADULT, TRUSTED, "person"), (ADULT, REPRESENTATIVE, "person")],
)  # fmt: skip
def test_missing_agreement_by_who_agreed(who: str, code: str, lacks: str) -> None:
    assert lacking(who, "RelatedPerson/r1", related=relation(code)) == lacks


def test_missing_agreement_of_the_person_alone() -> None:
    assert [lacking(who) for who in (ADULT, MINOR, PROTECTED)] == ["", PARENT, REPRESENTATIVE]
    assert lacking(ADULT, "Patient/p1", "RelatedPerson/r1", related=relation(TRUSTED)) == ""
    assert lacking(MINOR, "Patient/p1", "RelatedPerson/r1", related=relation(PARENT)) == ""
    assert given_by(CONSENT, ()) == CONSENT | {"performer": [{"reference": "Patient/p1"}]}


@pytest.mark.parametrize(
    "changed",
    [{"active": False}, {"patient": {"reference": "Patient/p2"}}, {"relationship": []}, {"relationship": ["x"]},
     {"relationship": [{"coding": [{"system": "urn:x", "code": PARENT}]}]}, {"relationship": [{"coding": [{"code": PARENT}, 3]}]}, {"relationship": "x"}],
)  # fmt: skip
def test_missing_agreement_takes_no_stranger(changed: dict[str, Any]) -> None:
    assert lacking(MINOR, "RelatedPerson/r1", related=relation(PARENT) | changed) == PARENT
    assert lacking(MINOR, "RelatedPerson/r2", related=relation(PARENT)) == PARENT


@pytest.mark.parametrize(
    ("performers", "code", "by"),
    [(["RelatedPerson/r1"], PARENT, True), (["Patient/p1", "RelatedPerson/r1"], PARENT, True), (["RelatedPerson/r1"], TRUSTED, False),
     (["Patient/p1"], PARENT, False), ([], PARENT, False)],
)  # fmt: skip
def test_given_by_parent_when_one_of_those_who_agreed_is_one(performers: list[str], code: str, by: bool) -> None:
    consent = CONSENT | {"performer": [{"reference": each} for each in performers]}
    assert given_by_parent(consent, {"RelatedPerson/r1": relation(code)}, systems=SYSTEMS) is by


def test_given_by_parent_of_a_consent_of_nobody() -> None:
    nobody = {"performer": [{"reference": "RelatedPerson/r1"}]}
    assert not given_by_parent(nobody, {"RelatedPerson/r1": relation(PARENT)}, systems=SYSTEMS)


def test_missing_agreement_of_a_consent_of_nobody() -> None:
    nobody = CONSENT | {"patient": {"display": "x"}}
    assert missing_agreement(nobody, {}, who=ADULT, systems=SYSTEMS) == "person"
    assert given_by(nobody, ())["performer"] == []


def test_capacities_and_standings_are_the_codes_that_are_stored() -> None:
    assert (PARENT, REPRESENTATIVE, PROXY, TRUSTED) == ("autorite-parentale", "mandataire", "procuration", "personne-de-confiance")
    assert (MINOR, PROTECTED, ADULT) == ("minor", "protected", "adult")


# ── groups and teams ─────────────────────────────────────────────────────────────────────────────
def care_team(**more: Any) -> dict[str, Any]:
    participant = {"member": {"reference": "PractitionerRole/ines"}, "period": {"start": "2026-01-05"}}
    return {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": "Patient/p1"}, "participant": [participant], **more}


def in_team(found: dict[str, Any], at: datetime = AT) -> bool:
    bases = team([found], ask("PractitionerRole/ines"), at, zone="Europe/Paris")
    assert bases in ((), (Basis("team", "CareTeam/t1"),))
    return bool(bases)


def test_team_is_a_basis_from_its_date_on() -> None:
    assert in_team(care_team())
    assert in_team(care_team(), datetime(2026, 1, 4, 23, tzinfo=UTC))  # midnight in Paris
    assert not in_team(care_team(), datetime(2026, 1, 4, 22, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    "changed",
    [{"status": "proposed"}, {"subject": {"reference": "Patient/p2"}}, {"subject": None}, {"participant": []}, {"participant": "x"},
     {"participant": [{"member": {"reference": "PractitionerRole/ines"}}]}, {"participant": [{"member": {"display": "Inès"}, "period": {"start": "2026"}}]},
     {"participant": [{"member": {"reference": "PractitionerRole/ines"}, "period": {"end": "2030"}}]},
     {"participant": [{"member": {"reference": "PractitionerRole/ines"}, "period": {"start": "2026-01-05", "end": "2026-03-05"}}]},
     {"participant": [{"member": {"reference": "PractitionerRole/ines"}, "period": {"start": "soon"}}]},
     {"participant": [{"member": {"reference": "PractitionerRole/other"}, "period": {"start": "2026-01-05"}}]}, {"resourceType": "Group"}, {"id": 3}],
)  # fmt: skip
def test_team_is_no_basis_when_anything_is_missing(changed: dict[str, Any]) -> None:
    assert not in_team(care_team() | changed)


def test_members_S7_are_those_of_the_moment() -> None:
    group = {
        "resourceType": "Group", "id": "g", "member": [
            {"entity": {"reference": "Organization/a"}}, {"entity": {"reference": "Organization/b"}, "inactive": True},
            {"entity": {"reference": "Organization/c"}, "period": {"end": "2026-03-05"}}, {"entity": {"display": "d"}}, 3,
            {"entity": {"reference": "Organization/e"}, "period": {"start": "soon"}}, {"entity": {"reference": "Organization/f"}, "period": {"start": "2026-03-07"}},
            {"entity": {"reference": "Organization/g"}, "period": {"start": "2026-03-06", "end": "9999-12-31"}},
        ],
    }  # fmt: skip
    found = members([group, care_team(), {"resourceType": "Task", "id": "t"}, {"resourceType": "Group"}], AT)
    assert found == {"Group/g": ["Organization/a", "", "", "Organization/g"], "CareTeam/t1": ["PractitionerRole/ines"]}
    assert members([group | {"active": False}, care_team(status="inactive")], AT) == {"Group/g": [], "CareTeam/t1": []}


def test_members_and_team_end_at_the_end_of_their_last_day() -> None:
    until = {"member": {"reference": "PractitionerRole/ines"}, "period": {"start": "2026-01-05", "end": "2026-03-05"}}
    last, over = datetime(2026, 3, 5, 22, 59, 59, tzinfo=UTC), datetime(2026, 3, 5, 23, tzinfo=UTC)
    assert members([care_team(participant=[until])], last) == {"CareTeam/t1": ["PractitionerRole/ines"]}
    assert members([care_team(participant=[until])], over) == {"CareTeam/t1": []}
    assert team([care_team(participant=[until])], ask("PractitionerRole/ines"), last)
    assert not team([care_team(participant=[until])], ask("PractitionerRole/ines"), over)


def test_team_looks_through_every_care_team() -> None:
    several = [{"resourceType": "Group"}, care_team(status="inactive"), care_team(subject={"reference": "Patient/p2"}), care_team(), care_team(id="t2")]
    assert team(several, ask("PractitionerRole/ines"), AT) == (Basis("team", "CareTeam/t1"), Basis("team", "CareTeam/t2"))
