"""Going without the person's agreement, and agreeing in the person's place (workflow.md 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import Forbidden, Invalid
from adapter.look import Revealed
from adapter.network import Person
from adapter.ports import Change
from tests.e2e.records import DOCTOR, TO_CARSAT, VIEW, acts, card, notices, only, stored, told
from tests.e2e.stage import CALL, CARSAT, COURSIER, GP, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


# ── urgency ──────────────────────────────────────────────────────────────────────────────────────
def unasked(stage: Stage, **record: Any) -> Revealed:
    """The doctor agreed, the person could not be asked."""
    stage.call(**{**TO_CARSAT, **record})
    stage.agree("doctor")
    return card(stage, GP, DOCTOR)


def test_urgency_opens_for_72_hours_and_no_longer(stage: Stage) -> None:
    draft = unasked(stage)
    assert stage.cards(CARSAT, "as-carsat") == []
    stage.act(GP, DOCTOR, draft, "urgency", reason="danger-vital")
    shown = card(stage, CARSAT, "as-carsat")
    assert shown.decision.rule == "basis:urgency" and shown.card["person"]["family_name"] == "Zyxdurand" and shown.card["need_codes"]
    assert stage.push() == 0  # the clinic's record waits for the agreement
    assert ("agreement-urgency", {"reason": "danger-vital"}) in acts(stage)
    stage.clock.tick(timedelta(hours=72) - timedelta(seconds=1))
    assert stage.see(CARSAT, "as-carsat", shown.id) is not None
    stage.clock.tick(timedelta(seconds=1))
    assert stage.see(CARSAT, "as-carsat", shown.id) is None


def test_urgency_gives_way_to_the_agreement_or_to_the_refusal(stage: Stage) -> None:
    stage.act(GP, DOCTOR, unasked(stage), "urgency", reason="impossible-de-consentir")
    stage.act(CARSAT, "as-carsat", card(stage, CARSAT, "as-carsat"), "accept")
    assert stage.agree("patient").status == "requested"  # while it runs
    assert card(stage, CARSAT, "as-carsat").decision.rule == "S1"
    stage.clock.tick(timedelta(days=10))
    assert card(stage, CARSAT, "as-carsat").card["state"] == "accepted"
    stage.push()
    assert len(stage.ehr.all("Task")) == 1


def test_refusal_after_urgency_closes_the_view_and_tells_the_unit(stage: Stage) -> None:
    stage.act(GP, DOCTOR, unasked(stage), "urgency", reason="danger-vital")
    stage.agree("patient", agreed=False)
    assert stage.cards(CARSAT, "as-carsat") == [] and len(notices(stage, CARSAT, "as-carsat")) == 1
    assert stage.push() == 0 and only(stored(stage, "Consent"))["status"] == "rejected"


@pytest.mark.parametrize("person", ["secretaire-saint-eloi", None, "nobody", "coursier-lea"])
def test_urgency_is_for_professionals_bound_by_secrecy_only_C_E11(stage: Stage, person: str | None) -> None:
    draft = unasked(stage)
    with pytest.raises(Forbidden):
        stage.act(replace(GP, person=person), DOCTOR, draft, "urgency", reason="danger-vital")
    assert stage.cards(CARSAT, "as-carsat") == [] and told(stage, "urgence") == []


def test_urgency_toward_who_is_not_bound_is_refused(stage: Stage) -> None:
    draft = unasked(stage, destinataire="coursier-rouen", besoins=["isolement"])
    with pytest.raises(Forbidden):
        stage.act(GP, DOCTOR, draft, "urgency", reason="danger-vital")


def test_urgency_needs_a_reason_the_doctor_and_no_agreement(stage: Stage) -> None:
    draft = unasked(stage)
    with pytest.raises(Invalid):
        stage.act(GP, DOCTOR, draft, "urgency", reason="retard")
    stage.agree("patient")
    with pytest.raises(Invalid, match="agreed"):
        stage.act(GP, DOCTOR, card(stage, GP, DOCTOR), "urgency", reason="danger-vital")


def test_urgency_before_the_doctor_agreed_is_refused(stage: Stage) -> None:
    stage.call(**TO_CARSAT)
    with pytest.raises(Invalid, match="doctor"):
        stage.act(GP, DOCTOR, card(stage, GP, DOCTOR), "urgency", reason="danger-vital")


def test_opposition_wins_over_urgency(stage: Stage) -> None:
    stage.act(GP, DOCTOR, unasked(stage), "urgency", reason="danger-vital")
    stage.act(CARSAT, "as-carsat", card(stage, CARSAT, "as-carsat"), "oppose")
    assert stage.cards(CARSAT, "as-carsat") == []
    assert stage.call(**{**TO_CARSAT, "id": "appel-2"}).status == "not-sent"  # there is nothing that urgency could open


def test_opposition_that_came_to_a_draft_wins_over_the_urgency_after_it(stage: Stage) -> None:
    draft = unasked(stage)
    deny = only(stored(stage, "Consent"))
    made = {name: value for name, value in deny.items() if name not in ("meta", "identifier", "sourceAttachment")} | {"id": "deny-1", "status": "active"}
    made["provision"] = {"type": "deny", "actor": deny["provision"]["actor"]}
    stage.app.write_now(lambda story, uow: story.receive(uow, GP, [Change("create", "Consent", "deny-1", made, origin="intake")]))
    stage.act(GP, DOCTOR, draft, "urgency", reason="danger-vital")
    assert stage.cards(CARSAT, "as-carsat") == []


SECOND = Person(key="dr-second", name="Dr Alix Second", role="doctor", organisation="msp-saint-eloi")


def again(stage: Stage, person: str) -> None:
    stage.act(replace(GP, person=person), DOCTOR, card(stage, GP, DOCTOR), "urgency", reason="danger-vital")


def test_urgency_is_not_declared_again_while_it_holds_nor_by_the_same_person_after(stage: Stage) -> None:
    stage.act(GP, DOCTOR, unasked(stage), "urgency", reason="danger-vital")
    shown = card(stage, CARSAT, "as-carsat")
    with pytest.raises(Invalid, match="holds for this request until 2026-03-09"):
        again(stage, "dr-exemple")
    stage.clock.tick(timedelta(hours=72))
    with pytest.raises(Invalid, match="another professional"):
        again(stage, "dr-exemple")
    assert stage.see(CARSAT, "as-carsat", shown.id) is None and len(told(stage, "urgence")) == 1


def test_urgency_is_declared_once_more_by_a_second_professional_and_then_by_nobody(stage: Stage) -> None:
    network = stage.app.network
    stage.app.apply_network(replace(network, people=(*network.people, SECOND, replace(SECOND, key="dr-troisieme"))))
    stage.act(GP, DOCTOR, unasked(stage), "urgency", reason="danger-vital")
    shown = card(stage, CARSAT, "as-carsat")
    with pytest.raises(Invalid, match="holds for this request"):
        again(stage, "dr-second")
    stage.clock.tick(timedelta(hours=72))
    again(stage, "dr-second")
    assert stage.see(CARSAT, "as-carsat", shown.id) is not None
    stage.clock.tick(timedelta(hours=72))
    assert stage.see(CARSAT, "as-carsat", shown.id) is None
    for person in ("dr-exemple", "dr-second", "dr-troisieme"):
        with pytest.raises(Invalid, match="ask the person"):
            again(stage, person)
    assert len(told(stage, "urgence")) == 2


def test_no_other_view_offers_urgency_or_the_team(stage: Stage) -> None:
    offered = {name: set(view.writes) & {"urgency", "recognise", "leave"} for name, view in stage.app.views.items()}
    assert {name for name, found in offered.items() if found} == {DOCTOR}


# ── who agrees in the person's place ─────────────────────────────────────────────────────────────
def of_born(day: str, **more: Any) -> dict[str, Any]:
    return {"personne": CALL["personne"] | {"naissance": day}, **more}


AGREED = {"accord": "oui", "par": "coursier-lea", "le": "2026-03-06T18:50:00+01:00", "comment": "telephone"}


def speak(stage: Stage, **given_by: str) -> Any:
    heard = {"who": "patient", "agreed": True, "heard_by": "coursier-lea", "how": "telephone", **({"given_by": given_by} if given_by else {})}
    return stage.app.write_now(lambda story, uow: story.agree(uow, COURSIER, "appel-coursier", "appel-1", heard))


@pytest.mark.parametrize(
    ("record", "lacking", "enough"),
    [
        (of_born("2010-02-03"), ("procuration", "personne-de-confiance"), "autorite-parentale"),
        (of_born("2008-03"), ("personne-de-confiance",), "mandataire"),
        (of_born("1938-02-03", situation=["mesure-representation"]), ("autorite-parentale", "procuration"), "mandataire"),
    ],
)  # fmt: skip
def test_who_must_agree_in_the_persons_place_is_waited_for(stage: Stage, record: dict[str, Any], lacking: tuple[str, ...], enough: str) -> None:
    receipt = stage.call(accord_medecin=AGREED, accord_patient=AGREED, **record)
    assert receipt.status == "draft" and any("agreement of" in each["text"] for each in receipt.warnings)
    assert only(stored(stage, "Consent"))["status"] == "proposed" and stage.push() == 0
    for capacity in ("", *lacking):
        with pytest.raises(Invalid) as refusal:
            speak(stage, **({"capacity": capacity} if capacity else {}))
        assert refusal.value.issues[0].expression == "given_by"
    assert speak(stage, capacity=enough, name="Zyxparent").status == "requested"
    speaker, consent = only(stored(stage, "RelatedPerson")), only(stored(stage, "Consent"))
    assert consent["performer"] == [{"reference": f"RelatedPerson/{speaker['id']}"}]
    assert speaker["relationship"][0]["coding"][0]["code"] == enough
    shown = card(stage)
    assert "Zyxparent" not in json.dumps([shown.card, shown.resources])
    stage.push()
    assert "Zyxparent" not in json.dumps(stage.ehr.all("Consent"))


@pytest.mark.parametrize("record", [of_born("2008-03-06"), of_born("1990"), of_born("1938-02-03", situation=["mesure-protection"])])
def test_adult_agrees_himself(stage: Stage, record: dict[str, Any]) -> None:
    assert stage.call(accord_medecin=AGREED, accord_patient=AGREED, **record).status == "requested"


def test_proxy_agrees_for_an_adult_and_the_trusted_person_does_not(stage: Stage) -> None:
    stage.call(accord_medecin=AGREED)
    with pytest.raises(Invalid):
        speak(stage, capacity="personne-de-confiance")
    with pytest.raises(Invalid, match="table capacity"):
        speak(stage, capacity="voisin")
    assert speak(stage, capacity="procuration").status == "requested"
    confirmed = stage.act(COURSIER, VIEW, card(stage), "confirm")
    assert confirmed and only(stored(stage, "Consent"))["verification"][0]["verifiedWith"]["reference"].startswith("RelatedPerson/")
