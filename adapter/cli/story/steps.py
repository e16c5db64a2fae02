"""The steps of the story in order (F1 of the scenarios): who, when, what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from adapter.cli.story import following, friday, withdrawal
from adapter.cli.story.account import Account, Actor, Words
from adapter.cli.story.people import DOCTOR, LIAISON, SAAD, STAFF, agreeing, sender, unit, withdrawing
from adapter.cli.story.stage import Stage
from adapter.errors import LiaisonError, SettingsError


@dataclass(frozen=True)
class Step:
    """`after`: how long after the step before. `play` acts through the doors and writes its account."""

    name: str
    actor: Actor | Callable[[Stage], Actor]
    after: timedelta
    title: Words
    play: Callable[[Stage], None]


def _after(*, days: int = 0, hours: int = 0, minutes: int = 0) -> timedelta:
    return timedelta(days=days, hours=hours, minutes=minutes)


STEPS = (
    Step("patient-known", STAFF, _after(), Words("Le dossier patient connaît la personne", "The EHR knows the person"), friday.known),
    Step("call", sender, _after(), Words("La demande est notée", "The request is taken down"), friday.call),
    Step("doctor-agrees", DOCTOR, _after(minutes=2), Words("Le médecin est d'accord", "The doctor agrees"), friday.doctor_agrees),
    Step("person-agrees", agreeing, _after(minutes=3), Words("La personne aussi : la demande part", "So does the person: it leaves"), friday.person_agrees),
    Step("seen", unit, _after(days=2, hours=14, minutes=10), Words("Ce que voit le service", "What the unit sees"), following.seen),
    Step("accept", unit, _after(minutes=2), Words("Le service accepte", "The unit accepts"), following.accepts),
    Step("visit", unit, _after(hours=5), Words("La visite", "The visit"), following.visits),
    Step("ehr-change", STAFF, _after(hours=1), Words("Le cabinet écrit dans son dossier", "The practice writes in its EHR"), following.practice_writes),
    Step("further-service", unit, _after(hours=1), Words("Un second service est demandé", "A second service is asked"), following.further),
    Step("pool-accepts", SAAD, _after(minutes=30), Words("L'aide à domicile accepte", "The home help service accepts"), following.pool_accepts),
    Step("outcome", unit, _after(hours=18), Words("La suite donnée", "The outcome"), following.outcome),
    Step("answer", DOCTOR, _after(hours=1), Words("La réponse au médecin", "The answer to the doctor"), following.answered),
    Step("second-referral", sender, _after(days=1), Words("Une seconde demande", "A second referral"), withdrawal.second),
    Step("withdrawal", withdrawing, _after(hours=2), Words("La personne retire son accord", "The person withdraws"), withdrawal.withdrawn),
    Step("proof", LIAISON, _after(minutes=1), Words("Les preuves", "The proof"), withdrawal.proven),
)  # fmt: skip


def told(stage: Stage) -> Iterator[Account]:
    """Plays the steps, each as it is asked for, until one fails. Raises SettingsError: the story cannot be played so."""
    for step in STEPS:
        stage.clock.tick(step.after)
        actor = step.actor if isinstance(step.actor, Actor) else step.actor(stage)
        stage.begin(Account(step.name, actor, step.title, stage.clock.now()))
        try:
            step.play(stage)
        except SettingsError:
            raise
        except (LiaisonError, OSError, LookupError, TypeError, ValueError) as error:  # what came back is not what a step expects
            stage.account.error = type(error).__name__ + (f": {error}" if isinstance(error, LiaisonError) else "")
        account = stage.end()
        yield account
        if not account.ok:
            return
