"""The life of an agreement as acts of people (workflow.md 4 and 5): information given, confirmed, narrowed, opposed, taken
back, gone without in urgency; a professional recognised in the person's team. Each act answers the changes to write, the
proof of who heard what among them; nothing here ever widens an agreement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter.acts import Arguments, Hand, changes
from adapter.clock import instant
from adapter.consent import confirmation_stands, confirmed, information_owed, opposition, urgent, wider
from adapter.dossier import Dossier, content, load, pointing
from adapter.errors import Forbidden, Invalid
from adapter.mapping import Terms
from adapter.mapping.context import SECRECY
from adapter.names import PROVENANCE_AGENT, Systems
from adapter.network import Network
from adapter.ports import Change, Principal, Resource, Uow
from adapter.referral import verbs
from adapter.referral.scene import reference
from adapter.referral.states import TERMINAL

EVERYONE, RECIPIENT = "everyone", "recipient"  # whom an opposition is against
MOMENT = timedelta(milliseconds=1)  # a period ends at its last instant: who leaves now is out now


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
    """What `heard_by`, `at` and `how` say; the caller and now where they say nothing. Anyone of the network may have heard
    the person, the caller writes it down. Raises Invalid naming the argument."""
    key = str(arguments.get("heard_by") or case.who.person or "")
    person = case.network.person(key)
    if arguments.get("heard_by") and (person is None or not person.active):
        raise Invalid("expected the key of a person of the network", code="not-found", expression="heard_by")
    how = case.hand.code(arguments, "how", "agreement-way") if arguments.get("how") else ""
    return Heard(f"PractitionerRole/{key}" if person else case.hand.scene.by, _moment(case, arguments, "at"), how)


def _moment(case: Case, arguments: Arguments, name: str) -> datetime:
    """The instant of an argument, not later than now; now where there is none."""
    if not (written := arguments.get(name)):
        return case.uow.at
    try:
        found = datetime.fromisoformat(str(written))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found > case.uow.at:
        raise Invalid("expected an instant with its zone, not in the future", code="value", expression=name)
    return found


def witnessed(case: Case, activity: str, targets: Iterable[Resource], told: Heard, *, said: bool = True) -> Resource:
    """The Provenance of something the person said (or, not `said`, was given): the person, who heard it and how, who wrote it
    down. It points to the request too, so that whatever was heard about a referral is found by it."""
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
            *([_agent("author", case.patient)] if said else []),
            _agent("attester", told.by) | ({"role": [scene.coded("agreement-way", told.how)]} if told.how else {}),
            *([_agent("enterer", scene.by)] if scene.by != told.by else []),
        ],
    }


def _agent(type: str, who: str) -> Resource:
    return {"type": {"coding": [{"system": PROVENANCE_AGENT, "code": type}]}, "who": {"reference": who}}


def _written(case: Case, resources: list[Resource]) -> list[Change]:
    return changes(case.dossier, resources, origin="intake")


def _in_force(case: Case) -> list[Resource]:
    found = [each for each in case.dossier.named if each.get("status") == "active"]
    if not found:
        raise Invalid("no agreement is in force", expression="Consent.status")
    return found


# ── information, confirmation, narrowing ─────────────────────────────────────────────────────────
def inform(case: Case, arguments: Arguments) -> list[Change]:
    """The written information sheet was handed over: due at the first contact (CSP R1110-3)."""
    return _written(case, [witnessed(case, "info-remise", _in_force(case), heard(case, arguments), said=False)])


def confirm(case: Case, arguments: Arguments) -> list[Change]:
    """The person confirmed in writing what was agreed by word of mouth."""
    told = heard(case, arguments)
    oral = [each for each in _in_force(case) if not confirmation_stands(each)]
    if not oral:
        raise Invalid("this agreement was confirmed before", expression="Consent.verification")
    by = next((str(each["reference"]) for each in oral[0].get("performer", ()) if "reference" in each), "")
    done = [confirmed(each, at=told.at, by=by) for each in oral]
    return _written(case, [*done, witnessed(case, "confirmation", done, told)])


def narrow(case: Case, arguments: Arguments) -> list[Change]:
    """The person limits the agreement: to fewer `needs` (the codes the caller knows), to an earlier end (`until`)."""
    told = heard(case, arguments)
    wanted, until = _needs(case, arguments), _until(case, arguments)
    if wanted is None and until is None:
        raise Invalid("expected needs or until", code="required", expression="needs")
    done = []
    for before in _in_force(case):
        after = _limited(case, before, wanted, until)
        if wider(before, after, zone=case.network.zone):
            raise Invalid("this is wider than what was agreed: it needs a new agreement", expression="Consent.provision")
        done += [after] if after != before else []
    if not done:
        raise Invalid("the agreement is that narrow already", expression="Consent.provision")
    return _written(case, [*done, witnessed(case, "restriction", done, told)])


def _needs(case: Case, arguments: Arguments) -> frozenset[str] | None:
    named = arguments.get("needs")
    if named is None:
        return None
    if not isinstance(named, list) or not named or not all(isinstance(each, str) and each in case.hand.needs for each in named):
        raise Invalid("expected needs as a list of codes of this referral", code="code-invalid", expression="needs")
    return frozenset(own for each in named for own in case.hand.needs[each])


def _until(case: Case, arguments: Arguments) -> str | None:
    written = arguments.get("until")
    if written is None:
        return None
    try:
        end = datetime.fromisoformat(str(written))
    except ValueError:
        end = None
    if end is None or end.tzinfo is None or end <= case.uow.at:
        raise Invalid("expected an instant with its zone, later than now; to end it now, withdraw", code="value", expression="until")
    return instant(end)


def _limited(case: Case, consent: Resource, needs: frozenset[str] | None, until: str | None) -> Resource:
    provision = dict(consent["provision"])
    if needs is not None:
        system = case.hand.scene.systems.code("need")
        said = provision.get("code") or [case.hand.scene.coded("need", own) for owns in case.hand.needs.values() for own in owns]
        kept = [one for one in said if any(each.get("system") == system and each.get("code") in needs for each in one.get("coding", ()))]
        if not kept:
            raise Invalid("nothing would be left of the agreement: withdraw it instead", expression="Consent.provision.code")
        provision["code"] = kept
    if until is not None:
        provision["period"] = provision.get("period", {}) | {"end": until}
    return consent | {"provision": provision}


# ── taken back, opposed ──────────────────────────────────────────────────────────────────────────
def withdraw(case: Case, arguments: Arguments) -> list[Change]:
    """The person takes the agreement back, told to anyone of the team: Consents end, an open Task is cancelled with a
    neutral reason, a recipient that knew who it was is told by a closing notice."""
    return list(_ended(case, case.dossier, "retrait", heard(case, arguments)))


def _ended(case: Case, dossier: Dossier, activity: str, told: Heard) -> Iterator[Change]:
    referral = verbs.Referral(dossier.task, dossier.request, dossier.named)
    changed = verbs.withdraw(referral, case.hand.scene, shown=case.shown(dossier))
    ended = [each for each in changed if each["resourceType"] == "Consent"]
    proof = [witnessed(case, activity, [*ended, dossier.request], told)] if ended else []
    yield from changes(dossier, [*changed, *proof], origin="intake")


def oppose(case: Case, arguments: Arguments) -> list[Change]:
    """The person opposes (CSP L1110-4 IV): a Consent that denies, to this recipient's organisation or to `everyone`, and wins
    over any agreement and any other basis. What runs there ends with it."""
    told, against = heard(case, arguments), arguments.get("against", RECIPIENT)
    if against not in (RECIPIENT, EVERYONE):
        raise Invalid(f"expected against as {RECIPIENT} or {EVERYONE}", code="value", expression="against")
    opposed = case.network.organisation_of_unit(case.dossier.owner) or ""
    deny = opposition(
        case.patient, id=case.hand.scene.new_id(), at=told.at, organisation=f"Organization/{case.dossier.clinic}",
        systems=case.hand.scene.systems, policy=SECRECY, actors=[f"Organization/{opposed}"] if against == RECIPIENT else (),
    )  # fmt: skip
    made = _written(case, [deny, witnessed(case, "opposition", [deny], told)])
    for dossier in _of_patient(case):
        if against == EVERYONE or case.network.organisation_of_unit(dossier.owner) == opposed:
            made += _ended(case, dossier, "opposition", told)
    return made


def _of_patient(case: Case) -> list[Dossier]:
    found = (load(case.uow, version.id) for version in pointing(case.uow, "Task", "patient", case.patient))
    return [each for each in found if each]


# ── urgency ──────────────────────────────────────────────────────────────────────────────────────
def urgency(case: Case, arguments: Arguments) -> list[Change]:
    """A professional bound by secrecy goes without the person's agreement, for 72 hours, with a reason; it stands on the
    officer's list. There is no other way round. Raises Forbidden for anyone else, or where the recipient is not bound."""
    reason = case.hand.code(arguments, "reason", "urgency-reason")
    dossier, scene = case.dossier, case.hand.scene
    person = case.network.person(case.who.person or "")
    recipient = case.network.unit_organisation(dossier.owner)
    bound = bool(person and recipient and person.active)
    bound = bound and case.says("role", person.role if person else "", "secrecy") == "oui"
    if not bound or recipient is None or case.says("recipient-category", recipient.category, "secrecy") != "oui":
        raise Forbidden("an act of urgency is for professionals bound by secrecy, toward professionals bound by it")
    if dossier.task["status"] in TERMINAL or dossier.request.get("status") != "active":
        raise Invalid("expected an open referral to which the doctor agreed", expression="ServiceRequest.status")
    if any(each.get("status") == "active" for each in dossier.named):
        raise Invalid("the person agreed: nothing is to be done without", expression="Consent.status")
    act = urgent(
        f"ServiceRequest/{dossier.request['id']}", id=scene.new_id(), by=scene.by, to=f"Organization/{recipient.key}", bound=True,
        reason=reason, at=scene.at, systems=scene.systems,
    )  # fmt: skip
    due = case.due(dossier.owner, scene.at, dossier.request.get("priority", ""))
    draft = dossier.task["status"] == "draft"
    return _written(case, [act, *(verbs.sent(case.hand.referral, scene, due=due, urgent=True) if draft else [])])


