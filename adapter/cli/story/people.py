"""Who acts in the story."""

from __future__ import annotations

from adapter.cli.story.account import Actor, Words
from adapter.cli.story.case import PRACTICE, SECRETARY
from adapter.cli.story.stage import Stage

SAAD_UNIT, SAAD_CLIENT, SAAD_VIEW = "saad-portage", "saad", "saad"
GP_VIEW = "prescripteur"
DOCTOR = Actor(Words("Dr Camille Exemple, par le logiciel du cabinet", "Dr Camille Exemple, through the practice's software"), PRACTICE)
STAFF = Actor(Words("le cabinet, dans son propre dossier patient", "the practice, in its own EHR"))
LIAISON = Actor(Words("Liaison", "Liaison"))
SAAD = Actor(Words("Noé Inventé, aide à domicile", "Noé Inventé, home help"), SAAD_CLIENT)


def sender(stage: Stage) -> Actor:
    """Who takes the record down."""
    return DOCTOR if stage.case.sender == PRACTICE else unit(stage)


def unit(stage: Stage) -> Actor:
    """Who works at the unit that is asked."""
    found = stage.app.network.unit(stage.case.unit)
    name = next((person.name for person in stage.app.network.people if person.unit == stage.case.unit), "")
    said = ", ".join(word for word in (name, found.name if found else "") if word)
    return Actor(Words(said, said), stage.case.client)


def worker(stage: Stage) -> str:
    """Key of somebody of the unit that is asked; of the practice's secretary where the network file names nobody."""
    return next((person.key for person in stage.app.network.people if person.unit == stage.case.unit), SECRETARY)


def agreeing(stage: Stage) -> Actor:
    """The person whose referral it is, heard by whoever took it down."""
    return _heard(stage, stage.case.witness, stage.case.sender)


def withdrawing(stage: Stage) -> Actor:
    """The same person, heard by the practice's secretary."""
    return _heard(stage, SECRETARY, PRACTICE)


def _heard(stage: Stage, witness: str, client: str) -> Actor:
    found = stage.app.network.person(witness)
    name = found.name if found else witness
    return Actor(Words(f"la personne, entendue par {name}", f"the person, heard by {name}"), client)
