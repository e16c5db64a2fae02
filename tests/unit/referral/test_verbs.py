"""What each act changes, and what it refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B import get_fhir_model_class

from adapter.errors import Invalid
from adapter.names import PROFILES, SNOMED
from adapter.referral import codes, verbs
from adapter.referral.scene import Referral
from tests.unit.referral.referrals import AT, SYSTEMS, consent, kinds, referral, request, scene, task

Changed = list[dict[str, Any]]


def only_code(concept: dict[str, Any]) -> str:
    (coding,) = concept["coding"]
    return str(coding["code"])


# ── the two agreements ───────────────────────────────────────────────────────────────────────────
def test_agree_makes_the_request_active_when_the_doctor_is_first() -> None:
    changed = kinds(verbs.agree(referral("draft", doctor="draft", patient="proposed"), scene(), "doctor"))
    assert changed.keys() == {"ServiceRequest"} and changed["ServiceRequest"]["status"] == "active"


def test_agree_makes_the_consent_active_when_the_patient_is_first() -> None:
    changed = kinds(verbs.agree(referral("draft", doctor="draft", patient="proposed"), scene(), "patient"))
    assert changed.keys() == {"Consent"} and changed["Consent"]["status"] == "active"


@pytest.mark.parametrize(("who", "doctor", "patient", "types"), [
    ("doctor", "draft", "active", {"ServiceRequest", "Task"}), ("patient", "active", "proposed", {"Consent", "Task"}),
    ("patient", "active", "active", {"Task"}), ("doctor", "active", "active", {"Task"}),
])  # fmt: skip
def test_agree_sends_the_task_unread_with_its_deadline_when_both_stand(who: Any, doctor: str, patient: str, types: set[str]) -> None:
    due = datetime(2026, 3, 4, 18, tzinfo=ZoneInfo("Europe/Paris"))
    changed = kinds(verbs.agree(referral("draft", doctor=doctor, patient=patient), scene(), who, due=due))
    assert changed.keys() == types
    sent = changed["Task"]
    assert (sent["status"], only_code(sent["businessStatus"])) == ("requested", "non-lu")
    assert sent["restriction"] == {"period": {"end": "2026-03-04T18:00:00+01:00"}}


def test_agree_changes_nothing_when_it_was_given_before() -> None:
    assert verbs.agree(referral("draft", doctor="active", patient="proposed"), scene(), "doctor") == []
    assert verbs.agree(referral("accepted"), scene(), "patient") == []


def test_agree_refuses_when_there_is_no_consent_left_to_agree_to() -> None:
    for consents in ((), (consent("inactive"),), (consent("rejected"),)):
        with pytest.raises(Invalid, match="needs a Consent"):
            verbs.agree(Referral(task("draft"), request("draft"), consents), scene(), "patient")


def test_agree_refuses_when_the_referral_is_over() -> None:
    with pytest.raises(Invalid, match="may not go from cancelled to requested"):
        verbs.agree(referral("cancelled", doctor="revoked", patient="inactive"), scene(), "doctor")


@pytest.mark.parametrize(("doctor", "patient"), [("draft", "active"), ("active", "proposed"), ("draft", "proposed")])
def test_sent_refuses_while_an_agreement_is_missing(doctor: str, patient: str) -> None:
    with pytest.raises(Invalid, match="agreement"):
        verbs.sent(referral("draft", doctor=doctor, patient=patient), scene())


def test_agreements_count_only_the_consent_that_the_request_names() -> None:
    assert verbs.agreements(request(), [consent()]) == (True, True)
    assert verbs.agreements(request(), [consent(id="c2")]) == (True, False)  # active, of another request
    assert verbs.agreements(request("draft"), []) == (False, False)


def test_agreements_look_at_the_recipients_consent_when_another_is_named_too() -> None:
    asked = request(supportingInfo=[{"reference": "Consent/c1"}, {"reference": "Consent/c2"}, {"reference": "QuestionnaireResponse/q"}])
    both = [consent("active", id="c2", actor="Organization/clinic"), consent("proposed", actor="Organization/saad")]
    assert verbs.agreements(asked, both) == (True, False)  # the first named one is the recipient's
    assert verbs.agreements(asked, both, recipient="Organization/saad") == (True, False)
    assert verbs.agreements(asked, both, recipient="Organization/clinic") == (True, True)
    assert verbs.agreements(asked, both, recipient="Organization/other") == (True, False)


@pytest.mark.parametrize(("state", "doctor", "patient", "leaves"), [
    ("draft", "active", "active", False), ("draft", "active", "proposed", False),
    ("requested", "active", "active", True), ("requested", "active", "inactive", False), ("accepted", "draft", "active", False),
    ("completed", "completed", "inactive", True), ("rejected", "revoked", "inactive", True), ("failed", "revoked", "inactive", True),
    ("cancelled", "revoked", "inactive", True), ("cancelled", "revoked", "rejected", False),
    ("cancelled", "entered-in-error", "inactive", False), ("entered-in-error", "revoked", "inactive", True),
    ("entered-in-error", "entered-in-error", "rejected", False),
])  # fmt: skip
def test_may_leave_knows_what_was_sent_from_what_was_given_up_before(state: str, doctor: str, patient: str, leaves: bool) -> None:
    found = referral(state, doctor=doctor, patient=patient)
    assert verbs.may_leave(found.request, found.task, found.consents) is leaves


# ── the target's moves ───────────────────────────────────────────────────────────────────────────
def test_accept_ends_the_unread_mark() -> None:
    changed = kinds(verbs.accept(referral("requested", businessStatus={"text": "non lu"}), scene()))
    assert changed["Task"]["status"] == "accepted" and "businessStatus" not in changed["Task"]
    assert changed["Task"]["lastModified"] == "2026-03-02T09:00:00.000Z"


def test_decline_gives_the_label_as_the_only_text_and_ends_request_and_consent() -> None:
    changed = kinds(verbs.decline(referral("requested"), scene(), "hors-territoire"))
    reason = changed["Task"]["statusReason"]
    assert reason == {
        "coding": [{"system": SYSTEMS.code("status-reason"), "code": "hors-territoire"}], "text": "label of status-reason/hors-territoire",
    }  # fmt: skip
    assert (changed["Task"]["status"], changed["ServiceRequest"]["status"], changed["Consent"]["status"]) == (
        "rejected",
        "revoked",
        "inactive",
    )


def test_start_and_hold_leave_request_and_consent_as_they_are() -> None:
    assert kinds(verbs.start(referral("accepted"), scene())).keys() == {"Task"}
    held = kinds(verbs.hold(referral("in-progress"), scene(), "autre"))["Task"]
    assert held["status"] == "on-hold" and only_code(held["statusReason"]) == "autre"
    resumed = kinds(verbs.start(referral("on-hold"), scene()))["Task"]
    assert resumed["status"] == "in-progress" and "statusReason" not in resumed


@pytest.mark.parametrize("code", ["contact-tente", "rdv-fixe", "absent-1", "absent-2", "absent-3"])
def test_progress_says_how_far_it_is_and_keeps_the_status(code: str) -> None:
    for state in ("requested", "accepted", "in-progress", "on-hold"):
        changed = kinds(verbs.progress(referral(state), scene(), code))["Task"]
        assert (changed["status"], only_code(changed["businessStatus"])) == (state, code)
        assert ("statusReason" in changed) is (state == "on-hold")


def test_progress_refuses_other_codes_and_closed_referrals() -> None:
    with pytest.raises(Invalid):
        verbs.progress(referral("accepted"), scene(), "non-lu")
    with pytest.raises(Invalid):
        verbs.progress(referral("completed"), scene(), "rdv-fixe")


def test_complete_makes_one_procedure_per_outcome_and_points_to_it() -> None:
    outcomes = {"denutrition": "aide-alimentaire-en-place", "isolement": "sans-suite"}
    snomed = {"aide-alimentaire-en-place": "710925007", "sans-suite": "710824005"}
    changed = verbs.complete(referral("in-progress"), scene(), outcomes, results={"denutrition": "satisfait"}, snomed=snomed.__getitem__)
    done = [resource for resource in changed if resource["resourceType"] == "Procedure"]
    rest = kinds([resource for resource in changed if resource["resourceType"] != "Procedure"])
    assert [[only_code(reason) for reason in one["reasonCode"]] for one in done] == [["denutrition"], ["isolement"]]
    assert done[0]["code"]["coding"] == [
        {"system": SNOMED, "code": "710925007"}, {"system": SYSTEMS.code("outcome"), "code": "aide-alimentaire-en-place"},
    ]  # fmt: skip
    assert only_code(done[0]["outcome"]) == "satisfait" and "outcome" not in done[1]
    assert [entry["valueReference"]["reference"] for entry in rest["Task"]["output"]] == [f"Procedure/{one['id']}" for one in done]
    assert (rest["Task"]["status"], rest["ServiceRequest"]["status"], rest["Consent"]["status"]) == ("completed", "completed", "inactive")
    for one in done:
        assert one["identifier"] == [{"system": SYSTEMS.sid("procedure"), "value": one["id"]}]
        assert one["meta"]["profile"] == [PROFILES["Procedure"]] and one["basedOn"] == [{"reference": "ServiceRequest/r1"}]
        assert only_code(one["category"]) == "food-insecurity" and one["performer"][0]["actor"]["reference"] == "PractitionerRole/lea"


def test_complete_joins_needs_with_the_same_outcome_and_keeps_earlier_outputs() -> None:
    before = [{"type": {"text": "x"}, "valueReference": {"reference": "Procedure/earlier"}}]
    outcomes = {"denutrition": "aide-en-place", "isolement": "aide-en-place"}
    changed = verbs.complete(referral("accepted", output=before), scene(), outcomes, performed=AT - timedelta(days=1))
    assert [resource["resourceType"] for resource in changed].count("Procedure") == 1
    assert changed[0]["performedDateTime"] == "2026-03-01T09:00:00.000Z"
    assert changed[1]["output"][0] == before[0] and len(changed[1]["output"]) == 2


def test_complete_speaks_of_the_whole_request_when_no_need_is_named() -> None:
    assert "reasonCode" not in verbs.complete(referral("accepted"), scene(by="HealthcareService/u"), {"": "sans-suite"})[0]
    assert "performer" not in verbs.complete(referral("accepted"), scene(by="HealthcareService/u"), {"": "sans-suite"})[0]


@pytest.mark.parametrize(
    ("outcomes", "results"), [({}, {}), ({"expulsion": "sans-suite"}, {}), ({"isolement": "sans-suite"}, {"expulsion": "x"})]
)
def test_complete_refuses_needs_that_were_not_asked(outcomes: dict[str, str], results: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        verbs.complete(referral("accepted"), scene(), outcomes, results=results)
    assert "expulsion" not in str(caught.value)


def test_fail_ends_the_referral_with_a_reason() -> None:
    changed = kinds(verbs.fail(referral("in-progress"), scene(), "beneficiaire-non-joignable"))
    assert (changed["Task"]["status"], changed["ServiceRequest"]["status"], changed["Consent"]["status"]) == (
        "failed",
        "revoked",
        "inactive",
    )


# ── either side, and the person ──────────────────────────────────────────────────────────────────
def test_cancel_is_open_to_both_sides_once_sent_and_to_the_requester_before() -> None:
    for state in ("requested", "accepted", "in-progress", "on-hold"):
        for actor in ("requester", "target"):
            assert kinds(verbs.cancel(referral(state), scene(), "autre", actor=actor))["Task"]["status"] == "cancelled"  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        verbs.cancel(referral("draft"), scene(), "autre", actor="target")


@pytest.mark.parametrize(("doctor", "patient", "request_after", "consent_after"), [
    ("active", "proposed", "revoked", "rejected"), ("draft", "active", "entered-in-error", "inactive"),
    ("draft", "proposed", "entered-in-error", "rejected"),
])  # fmt: skip
def test_cancel_of_a_draft_leaves_traces_that_may_leave_understands(
    doctor: str, patient: str, request_after: str, consent_after: str
) -> None:
    changed = kinds(verbs.cancel(referral("draft", doctor=doctor, patient=patient), scene(), codes.CLOSED, actor="requester"))
    assert (changed["ServiceRequest"]["status"], changed["Consent"]["status"]) == (request_after, consent_after)
    assert not verbs.may_leave(changed["ServiceRequest"], changed["Task"], [changed["Consent"]])


def test_withdraw_closes_everything_with_a_neutral_reason_and_tells_the_recipient_who_had_seen_it() -> None:
    changed = kinds(verbs.withdraw(referral("accepted"), scene(by="Organization/clinic"), shown=True))
    assert (changed["Task"]["status"], changed["ServiceRequest"]["status"], changed["Consent"]["status"]) == (
        "cancelled",
        "revoked",
        "inactive",
    )
    assert only_code(changed["Task"]["statusReason"]) == "demande-close"
    assert verbs.may_leave(changed["ServiceRequest"], changed["Task"], [changed["Consent"]])
    notice = changed["Communication"]
    assert notice["payload"] == [{"contentString": "K7-42M"}] and notice["recipient"] == [{"reference": "HealthcareService/coursier"}]
    text = json.dumps(notice)
    assert "Patient" not in text and "need" not in text and "demande-close" not in text and "denutrition" not in text


def test_withdraw_sends_no_notice_when_nobody_had_seen_it() -> None:
    assert "Communication" not in kinds(verbs.withdraw(referral("requested"), scene(), shown=False))
    assert "Communication" not in kinds(verbs.withdraw(referral("draft", doctor="draft"), scene(), shown=True))


def test_withdraw_only_ends_consents_and_tells_who_knew_when_the_referral_is_over() -> None:
    over = referral("completed", doctor="completed")
    assert kinds(verbs.withdraw(over, scene(), shown=False)).keys() == {"Consent"}
    assert kinds(verbs.withdraw(over, scene(), shown=True)).keys() == {"Consent", "Communication"}
    ended = referral("completed", doctor="completed", patient="inactive")
    assert verbs.withdraw(ended, scene(), shown=False) == [] and kinds(verbs.withdraw(ended, scene(), shown=True)).keys() == {"Communication"}


def test_withdraw_ends_every_consent_of_the_referral_when_there_are_two() -> None:
    found = Referral(task("accepted"), request(), (consent(), consent(id="c2", actor="Organization/clinic")))
    changed = verbs.withdraw(found, scene(), shown=False)
    assert {resource["id"]: resource["status"] for resource in changed if resource["resourceType"] == "Consent"} == {
        "c1": "inactive",
        "c2": "inactive",
    }


# ── words ────────────────────────────────────────────────────────────────────────────────────────
def test_ask_and_answer_are_coded_and_tied_to_each_other() -> None:
    changed = kinds(verbs.ask(referral("accepted"), scene(), "telephone"))
    question = changed["Communication"]
    assert only_code(changed["Task"]["businessStatus"]) == "complement-demande" and changed["Task"]["status"] == "accepted"
    assert question["recipient"] == [{"reference": "Organization/clinic"}] and only_code(question["topic"]) == "telephone"
    assert question["payload"] == [{"contentString": "label of question/telephone"}]
    told = kinds(verbs.answer(Referral(changed["Task"], request(), (consent(),)), scene(by="Organization/clinic"), question, "oui"))
    assert "businessStatus" not in told["Task"]
    assert told["Communication"]["inResponseTo"] == [{"reference": f"Communication/{question['id']}"}]
    assert told["Communication"]["recipient"] == [{"reference": "HealthcareService/coursier"}]


def test_ask_keeps_the_reason_of_a_task_on_hold() -> None:
    assert kinds(verbs.ask(referral("on-hold"), scene(), "telephone"))["Task"]["statusReason"] == {"text": "Motif"}


def test_message_is_for_the_practice_and_changes_no_state() -> None:
    changed = kinds(verbs.message(referral("completed"), scene(), "  Portage en place lundi. "))
    assert changed.keys() == {"Communication"}
    assert changed["Communication"]["payload"] == [{"contentString": "Portage en place lundi."}]
    assert changed["Communication"]["recipient"] == [{"reference": "Organization/clinic"}]
    for found, text in ((referral("accepted"), "   "), (referral("draft"), "Bonjour")):
        with pytest.raises(Invalid):
            verbs.message(found, scene(), text)


# ── every act ────────────────────────────────────────────────────────────────────────────────────
ACTS: dict[str, tuple[str, Callable[[Referral], Changed]]] = {
    "accept": ("requested", lambda found: verbs.accept(found, scene())),
    "decline": ("requested", lambda found: verbs.decline(found, scene(), "autre")),
    "start": ("accepted", lambda found: verbs.start(found, scene())),
    "hold": ("accepted", lambda found: verbs.hold(found, scene(), "autre")),
    "fail": ("accepted", lambda found: verbs.fail(found, scene(), "autre")),
    "complete": ("accepted", lambda found: verbs.complete(found, scene(), {"isolement": "sans-suite"})),
    "cancel": ("accepted", lambda found: verbs.cancel(found, scene(), "autre", actor="target")),
    "withdraw": ("accepted", lambda found: verbs.withdraw(found, scene(), shown=True)),
    "ask": ("accepted", lambda found: verbs.ask(found, scene(), "telephone")),
    "message": ("accepted", lambda found: verbs.message(found, scene(), "Bonjour")),
    "progress": ("accepted", lambda found: verbs.progress(found, scene(), "rdv-fixe")),
}


@pytest.mark.parametrize("name", ACTS)
def test_acts_never_change_what_they_are_given(name: str) -> None:
    state, act = ACTS[name]
    found = referral(state)
    before = copy.deepcopy(found)
    act(found)
    assert found == before


@pytest.mark.parametrize("name", ACTS)
def test_acts_make_valid_r4_with_ids_of_their_own(name: str) -> None:
    state, act = ACTS[name]
    for resource in act(referral(state)):
        if resource["resourceType"] in ("Procedure", "Communication", "Task"):
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        if resource["resourceType"] in ("Procedure", "Communication"):
            assert len(resource["id"]) == 36 and resource["identifier"][0]["value"] == resource["id"]


@pytest.mark.parametrize("name", [name for name in ACTS if name not in ("message", "withdraw")])
@pytest.mark.parametrize("state", ["completed", "rejected", "cancelled", "failed", "entered-in-error"])
def test_acts_are_refused_when_the_referral_is_over(name: str, state: str) -> None:
    with pytest.raises(Invalid):
        ACTS[name][1](referral(state))


def test_acts_never_date_a_task_before_it_was_authored() -> None:
    early = scene(at=datetime(2026, 2, 27, 12, tzinfo=UTC))
    assert verbs.accept(referral("requested"), early)[0]["lastModified"] == "2026-02-27T17:50:00.000Z"
    assert verbs.accept(referral("requested", authoredOn="2026-02"), early)[0]["lastModified"] == "2026-02-27T12:00:00.000Z"


# ── what an end that came alone brings with it ───────────────────────────────────────────────────
@pytest.mark.parametrize(("task", "request_after"), [
    ("completed", "completed"), ("cancelled", "revoked"), ("rejected", "revoked"), ("failed", "revoked"), ("entered-in-error", "revoked"),
])  # fmt: skip
def test_follow_ends_what_a_task_leaves_open(task: str, request_after: str) -> None:
    changed = kinds(verbs.follow(referral(task), scene()))
    assert changed.keys() == {"ServiceRequest", "Consent"}
    assert (changed["ServiceRequest"]["status"], changed["Consent"]["status"]) == (request_after, "inactive")


@pytest.mark.parametrize("request_status", ["revoked", "entered-in-error"])
def test_follow_cancels_the_task_of_a_void_request(request_status: str) -> None:
    changed = kinds(verbs.follow(referral("accepted", doctor=request_status), scene()))
    assert changed.keys() == {"Task", "Consent"}
    assert (changed["Task"]["status"], only_code(changed["Task"]["statusReason"]), changed["Consent"]["status"]) == ("cancelled", "demande-close", "inactive")


@pytest.mark.parametrize(("task", "doctor", "patient"), [("accepted", "active", "active"), ("accepted", "completed", "active"), ("cancelled", "revoked", "inactive")])
def test_follow_does_nothing_where_nothing_or_all_has_ended(task: str, doctor: str, patient: str) -> None:
    assert verbs.follow(referral(task, doctor=doctor, patient=patient), scene()) == []