# ── the person's team ────────────────────────────────────────────────────────────────────────────
def recognise(case: Case, arguments: Arguments) -> list[Change]:
    """The person recognised a professional as of the team (CSP L1110-12 2°): who it is (`person`), how it was said (`how`), and
    that the person was told what the team shares (`informed`)."""
    told, member = heard(case, arguments), _member(case, arguments)
    if not told.how:
        raise Invalid("expected how the person recognised them: a code of agreement-way", code="required", expression="how")
    if arguments.get("informed") is not True:
        raise Invalid("the person is told first what the team shares: expected informed true", code="required", expression="informed")
    team = _team(case)
    if any(_is(each, member) and "end" not in each.get("period", {}) for each in team.get("participant", ())):
        raise Invalid("they are of the team already", expression="CareTeam.participant")
    entry = {"member": {"reference": member}, "period": {"start": instant(told.at)}}
    team = team | {"participant": [*team.get("participant", ()), entry]}
    proofs = [witnessed(case, "equipe-reconnue", [team], told), witnessed(case, "info-remise", [team], told, said=False)]
    return [*_of_team(case, team), *_written(case, proofs)]


def leave(case: Case, arguments: Arguments) -> list[Change]:
    """A professional is of the person's team no more, from this instant on."""
    told, member, team = heard(case, arguments), _member(case, arguments), _team(case)
    end = {"end": instant(told.at - MOMENT)}
    left = [each | {"period": each.get("period", {}) | end} if _is(each, member) and "end" not in each.get("period", {}) else each
            for each in team.get("participant", ())]  # fmt: skip
    if left == team.get("participant", []):
        raise Invalid("they are not of the team", expression="CareTeam.participant")
    team = team | {"participant": left}
    return [*_of_team(case, team), *_written(case, [witnessed(case, "equipe-quittee", [team], told)])]


