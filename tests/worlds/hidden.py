"""What one recipient sees happen, and what happens beside it that it may not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from adapter.names import SDOHCC_CODES
from adapter.ports import Resource
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD
from tests.worlds.world import VIEWS, World

WHO = {"coursier-rouen": COURSIER, "saad-portage": SAAD, "permanence-saint-eloi": CARSAT}
OUTSIDE = "mobilite"
BESIDE = {"coursier-rouen": "budget", "saad-portage": "isolement", "permanence-saint-eloi": "surendettement"}
SEEN = ("offered", "accepted", "two", "ended")


@dataclass(frozen=True, slots=True)
class Hidden:
    """`act` of HIDDEN, before the act of the seen story with number `place` (beyond: at the end)."""

    act: str
    place: int


def played(world: World, unit: str, story: str, hidden: tuple[Hidden, ...]) -> None:
    """The story that the unit sees, with the hidden acts where they stand."""
    acts: list[Callable[[], object]] = [lambda: world.refer(unit, 0)]
    if story in ("two", "ended"):
        acts.append(lambda: world.refer(unit, 1, appel="2026-03-06T19:00:00+01:00"))
    if story != "offered":
        acts.append(lambda: _first(world, unit, "accept"))
    if story == "ended":
        acts += [lambda: _first(world, unit, "start"), lambda: _first(world, unit, "complete", outcome="aide-alimentaire-en-place")]
    for number, act in enumerate(acts):
        _aside(world, unit, [each for each in hidden if each.place == number], number)
        world.act(f"seen-{number}", 10 * number)
        act()
    _aside(world, unit, [each for each in hidden if each.place >= len(acts)], len(acts))


def _first(world: World, unit: str, verb: str, **arguments: str) -> None:
    """On the first referral of the story, whatever order a list has."""
    who, view = WHO[unit], VIEWS[unit]
    shown = {each.card["reference"]: each for each in world.cards(who, view)}
    world.do(who, view, shown[min(shown)], verb, **arguments)


def _aside(world: World, unit: str, hidden: list[Hidden], place: int) -> None:
    for number, each in enumerate(hidden):
        world.act(f"hidden-{place}-{number}-{each.act}", 10 * place - 5 + number)
        HIDDEN[each.act](world, unit)


def _other(unit: str, step: int = 1) -> str:
    units = sorted(VIEWS)
    return units[(units.index(unit) + step) % len(units)]


def _somebody_else_elsewhere(world: World, unit: str) -> None:
    world.refer(_other(unit), 5)


def _the_same_person_elsewhere(world: World, unit: str) -> None:
    world.refer(_other(unit), 0)
    world.refer(_other(unit, 2), 1)


def _a_draft_for_it(world: World, unit: str) -> None:
    world.refer(unit, 6, agreed=False)
    world.refer(unit, 0, agreed=False)


def _a_refusal(world: World, unit: str) -> None:
    world.refer(unit, 7, agreed=False, accord_patient={"accord": "non", "par": "coursier-lea", "comment": "telephone"})


def _another_answers(world: World, unit: str) -> None:
    other = _other(unit)
    world.refer(other, 4)
    who, view = WHO[other], VIEWS[other]
    for shown in world.cards(who, view)[:1]:
        if shown.card.get("state") == "requested":
            world.do(who, view, shown, "accept")
        shown = world.cards(who, view)[0]
        world.do(who, view, shown, "withdraw", heard_by="dr-exemple")


def _words_of_the_doctor(world: World, unit: str) -> None:
    for request in world.stored("ServiceRequest"):
        world.edit(request, note=[{"text": f"Zyxsecret {world.clock._act}"}], patientInstruction="Zyxsecret")


def _more_of_the_person(world: World, unit: str) -> None:
    for patient in world.stored("Patient"):
        unknown = [{"url": "https://ehr.example/zyx", "valueString": world.clock._act}]
        world.edit(patient, extension=unknown, multipleBirthInteger=2, maritalStatus={"text": "Zyxsecret"}, photo=[{"title": "Zyxsecret"}])


def _more_of_the_task(world: World, unit: str) -> None:
    """Of one Task only: of two, the order must not tell which was touched last."""
    for task in sorted(world.stored("Task"), key=lambda each: str(each["authoredOn"]))[:1]:
        if task["status"] in ("draft", "requested", "accepted", "in-progress"):
            world.edit(task, description="Zyxsecret", note=[{"text": f"Zyxsecret {world.clock._act}"}])


def _words_between_others(world: World, unit: str) -> None:
    for request in world.stored("ServiceRequest"):
        world.create(_communication(world, request))


def _communication(world: World, request: Resource) -> Resource:
    other = _other(unit := request["performer"][0]["reference"].partition("/")[2])
    return {
        "resourceType": "Communication", "id": world.clock.new_id(), "status": "completed", "subject": request["subject"],
        "basedOn": [{"reference": f"ServiceRequest/{request['id']}"}], "sender": {"reference": "Organization/msp-saint-eloi"},
        "recipient": [{"reference": f"HealthcareService/{other}"}], "payload": [{"contentString": f"Zyxsecret {unit}"}],
    }  # fmt: skip


def _consent_of_others(world: World, unit: str) -> None:
    for consent in world.stored("Consent"):
        fresh = {name: value for name, value in consent.items() if name not in ("meta", "identifier", "id")}
        actor = [{**consent["provision"]["actor"][0], "reference": {"reference": "Organization/centre-hospitalier-exemple"}}]
        for kind in ("permit", "deny"):
            provision = fresh["provision"] | {"actor": actor, "type": kind}
            world.create(fresh | {"id": world.clock.new_id(), "provision": provision})


def _a_problem(world: World, unit: str) -> None:
    for patient in world.stored("Patient"):
        code = {"coding": [{"system": "http://snomed.info/sct", "code": "363346000"}], "text": "Zyxcancer"}
        world.create({"resourceType": "Condition", "id": world.clock.new_id(), "subject": {"reference": f"Patient/{patient['id']}"}, "code": code})


def _a_need_outside_the_permit(world: World, unit: str) -> None:
    """One that reads like a need it is shown, and one that reads like no other."""
    for request in world.stored("ServiceRequest"):
        like = request["reasonCode"][0]["coding"][0]
        asked = [{"coding": [{**like, "code": code}]} for code in (BESIDE[unit], OUTSIDE)]
        category = [*request["category"], {"coding": [{"system": SDOHCC_CODES, "code": "transportation-insecurity"}]}]
        world.edit(request, reasonCode=[*request["reasonCode"], *(each for each in asked if each not in request["reasonCode"])], category=category)


def _the_practice_looks(world: World, unit: str) -> None:
    world.cards(replace(GP, client="saint-eloi"), "prescripteur")


HIDDEN: dict[str, Callable[[World, str], None]] = {
    "somebody-else-elsewhere": _somebody_else_elsewhere,
    "same-person-elsewhere": _the_same_person_elsewhere,
    "draft": _a_draft_for_it,
    "refusal": _a_refusal,
    "another-answers": _another_answers,
    "words-of-the-doctor": _words_of_the_doctor,
    "more-of-the-person": _more_of_the_person,
    "more-of-the-task": _more_of_the_task,
    "words-between-others": _words_between_others,
    "consent-of-others": _consent_of_others,
    "problem": _a_problem,
    "need-outside-the-permit": _a_need_outside_the_permit,
    "practice-looks": _the_practice_looks,
}
