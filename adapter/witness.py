"""What the person said, who heard it, when and how: the case an act works on, and the proof it leaves (workflow.md 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from adapter.acts import Arguments, Hand, changes
from adapter.clock import instant, instant_of
from adapter.consent.times import span
from adapter.dossier import Dossier
from adapter.errors import Invalid
from adapter.mapping import Terms
from adapter.names import PROVENANCE_AGENT
from adapter.network import Network, Person
from adapter.ports import Change, Principal, Resource, Uow
from adapter.referral.scene import reference


@dataclass(frozen=True, slots=True)
class Case:
    """What an act works on: the referral in hand, who acts, the directory and its terms, the unit of work, whether a
    recipient was shown who the person is, and when a unit's answer is due."""

    uow: Uow
    who: Principal
    hand: Hand
    network: Network
    terms: Terms
    shown: Callable[[Dossier], bool]
    due: Callable[[str, datetime, str], datetime | None]

    @property
    def dossier(self) -> Dossier:
        return self.hand.dossier

    @property
    def patient(self) -> str:
        return str(self.dossier.request["subject"]["reference"])

    def says(self, table: str, code: str, word: str) -> str:
        """A property of one of our codes, "" where it has none."""
        found = self.terms[table].get(code)
        return str(found.properties.get(word, "")) if found else ""


@dataclass(frozen=True, slots=True)
class Heard:
    """Who heard the person, when and how: `by` is a reference, `at` an instant, `how` a code of `agreement-way` or ""."""

    by: str
    at: datetime
    how: str


def heard(case: Case, arguments: Arguments) -> Heard:
    """What `heard_by`, `at` and `how` say; the caller and now where they say nothing. The caller writes down what somebody of
    its own house or of the practice heard. Raises Invalid naming the argument."""
    key, at = arguments.get("heard_by"), _moment(case, arguments, "at")
    person = witness(case.network, case.who, case.dossier.clinic, key, at=at) if key else case.network.person(case.who.person or "")
    how = case.hand.code(arguments, "how", "agreement-way") if "how" in arguments else ""
    return Heard(f"PractitionerRole/{person.key}" if person else case.hand.scene.by, at, how)


def witness(network: Network, who: Principal, clinic: str, key: str, *, at: datetime, place: str = "heard_by") -> Person:
    """The person of the network who is said to have heard an agreement at this moment. Raises Invalid (`place`) for nobody, for
    who was not in service then, and for somebody of a third house: neither the caller nor the practice can answer for what was
    heard there."""
    person = network.serving(key, at)
    if person is None:
        raise Invalid("expected the key of a person of the network who was in service then", code="not-found", expression=place)
    if network.organisation_of_person(key) not in (who.organisation, clinic):
        raise Invalid("expected somebody of your own organisation or of the practice concerned", expression=place)
    return person


def _moment(case: Case, arguments: Arguments, name: str) -> datetime:
    """The instant of an argument, from the day of the request until now; now where there is none."""
    if name not in arguments:
        return case.uow.at
    found = instant_of(arguments[name])
    if found is None or found > case.uow.at:
        raise Invalid("expected an instant with its zone, not in the future", code="value", expression=name)
    zone, authored = ZoneInfo(case.network.zone), span(case.dossier.request.get("authoredOn"), case.network.zone)
    if authored and authored[0].year > 1 and found.astimezone(zone).date() < authored[0].astimezone(zone).date():
        raise Invalid("expected an instant not before the day of the request: nothing could be said of it then", code="value", expression=name)
    return found


def witnessed(case: Case, activity: str, targets: Iterable[Resource], told: Heard, *, said: bool = True, author: str = "") -> Resource:
    """The Provenance of something the person (or `author`) said (or, not `said`, was given): who said it, who heard it and how,
    who wrote it down. It points to the request too, so that whatever was heard about a referral is found by it."""
    scene, named = case.hand.scene, [reference(each) for each in targets]
    mine = reference(case.dossier.request)
    return {
        "resourceType": "Provenance",
        "id": scene.new_id(),
        "target": [*named, *([mine] if mine not in named else [])],
        "occurredDateTime": instant(told.at),
        "recorded": instant(scene.at),
        "activity": scene.coded("activity", activity),
        "agent": [
            *([_agent("author", author or case.patient)] if said else []),
            _agent("attester", told.by) | ({"role": [scene.coded("agreement-way", told.how)]} if told.how else {}),
            *([_agent("enterer", scene.by)] if scene.by != told.by else []),
        ],
    }


def _agent(type: str, who: str) -> Resource:
    return {"type": {"coding": [{"system": PROVENANCE_AGENT, "code": type}]}, "who": {"reference": who}}


def written(case: Case, resources: list[Resource]) -> list[Change]:
    """The resources of an act as changes: written on behalf of the requester, as what a person said."""
    return changes(case.dossier, resources, origin="intake")