def _member(case: Case, arguments: Arguments) -> str:
    person = case.network.person(str(arguments.get("person") or ""))
    if person is None or not person.active:
        raise Invalid("expected the key of a person of the network", code="not-found", expression="person")
    return f"PractitionerRole/{person.key}"


def _is(participant: Mapping[str, Any], member: str) -> bool:
    return bool(participant.get("member", {}).get("reference") == member)


def _team(case: Case) -> Resource:
    """The person's team as the clinic keeps it; a new one, empty, where there is none."""
    clinic = f"Organization/{case.dossier.clinic}"
    kept = (each for each in case.dossier.teams if each.get("status") == "active")
    mine = next((each for each in kept if {"reference": clinic} in each.get("managingOrganization", ())), None)
    id = case.hand.scene.new_id()
    return mine or {
        "resourceType": "CareTeam",
        "id": id,
        "identifier": [{"system": case.hand.scene.systems.sid("care-team"), "value": id}],
        "status": "active",
        "subject": {"reference": case.patient},
        "managingOrganization": [{"reference": clinic}],
    }


def _of_team(case: Case, team: Resource) -> list[Change]:
    known = any(each["id"] == team["id"] for each in case.dossier.teams)
    return [Change("update" if known else "create", "CareTeam", team["id"], team, origin="intake")]


