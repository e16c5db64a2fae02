"""The life of an agreement as acts of people (workflow.md 4 and 5): information given, confirmed, narrowed, opposed, taken
back, gone without in urgency. Each act answers the changes to write, the proof of who heard what among them; nothing here
ever widens an agreement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from adapter.acts import Arguments, changes
from adapter.clock import instant, instant_of
from adapter.consent import confirmation_stands, confirmed, information_owed, opposition, urgent, wider
from adapter.consent.times import bounds
from adapter.consent.urgency import ACTIVITY as URGENCY
from adapter.dossier import Dossier, content, load, pointing
from adapter.errors import Forbidden, Invalid
from adapter.mapping.context import SECRECY
from adapter.names import Systems
from adapter.ports import Change, Resource, Uow
from adapter.referral import codes, verbs
from adapter.referral.due import promised
from adapter.referral.states import TERMINAL
from adapter.team import leave, recognise
from adapter.views import pairwise
from adapter.witness import Case, Heard, heard, witnessed, written
from adapter.writing import withdrawn

EVERYONE, RECIPIENT = "everyone", "recipient"  # whom an opposition is against


def in_force(consent: Resource, at: datetime, zone: str) -> bool:
    """Active, and not past its end."""
    period = consent.get("provision", {}).get("period") or {}
    ends = (bounds(period, zone) or (None, None))[1] if "end" in period else None
    return consent.get("status") == "active" and (ends is None or at < ends[1])


def _in_force(case: Case) -> list[Resource]:
    found = [each for each in case.dossier.named if in_force(each, case.uow.at, case.network.zone)]
    if not found:
        raise Invalid("no agreement is in force", expression="Consent.status")
    return found


# ── information, confirmation, narrowing ─────────────────────────────────────────────────────────
def inform(case: Case, arguments: Arguments) -> list[Change]:
    """The written information sheet was handed over: due at the first contact (CSP R1110-3)."""
    return written(case, [witnessed(case, "info-remise", _in_force(case), heard(case, arguments), said=False)])


def confirm(case: Case, arguments: Arguments) -> list[Change]:
    """The person confirmed in writing what was agreed by word of mouth."""
    told = heard(case, arguments)
    oral = [each for each in _in_force(case) if not confirmation_stands(each)]
    if not oral:
        raise Invalid("this agreement was confirmed before", expression="Consent.verification")
    by = next((str(each["reference"]) for each in oral[0].get("performer", ()) if "reference" in each), "")
    done = [confirmed(each, at=told.at, by=by) for each in oral]
    return written(case, [*done, witnessed(case, "confirmation", done, told)])


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
    return written(case, [*done, witnessed(case, "restriction", done, told)])


def _needs(case: Case, arguments: Arguments) -> frozenset[str] | None:
    named = arguments.get("needs")
    if named is None:
        return None
    if not all(each in case.hand.needs for each in named):
        raise Invalid("expected needs as a list of codes of this referral", code="code-invalid", expression="needs")
    return frozenset(own for each in named for own in case.hand.needs[each])


def _until(case: Case, arguments: Arguments) -> str | None:
    written = arguments.get("until")
    if written is None:
        return None
    end = instant_of(written)
    if end is None or end <= case.uow.at:
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


def widened(case: Case, before: Resource, after: Resource, said: Arguments | None) -> list[Change]:
    """The proof that the person agreed to more than before, where `after` is wider. Raises Invalid without evidence."""
    if not wider(before, after, zone=case.network.zone):
        return []
    if not said:
        raise Invalid("wider than what was agreed: expected the evidence of who heard the person, when and how", code="required", expression="heard")
    return written(case, [witnessed(case, "elargissement", [before], heard(case, said))])


# ── taken back, opposed ──────────────────────────────────────────────────────────────────────────
def withdraw(case: Case, arguments: Arguments) -> list[Change]:
    """The person takes the agreement back, told to anyone of the team: Consents end, an open Task is cancelled with a
    neutral reason, a recipient that knew who it was is told by a closing notice. After the end the proof is left, by which it
    is closed to its recipient and goes nowhere that does not have it. Said again it changes nothing."""
    told = heard(case, arguments)
    return [] if withdrawn(case.dossier.told) else list(_ended(case, case.dossier, "retrait", told))


def _ended(case: Case, dossier: Dossier, activity: str, told: Heard) -> Iterator[Change]:
    referral = verbs.Referral(dossier.task, dossier.request, dossier.named)
    changed = verbs.withdraw(referral, case.hand.scene, shown=case.shown(dossier))
    ended = [each for each in changed if each["resourceType"] == "Consent"] or list(dossier.named)  # ended before, where told
    yield from changes(dossier, [*changed, witnessed(case, activity, [*ended, dossier.request], told)], origin="intake")


def oppose(case: Case, arguments: Arguments) -> list[Change]:
    """The person opposes (CSP L1110-4 IV): a Consent that denies, to this recipient's organisation or to `everyone`, and wins
    over any agreement and any other basis. What runs there ends with it."""
    told, against = heard(case, arguments), arguments.get("against", RECIPIENT)
    if against not in (RECIPIENT, EVERYONE):
        raise Invalid(f"expected against as {RECIPIENT} or {EVERYONE}", code="value", expression="against")
    if against == EVERYONE and not _practice(case):
        raise Forbidden("a service writes down an opposition to itself alone; one to everyone is told to the practice: ask it")
    opposed = case.network.organisation_of_unit(case.dossier.owner) or ""
    deny = opposition(
        case.patient, id=case.hand.scene.new_id(), at=told.at, organisation=f"Organization/{case.dossier.clinic}",
        systems=case.hand.scene.systems, policy=SECRECY, actors=[f"Organization/{opposed}"] if against == RECIPIENT else (),
    )  # fmt: skip
    made = written(case, [deny, witnessed(case, "opposition", [deny], told)])
    for dossier in _of_patient(case):
        runs = dossier.task["status"] not in TERMINAL or any(each["status"] == "active" for each in dossier.named)
        if runs and (against == EVERYONE or case.network.organisation_of_unit(dossier.owner) == opposed):
            made += _ended(case, dossier, "opposition", told)
    return made


def _practice(case: Case) -> bool:
    """Whether the caller is the clinic whose patient it is."""
    house = case.network.organisation(case.who.organisation)
    return house is not None and house.kind == "clinic" and house.key == case.dossier.clinic


def _of_patient(case: Case) -> list[Dossier]:
    found = (load(case.uow, version.id) for version in pointing(case.uow, "Task", "patient", case.patient))
    return [each for each in found if each]


# ── urgency ──────────────────────────────────────────────────────────────────────────────────────
def urgency(case: Case, arguments: Arguments) -> list[Change]:
    """A professional bound by secrecy goes without the person's agreement, for 72 hours, with a reason; it stands on the
    officer's list. There is no other way round. Once a request: after it ended, once more by another professional. Raises
    Forbidden for anyone else, or where the recipient is not bound."""
    reason = case.hand.code(arguments, "reason", "urgency-reason")
    dossier, scene = case.dossier, case.hand.scene
    person = case.network.serving(case.who.person or "", case.uow.at)
    recipient = case.network.unit_organisation(dossier.owner)
    bound = person is not None and case.says("role", person.role, "secrecy") == "oui"
    if not bound or recipient is None or case.says("recipient-category", recipient.category, "secrecy") != "oui":
        raise Forbidden("an act of urgency is for professionals bound by secrecy, toward professionals bound by it")
    if dossier.task["status"] in TERMINAL or dossier.request.get("status") != "active":
        raise Invalid("expected an open referral to which the doctor agreed", expression="ServiceRequest.status")
    if any(in_force(each, case.uow.at, case.network.zone) for each in dossier.named):
        raise Invalid("the person agreed: nothing is to be done without", expression="Consent.status")
    _first_time(case)
    act = urgent(
        f"ServiceRequest/{dossier.request['id']}", id=scene.new_id(), by=scene.by, to=f"Organization/{recipient.key}", bound=True,
        reason=reason, at=scene.at, systems=scene.systems,
    )  # fmt: skip
    due = promised(case.due, dossier.task, dossier.request.get("priority", ""), scene.at)
    draft = dossier.task["status"] == "draft"
    return written(case, [act, *(verbs.sent(case.hand.referral, scene, due=due, urgent=True) if draft else [])])


def _first_time(case: Case) -> None:
    """Raises Invalid where an act of urgency runs on this request, where the caller made one before, where two were made."""
    code = {"system": case.hand.scene.systems.code("activity"), "code": URGENCY}
    acts = [each for each in case.dossier.told if code in each.get("activity", {}).get("coding", ())]
    if not acts:
        return
    end = max(datetime.fromisoformat(each["occurredPeriod"]["end"]) for each in acts)
    if case.uow.at < end:
        raise Invalid(f"an act of urgency holds for this request until {instant(end)}", expression="Provenance.occurredPeriod")
    by = {agent.get("who", {}).get("reference") for each in acts for agent in each.get("agent", ())}
    if case.hand.scene.by in by or len(acts) > 1:
        text = "urgency was declared for this request before: another professional may decide so once more, nobody after that; ask the person"
        raise Invalid(text, expression="Provenance.agent")


# ── what is told and owed ────────────────────────────────────────────────────────────────────────
def acknowledge(case: Case, notice: Resource) -> list[Change]:
    """A recipient read the closing notice of this referral; nothing when it had said so before."""
    if "received" in notice:
        return []
    told = Heard(case.hand.scene.by, case.uow.at, "")
    return written(case, [notice | {"received": instant(case.uow.at)}, witnessed(case, "avis-lu", [notice], told, said=False)])


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


def reminder_id(key: bytes, what: str, task: str) -> str:
    """Under which id it is kept that this (a code of the table `reminder`) was said of a Task: once, and nobody can foresee it."""
    return pairwise(key, f"reminder {what}", "Communication", task)


def reminders(dossier: Dossier, key: bytes) -> dict[str, Resource]:
    """What Liaison's Device said of a referral because time had passed, by code: its Communications, and nobody else's. The clinic's
    software may have changed them since."""
    said = {each["id"]: each for each in dossier.of("Communication")}
    ids = {what: reminder_id(key, what, dossier.task["id"]) for what in codes.REMINDERS}
    return {what: said[id] for what, id in ids.items() if id in said}


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
