"""The life of a consent through the doors (workflow.md 4 and 5): who heard what, and what it changes at once."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from adapter import audit, dossier
from adapter.errors import Forbidden, Invalid, SettingsError
from adapter.look import Revealed
from adapter.ports import Change, Principal, Resource
from adapter.settings import load_settings
from tests.e2e.records import BY_PHONE, DOCTOR, TO_CARSAT, VIEW, acts, agents, card, notices, only, stored, told
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


# ── information ──────────────────────────────────────────────────────────────────────────────────
def owed(stage: Stage, who: Principal, view: str) -> Any:
    return stage.app.write_now(lambda story, uow: story.lists.owed(uow, who, view, request_id=""))


def test_information_sheet_is_on_the_list_after_eight_days_and_off_it_once_given(stage: Stage) -> None:
    stage.sent()
    assert owed(stage, COURSIER, VIEW) == []
    stage.clock.tick(timedelta(days=8))
    assert owed(stage, COURSIER, VIEW) == []
    stage.clock.tick(timedelta(seconds=1))
    assert [each["reference"] for each in owed(stage, COURSIER, VIEW)] == [card(stage).card["reference"]]
    assert owed(stage, COURSIER, VIEW)[0]["id"] == card(stage).id
    assert owed(stage, SAAD, VIEW) is None and owed(stage, SAAD, "saad") == []
    assert stage.act(COURSIER, VIEW, card(stage), "inform", **BY_PHONE) is not None  # never a reason to deny
    assert owed(stage, COURSIER, VIEW) == []
    proof = only(told(stage, "info-remise"))
    assert agents(proof) == {"attester": "PractitionerRole/secretaire-saint-eloi", "enterer": "PractitionerRole/coursier-lea"}
    assert {each["reference"] for each in proof["target"]} == {f"{type}/{only(stored(stage, type))['id']}" for type in ("Consent", "ServiceRequest")}


def test_information_is_due_from_the_first_contact_once_there_is_one(stage: Stage) -> None:
    stage.sent()
    shown = stage.act(COURSIER, VIEW, card(stage), "accept")
    stage.clock.tick(timedelta(days=5))
    stage.act(COURSIER, VIEW, stage.see(COURSIER, VIEW, shown.id), "start")
    stage.clock.tick(timedelta(days=4))
    assert owed(stage, COURSIER, VIEW) == []
    stage.clock.tick(timedelta(days=5))
    assert len(owed(stage, COURSIER, VIEW)) == 1


# ── confirmation ─────────────────────────────────────────────────────────────────────────────────
def test_confirmation_adds_a_verification_with_whom_and_who_wrote_it_down(stage: Stage) -> None:
    stage.sent()
    assert "verification" not in only(stored(stage, "Consent"))
    shown = stage.act(COURSIER, VIEW, card(stage), "confirm", how="ecrit")
    consent = only(stored(stage, "Consent"))
    assert consent["verification"][0]["verified"] is True
    assert consent["verification"][0]["verifiedWith"] == consent["patient"]
    assert agents(only(told(stage, "confirmation"))) == {"author": consent["patient"]["reference"], "attester": "PractitionerRole/coursier-lea"}
    with pytest.raises(Invalid, match="confirmed before"):
        stage.act(COURSIER, VIEW, shown, "confirm")


# ── narrowing ────────────────────────────────────────────────────────────────────────────────────
def test_fewer_needs_are_seen_at_once_and_never_more_again(stage: Stage) -> None:
    stage.sent()
    assert set(card(stage).card["need_codes"]) == {"aide-alimentaire", "isolement"}
    shown = stage.act(COURSIER, VIEW, card(stage), "narrow", needs=["isolement"], **BY_PHONE)
    assert shown.card["need_codes"] == ["isolement"]
    for wrong in (["budget"], ["aide-alimentaire"], ["aide-alimentaire", "isolement"]):
        with pytest.raises(Invalid, match="codes of this referral"):
            stage.act(COURSIER, VIEW, shown, "narrow", needs=wrong)
    with pytest.raises(Invalid, match="that narrow already"):
        stage.act(COURSIER, VIEW, shown, "narrow", needs=["isolement"])
    assert card(stage).card["need_codes"] == ["isolement"]


def test_practice_knows_every_need_when_it_narrows(stage: Stage) -> None:
    stage.sent()
    stage.act(GP, "prescripteur", only(stage.cards(GP, "prescripteur")), "narrow", needs=["isolement"], heard_by="dr-exemple")
    with pytest.raises(Invalid, match="withdraw it instead"):
        stage.act(GP, "prescripteur", only(stage.cards(GP, "prescripteur")), "narrow", needs=["aide-alimentaire"], heard_by="dr-exemple")


def test_recipient_that_narrows_a_permit_without_codes_names_what_it_saw_and_no_more(stage: Stage) -> None:
    """What such a permit hides is sensitive: named, it would be shown."""
    stage.sent()
    request, consent = only(stored(stage, "ServiceRequest")), only(stored(stage, "Consent"))
    like = request["reasonCode"][0]["coding"][0]
    asked = request | {"reasonCode": [*request["reasonCode"], {"coding": [like | {"code": "violences"}]}]}
    bare = consent | {"provision": {name: value for name, value in consent["provision"].items() if name != "code"}}
    changes = [Change("update", each["resourceType"], each["id"], each, origin="device") for each in (asked, bare)]
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, changes))
    assert set(card(stage).card["need_codes"]) == {"aide-alimentaire", "isolement"}
    shown = stage.act(COURSIER, VIEW, card(stage), "narrow", needs=["isolement"], **BY_PHONE)
    assert shown.card["need_codes"] == ["isolement"]
    assert [each["code"] for concept in only(stored(stage, "Consent"))["provision"]["code"] for each in concept["coding"]] == ["isolement"]


@pytest.mark.parametrize("verb", ["inform", "confirm", "narrow", "withdraw", "oppose"])
@pytest.mark.parametrize("end", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z"])
def test_time_that_no_zone_can_hold_is_refused_as_no_time(stage: Stage, verb: str, end: str) -> None:
    stage.sent()
    arguments = {"until": end} if verb == "narrow" else {"at": end}
    with pytest.raises(Invalid, match="instant"):
        stage.act(COURSIER, VIEW, card(stage), verb, heard_by="coursier-lea", **arguments)


def test_agreement_past_its_end_is_none_to_confirm_or_to_inform_of_and_urgency_may_follow_it(stage: Stage) -> None:
    stage.sent(**TO_CARSAT)
    own = only(stage.cards(GP, "prescripteur"))
    own = stage.act(GP, "prescripteur", own, "narrow", until=(stage.clock.now() + timedelta(hours=1)).isoformat(), heard_by="dr-exemple")
    stage.clock.tick(timedelta(hours=2))
    own = stage.see(GP, "prescripteur", own.id)
    for verb in ("confirm", "inform", "narrow"):
        with pytest.raises(Invalid, match="no agreement is in force"):
            stage.act(GP, "prescripteur", own, verb, **({"needs": ["budget"]} if verb == "narrow" else {}))
    assert stage.cards(CARSAT, "as-carsat") == []
    assert stage.act(GP, "prescripteur", own, "urgency", reason="danger-vital") is not None
    assert len(stage.cards(CARSAT, "as-carsat")) == 1


# ── a need outside the permit ────────────────────────────────────────────────────────────────────
ASKED = [
    ("narrow", {"needs": ["budget"]}), ("narrow", {"needs": ["isolement", "budget"]}), ("narrow", {"needs": ["isolement"]}), ("narrow", {"needs": ["denutrition"]}),
    ("complete", {"needs": {"budget": "no such code"}}), ("complete", {"needs": {"budget": "droits-ouverts"}}), ("complete", {"needs": {"denutrition": "droits-ouverts"}}),
    ("complete", {"needs": {"isolement": "aide-alimentaire-en-place", "budget": "aide-alimentaire-en-place"}}), ("complete", {"needs": {}}), ("complete", {"needs": {"": "droits-ouverts"}}),
    ("complete", {"needs": {"isolement": "aide-alimentaire-en-place"}}), ("complete", {"outcome": "aide-alimentaire-en-place"}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "arguments"), ASKED)
def test_need_outside_the_permit_is_to_every_act_as_one_that_is_not_there(verb: str, arguments: dict[str, Any]) -> None:
    """Two stores that differ in that alone, asked the same, say the same word for word; and no outcome is written for it."""
    said = []
    for besoins, kept in ((["denutrition", "isolement"], None), (["denutrition", "isolement", "budget"], ["aide-alimentaire", "isolement"])):
        with staged() as stage:
            stage.sent(besoins=besoins)
            if kept:
                stage.act(GP, "prescripteur", only(stage.cards(GP, "prescripteur")), "narrow", needs=kept, heard_by="dr-exemple")
            shown = stage.act(COURSIER, VIEW, card(stage), "accept")
            assert shown is not None and set(shown.card["need_codes"]) == {"aide-alimentaire", "isolement"}
            try:
                after = stage.act(COURSIER, VIEW, shown, verb, **arguments)
                said.append((after.card["state"], after.card.get("need_codes"), after.card.get("outcome")))
            except Invalid as refusal:
                said.append([(each.code, each.text, each.expression) for each in refusal.issues])
            done = [coding["code"] for each in stored(stage, "Procedure") for need in each["reasonCode"] for coding in need["coding"]]
            assert "budget" not in done
            said.append(sorted(done))
    assert said[:2] == said[2:]
    assert isinstance(said[0], tuple) is (arguments in ({"needs": ["isolement"]}, {"needs": {"isolement": "aide-alimentaire-en-place"}}, {"outcome": "aide-alimentaire-en-place"}))


def test_earlier_end_closes_the_view_at_that_instant_and_does_not_move_later(stage: Stage) -> None:
    stage.sent()
    end = stage.clock.now() + timedelta(days=2)
    shown = stage.act(COURSIER, VIEW, card(stage), "narrow", until=end.isoformat())
    with pytest.raises(Invalid, match="wider"):
        stage.act(COURSIER, VIEW, shown, "narrow", until=(end + timedelta(days=1)).isoformat())
    for wrong in (stage.clock.now().isoformat(), "2026-03-08", "demain"):
        with pytest.raises(Invalid, match="instant"):
            stage.act(COURSIER, VIEW, shown, "narrow", until=wrong)
    stage.clock.set(end)
    assert stage.see(COURSIER, VIEW, shown.id) is not None
    stage.clock.tick(timedelta(seconds=1))
    assert stage.see(COURSIER, VIEW, shown.id) is None and stage.cards(COURSIER, VIEW) == []


def test_consent_never_widens_from_outside_and_never_returns(stage: Stage) -> None:
    stage.sent()
    consent = only(stored(stage, "Consent"))
    wide = copy.deepcopy(consent)
    wide["provision"]["actor"].append({**wide["provision"]["actor"][0], "reference": {"reference": "Organization/saad-seine"}})

    def write(resource: Resource) -> None:
        stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("update", "Consent", resource["id"], resource)]))

    with pytest.raises(Invalid, match="only narrows"):
        write(wide)
    write(consent | {"status": "inactive"})
    assert stage.cards(COURSIER, VIEW) == []
    with pytest.raises(Invalid, match="does not return"):
        write(consent)


@pytest.mark.parametrize("type", ["CareTeam", "Provenance"])
def test_what_permits_or_proves_is_written_by_acts_only(stage: Stage, type: str) -> None:
    made = {"resourceType": type, "status": "active"}
    with pytest.raises(Forbidden):
        stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("create", type, None, made)]))


# ── withdrawal, opposition ───────────────────────────────────────────────────────────────────────
def test_withdrawal_says_who_heard_it_and_who_wrote_it_down(stage: Stage) -> None:
    stage.sent()
    stage.act(COURSIER, VIEW, card(stage), "withdraw", **BY_PHONE)
    assert agents(only(told(stage, "retrait"))) == {
        "author": only(stored(stage, "Consent"))["patient"]["reference"],
        "attester": "PractitionerRole/secretaire-saint-eloi",
        "enterer": "PractitionerRole/coursier-lea",
    }
    assert acts(stage)[-1] == ("agreement-withdraw", {"how": "telephone"})


@pytest.mark.parametrize(
    ("said", "place"),
    [({"heard_by": "nobody"}, "heard_by"), ({"at": "2026-03-06"}, "at"), ({"at": "2027-01-01T00:00:00Z"}, "at"), ({"how": "fax"}, "how")],
)
def test_withdrawal_heard_by_nobody_or_in_the_future_is_refused(stage: Stage, said: dict[str, str], place: str) -> None:
    stage.sent()
    with pytest.raises(Invalid) as refusal:
        stage.act(COURSIER, VIEW, card(stage), "withdraw", **said)
    assert refusal.value.issues[0].expression == place
    assert only(stored(stage, "Consent"))["status"] == "active"


@pytest.mark.parametrize("verb", ["inform", "confirm", "withdraw", "narrow", "oppose"])
def test_nothing_is_said_of_a_referral_before_the_day_of_its_request(stage: Stage, verb: str) -> None:
    """The call of 2026-03-06 in Paris: that day from its midnight, which is the evening before in UTC."""
    stage.sent()
    more = {"needs": ["isolement"]} if verb == "narrow" else {}
    with pytest.raises(Invalid) as refusal:
        stage.act(GP, "prescripteur", stage.cards(GP, "prescripteur")[0], verb, at="2026-03-05T23:59:59+01:00", **more)
    assert refusal.value.issues[0].expression == "at" and only(stored(stage, "Consent"))["status"] == "active"
    stage.act(GP, "prescripteur", stage.cards(GP, "prescripteur")[0], verb, at="2026-03-05T23:00:00Z", **more)


@pytest.mark.parametrize("who", ["doctor", "patient"])
def test_no_agreement_is_heard_before_the_day_of_the_request(stage: Stage, who: str) -> None:
    stage.call()

    def agree(at: str) -> Any:
        return stage.app.write_now(lambda story, uow: story.agree(uow, COURSIER, "appel-coursier", "appel-1", {"who": who, "agreed": True, "at": at}))

    with pytest.raises(Invalid, match="not before the day"):
        agree("2026-03-05T23:59:59+01:00")
    agree("2026-03-06T00:00:00+01:00")


def test_closing_notice_is_acknowledged_once_and_stands_in_the_audit(stage: Stage) -> None:
    stage.sent()
    spoken = card(stage).card["reference"]
    stage.act(COURSIER, VIEW, card(stage), "withdraw", **BY_PHONE)
    assert only(notices(stage))["read"] == ""

    def read(who: Principal, view: str, reference: str) -> bool:
        return stage.app.write_now(lambda story, uow: story.agreements.acknowledge(uow, who, view, reference))

    assert not read(SAAD, "saad", spoken) and not read(SAAD, VIEW, spoken) and not read(COURSIER, VIEW, "AA-00A")
    assert read(COURSIER, VIEW, spoken)
    first = only(notices(stage))["read"]
    stage.clock.tick(timedelta(hours=1))
    assert read(COURSIER, VIEW, spoken) and only(notices(stage))["read"] == first != ""
    assert len(told(stage, "avis-lu")) == 1 and [name for name, _ in acts(stage)].count("closing-notice-read") == 2


def test_opposition_to_the_recipient_wins_over_every_agreement_and_ends_what_runs_there(stage: Stage) -> None:
    stage.sent()
    stage.sent(id="appel-2", besoins=["isolement"])
    stage.sent(id="appel-3", **TO_CARSAT)
    first = stage.cards(COURSIER, VIEW)[0]
    assert stage.act(COURSIER, VIEW, first, "oppose", **BY_PHONE) is not None
    assert stage.cards(COURSIER, VIEW) == [] and len(notices(stage)) == 2
    assert len(stage.cards(CARSAT, "as-carsat")) == 1  # another service is not meant
    assert stage.call(id="appel-4").status == "not-sent"  # the opposition stands
    assert stage.cards(COURSIER, VIEW) == [] and len(stored(stage, "Task")) == 3
    deny = only(each for each in stored(stage, "Consent") if each["provision"]["type"] == "deny")
    assert deny["status"] == "active" and deny["provision"]["actor"][0]["reference"]["reference"] == "Organization/asso-coursiers"
    assert {each["target"][0]["reference"] for each in told(stage, "opposition")} >= {f"Consent/{deny['id']}"}


def test_opposition_to_everyone_closes_every_view_and_stops_letters(stage: Stage) -> None:
    stage.sent()
    stage.sent(id="appel-3", **TO_CARSAT)
    mine = next(each for each in stage.cards(GP, DOCTOR) if "isolement" in each.card["need_codes"])
    stage.act(GP, DOCTOR, mine, "oppose", against="everyone", how="presence")
    assert stage.cards(COURSIER, VIEW) == stage.cards(CARSAT, "as-carsat") == stage.cards(GP, DOCTOR) == []
    stage.push()
    assert not stage.ehr.all("ServiceRequest") and not stage.ehr.all("Task")
    assert {each["status"] for each in stored(stage, "Task")} == {"cancelled"}
    assert len(notices(stage)) == len(notices(stage, CARSAT, "as-carsat")) == 1


def test_opposition_against_something_else_is_refused(stage: Stage) -> None:
    stage.sent()
    with pytest.raises(Invalid, match="against"):
        stage.act(COURSIER, VIEW, card(stage), "oppose", against="landlord")


# ── the end of the care ──────────────────────────────────────────────────────────────────────────
def closed(stage: Stage) -> Revealed:
    stage.sent()
    shown = stage.act(COURSIER, VIEW, card(stage), "accept")
    return stage.act(COURSIER, VIEW, shown, "complete", outcome="aide-alimentaire-en-place")


def test_reference_dates_and_outcome_stay_thirty_days_and_nothing_after(stage: Stage) -> None:
    shown = closed(stage)
    assert only(stored(stage, "Consent"))["status"] == "inactive"
    assert {"reference", "outcome", "asked"} <= shown.card.keys() and not {"person", "needs", "contact"} & shown.card.keys()
    stage.clock.tick(timedelta(days=30))
    assert stage.see(COURSIER, VIEW, shown.id) is not None
    stage.clock.tick(timedelta(seconds=1))
    assert stage.see(COURSIER, VIEW, shown.id) is None


def test_reference_is_never_kept_longer_than_six_months() -> None:
    assert load_settings({"LIAISON_REFERENCE_KEPT": "180d"}).reference_kept == timedelta(days=180)
    with pytest.raises(SettingsError):
        load_settings({"LIAISON_REFERENCE_KEPT": "181d"})


# ── the proof of it all ──────────────────────────────────────────────────────────────────────────
def test_every_act_of_a_consents_life_is_in_the_chain_without_a_word_of_the_person(stage: Stage) -> None:
    stage.sent()
    for verb, arguments in (("inform", {}), ("confirm", {}), ("narrow", {"needs": ["isolement"]}), ("oppose", {})):
        stage.act(COURSIER, VIEW, card(stage), verb, **BY_PHONE, **arguments)
    assert [name for name, _ in acts(stage)] == ["agreement-inform", "agreement-confirm", "agreement-narrow", "agreement-oppose"]
    rows = stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    assert audit.verify(rows).ok and not any(b"Zyx" in row.event for row in rows)


def test_dossier_of_nothing_takes_the_statements_of_one_that_is_there(stage: Stage) -> None:
    stage.sent()
    assert stage.app.read_now(lambda _, uow: dossier.load(uow, "")) is None