# ── what is told and owed ────────────────────────────────────────────────────────────────────────
def acknowledge(case: Case, notice: Resource) -> list[Change]:
    """A recipient read the closing notice of this referral; nothing when it had said so before."""
    if "received" in notice:
        return []
    told = Heard(case.hand.scene.by, case.uow.at, "")
    return _written(case, [notice | {"received": instant(case.uow.at)}, witnessed(case, "avis-lu", [notice], told, said=False)])


def informed(dossier: Dossier, systems: Systems) -> datetime | None:
    """When the written information about this referral was handed over; None: not yet."""
    code = systems.code("activity")
    given = (each for each in dossier.told if {"system": code, "code": "info-remise"} in each.get("activity", {}).get("coding", ()))
    mine = {f"Consent/{each['id']}" for each in dossier.named}
    at = [each["occurredDateTime"] for each in given if mine & {target.get("reference") for target in each["target"]}]
    return min(map(datetime.fromisoformat, at), default=None)


def owed_since(uow: Uow, dossier: Dossier, systems: Systems) -> datetime | None:
    """Since when the information sheet is owed, where it is unpaid after 8 days; None: it is not. It is due at the first
    contact, or at the agreement while there was none; an ended referral owes nothing."""
    agreed = [each["dateTime"] for each in dossier.named if each.get("status") == "active" and "dateTime" in each]
    if not agreed or dossier.task["status"] in TERMINAL:
        return None
    met = [each.updated for each in uow.history("Task", dossier.task["id"]) if content(each).get("status") == "in-progress"]
    since = min(met) if met else max(map(_aware, agreed))
    return since if information_owed(since, informed(dossier, systems), uow.at) else None


def _aware(written: str) -> datetime:
    """The instant of a FHIR dateTime; a date without time is its midnight in UTC."""
    found = datetime.fromisoformat(written)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


Act = Callable[[Case, Arguments], list[Change]]
ACTS: dict[str, Act] = {
    "inform": inform, "confirm": confirm, "narrow": narrow, "withdraw": withdraw, "oppose": oppose, "urgency": urgency,
    "recognise": recognise, "leave": leave,
}  # fmt: skip
CLOSING = frozenset({"withdraw", "oppose"})  # after these there is nothing more to see


def details(arguments: Arguments) -> list[tuple[str, str]]:
    """What of the arguments the audit keeps: codes only."""
    return [(name, str(arguments[name])) for name in ("reason", "against", "how", "person") if arguments.get(name)]
