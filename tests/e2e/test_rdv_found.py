"""Which referral an appointment of RDV Service Public is about: found by the unit's own eyes, never guessed, or said by a person of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import Invalid, NeedsMatch, Stale
from adapter.ports import Principal
from tests.e2e.booking import OTHER, VIEW, Tool, appointments, booked, parked, refer, reference, state, task, versions, why
from tests.e2e.stage import CARSAT, COURSIER, SAAD, Stage


@pytest.fixture
def house() -> Iterator[tuple[Stage, Tool]]:
    with booked() as found:
        yield found


# ── which referral ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("user", [
    {}, {"last_name": "Zyxautre", "birth_name": "Zyxdurand"}, {"last_name": "Zyxautre", "bith_name": "Zyxdurand"}, {"first_name": "JEANNEZYX", "last_name": "Zyxdurànd"},
    {"birth_date": None, "bith_date": "03/02/1938"}, {"case_number": "2024-117"},
])  # fmt: skip
def test_person_of_one_accepted_referral_is_found_by_name_and_birth(house: tuple[Stage, Tool], user: dict[str, Any]) -> None:
    stage, tool = house
    tool.tell("unknown", **user)
    assert (appointments(stage), parked(stage)) == (["booked"], [])


@pytest.mark.parametrize("user", [
    {"birth_date": "1938-02-04"}, {"birth_date": None}, {"first_name": "Jeanne"}, {"last_name": "Zyxdurande"},
])  # fmt: skip
def test_nobody_is_guessed(house: tuple[Stage, Tool], user: dict[str, Any]) -> None:
    stage, tool = house
    tool.tell("unknown", **user)
    assert (appointments(stage), why(stage), state(stage)) == ([], ["none"], ("accepted", ""))


def test_two_referrals_of_one_person_are_not_told_apart_but_by_reference(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    wanted = reference(stage)
    refer(stage, id="appel-2", besoins=["budget"])
    other = next(each for each in stage.cards(CARSAT, VIEW) if each.card["state"] == "requested")
    stage.act(CARSAT, VIEW, other, "accept")
    tool.tell("unknown")
    assert (appointments(stage), why(stage)) == ([], ["several"])
    tool.tell("unknown", case_number=wanted)
    assert (appointments(stage), parked(stage)) == (["booked"], [])


def test_id_under_which_the_unit_knows_a_referral_is_a_reference_too(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown", first_name="Jeanne", case_number=stage.cards(CARSAT, VIEW)[0].id)
    assert appointments(stage) == ["booked"]


def test_reference_of_a_referral_that_is_about_somebody_else_finds_nothing(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown", case_number=reference(stage), birth_date="1951-05-06")
    assert (appointments(stage), why(stage)) == ([], ["other-person"])
    tool.tell("unknown", case_number=reference(stage), birth_date=None, first_name="Paulzyx", last_name="Zyxautre")
    assert why(stage) == ["other-person"]


def test_only_what_a_unit_accepted_is_found_by_traits() -> None:
    with booked(accepted=False) as (stage, tool):
        tool.tell("unknown")
        assert (appointments(stage), why(stage), state(stage)) == ([], ["none"], ("requested", "non-lu"))


def test_unit_finds_its_own_referrals_alone(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    theirs = Tool(stage, OTHER)
    theirs.tell("unknown"), theirs.tell("unknown", rdv="rdv-2", case_number=reference(stage)), theirs.tell("seen", rdv="rdv-2")
    assert (appointments(stage), state(stage)) == ([], ("accepted", ""))
    tool.tell("unknown")
    theirs.tell("noshow")  # of the same number
    assert (appointments(stage), state(stage)) == (["booked"], ("accepted", "rdv-fixe"))
    assert {each["rdv"]: (each["status"], each["why"]) for each in parked(stage, SAAD, "saad")} == {"rdv-1": ("noshow", "none"), "rdv-2": ("fulfilled", "none")}


def test_unit_that_is_not_shown_a_birth_date_finds_by_reference_alone() -> None:
    with booked(accepted=False, destinataire="saad-portage", besoins=["denutrition"]) as (stage, _):
        tool = Tool(stage, OTHER)
        offer = stage.cards(SAAD, "saad")[0]
        stage.act(SAAD, "saad", offer, "accept")
        tool.tell("unknown")
        assert appointments(stage) == []
        tool.tell("unknown", rdv="rdv-2", case_number=str(offer.card["reference"]))
        assert (appointments(stage), state(stage, OTHER)) == (["booked"], ("accepted", "rdv-fixe"))


def test_offer_of_a_pool_does_not_tell_whose_it_is() -> None:
    """The same follows whatever person is named beside the reference of an offer."""
    ends = []
    for user in ({}, {"birth_date": "1999-01-01", "last_name": "Personne", "first_name": "Autre"}):
        with booked(accepted=False, destinataire="saad-portage", besoins=["denutrition"]) as (stage, _):
            tool = Tool(stage, OTHER)
            tool.tell("unknown", case_number=str(stage.cards(SAAD, "saad")[0].card["reference"]), **user)
            ends.append((state(stage, OTHER), appointments(stage), parked(stage, SAAD, "saad")))
    assert ends[0] == ends[1] and ends[0][0] == ("accepted", "rdv-fixe")


# ── a referral that ended ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("verb", ["withdraw", "oppose"])
def test_referral_that_the_person_took_back_takes_nothing(house: tuple[Stage, Tool], verb: str) -> None:
    stage, tool = house
    tool.tell("unknown")
    said = reference(stage)
    stage.act(CARSAT, VIEW, stage.cards(CARSAT, VIEW)[0], verb, heard_by="as-ines", how="telephone")
    before = versions(stage)
    assert [tool.tell("seen").status_code, tool.tell("unknown", rdv="rdv-2").status_code, tool.tell("unknown", rdv="rdv-3", case_number=said).status_code] == [204] * 3
    assert (versions(stage), task(stage)["status"], why(stage)) == (before, "cancelled", ["none", "unknown-reference"])


def test_appointment_of_a_finished_referral_is_still_told_of_and_moves_nothing(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown")
    stage.act(CARSAT, VIEW, stage.cards(CARSAT, VIEW)[0], "complete", outcome="droits-ouverts")
    before = task(stage)
    tool.tell("seen"), tool.tell("unknown", rdv="rdv-2")
    assert (task(stage), appointments(stage), why(stage)) == (before, ["fulfilled"], ["none"])


def test_referral_that_its_ehr_says_is_another_person_takes_nothing(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    patient, said = task(stage)["for"]["reference"], reference(stage)
    stage.app.write_now(lambda _, uow: uow.keep(f"frozen/{patient}", b"1"))
    tool.tell("unknown"), tool.tell("unknown", rdv="rdv-2", case_number=said)
    assert (appointments(stage), why(stage)) == ([], ["none", "unknown-reference"])


# ── a person of the unit says which ──────────────────────────────────────────────────────────────
def assigned(stage: Stage, who: Principal = CARSAT, view: str = VIEW, tag: str | None = "", **said: str) -> bool:
    card = stage.cards(CARSAT, VIEW)[0]
    body = {"rdv": "rdv-1", "user": "68", "referral": card.id} | said
    if_match = card.etag if tag == "" else tag
    return stage.app.write_now(lambda story, uow: story.appointments.assign(uow, who, view, body, if_match=if_match))


def test_person_of_the_unit_says_which_referral_it_is_about(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown", first_name="Jeanne")
    assert parked(stage) == [
        {"rdv": "rdv-1", "user": "68", "start": "2026-03-10T09:30:00+01:00", "end": "2026-03-10T10:15:00+01:00", "status": "booked", "why": "none",
         "since": "2026-03-06T17:50:00.000Z"}
    ]  # fmt: skip
    assert assigned(stage)
    assert (parked(stage), appointments(stage), state(stage)) == ([], ["booked"], ("accepted", "rdv-fixe"))
    assert not assigned(stage)
    tool.tell("seen", first_name="Jeanne")  # it is known from now on
    assert (appointments(stage), state(stage)) == (["fulfilled"], ("in-progress", ""))


def test_nobody_else_sees_or_assigns_what_is_parked(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown", first_name="Jeanne")
    assert parked(stage, COURSIER, "coursier-dac-asso") == parked(stage, SAAD, "saad") == parked(stage, COURSIER, VIEW) == []
    assert not assigned(stage, SAAD, "saad") and not assigned(stage, SAAD) and not assigned(stage, referral="autre")
    assert not assigned(stage, rdv="rdv-2") and not assigned(stage, user="69")
    with pytest.raises(NeedsMatch):
        assigned(stage, tag=None)
    with pytest.raises(Stale):
        assigned(stage, tag="old")
    assert (len(parked(stage)), appointments(stage)) == (1, [])


def test_referral_that_ended_is_not_one_to_assign_to(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown", first_name="Jeanne")
    stage.act(CARSAT, VIEW, stage.cards(CARSAT, VIEW)[0], "complete", outcome="droits-ouverts")
    with pytest.raises(Invalid, match="open"):
        assigned(stage)


def test_what_nobody_assigned_is_forgotten_and_what_was_called_off_is_not_listed(house: tuple[Stage, Tool]) -> None:
    stage, tool = house
    tool.tell("unknown", first_name="Jeanne"), tool.tell("unknown", rdv="rdv-2", first_name="Jeanne"), tool.tell("excused", rdv="rdv-2", first_name="Jeanne")
    assert [each["rdv"] for each in parked(stage)] == ["rdv-1"]
    stage.clock.tick(timedelta(days=30))
    assert parked(stage) == []
