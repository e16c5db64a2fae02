"""Halt rules: the engine stands still for an EHR, or for one patient there, until a person lets it go on (sync.md Y-23, Y-24, Y-43).

An EHR is halted when what it says cannot be a change that somebody made: it was restored from a backup, or nearly all that
we know there is gone. A patient is halted when the EHR says that it is another person's record: then nobody is shown
anything of that patient either. While it lasts, nothing is sent there and nothing taken in; nothing is lost by it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

import orjson

from adapter.audit import events
from adapter.clock import instant
from adapter.dossier import FROZEN, content, patient_of
from adapter.errors import EhrUnavailable, NotFound
from adapter.ports import Letter, Principal, Uow
from adapter.sync.canonical import decode, encode, moment

WHY = {
    "restored": "it has older versions than we have seen (restored from a backup?)",
    "id-reused": "an id that we know names another resource there (restored from a backup?)",
    "vanished": "most of what we know there is not found any more (a permission or a filter lost, or restored from a backup?)",
    "patient-merged": "the patient's record was replaced by another one's",
    "patient-moved": "the referral was moved to another patient's record",
    "patient-changed": "the patient's record has another number or another date of birth than ours",
    "patient-gone": "the patient's record is not there any more",
}
"""Reason codes and what they mean to a person."""
STEPS = 500  # links that are read at once
AGAIN = timedelta(minutes=5)  # until a letter that is held is looked at again


class Halted(EhrUnavailable):
    """The engine stands still for this EHR. Nothing was sent or taken in."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"halted: {WHY.get(reason, reason)}; see `liaison reconcile`, then `liaison sync resume`")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Halt:
    """Why, since when; `patient`: our reference ("" for the whole EHR); `seen`: what was seen there, so that a person's word
    holds until something else is seen."""

    reason: str
    at: datetime
    patient: str = ""
    seen: str = ""

    @property
    def why(self) -> str:
        return WHY.get(self.reason, self.reason)


def halt(uow: Uow, ehr: str, reason: str, patient: str = "", *, seen: str = "") -> bool:
    """Stops the engine for the EHR, or for one patient there; audited. False when it stood still already, or a person has said of
    what was `seen` that it is right."""
    standing, heard = _load(uow, ehr)
    if patient in standing or (seen and heard.get(patient) == seen):
        return False
    standing[patient] = Halt(reason, uow.at, patient, seen)
    _store(uow, ehr, standing, heard)
    if patient:
        uow.keep(FROZEN + patient, b"1")
    _told(uow, Principal(f"ehr-{ehr}", ehr, role="device"), "sync-halted", ehr, reason, patient)
    return True


def halted(uow: Uow, ehr: str, patient: str = "") -> Halt | None:
    """The halt of the EHR, else the one of that patient there; None: go on."""
    standing, _ = _load(uow, ehr)
    return standing.get("") or (standing.get(patient) if patient else None)


def halts(uow: Uow, ehr: str) -> list[Halt]:
    """Every halt that stands there, that of the EHR itself first, then the oldest."""
    return sorted(_load(uow, ehr)[0].values(), key=lambda each: (bool(each.patient), each.at))


def held(uow: Uow, letter: Letter) -> Halt | None:
    """Why the letter may not be sent now: to be asked before each letter."""
    standing, _ = _load(uow, letter.ehr)
    if not standing or "" in standing:
        return standing.get("")
    found = uow.current(letter.type, letter.id) or uow.current("ServiceRequest", letter.lane)
    return standing.get(patient_of(content(found))) if found and not found.deleted else None


def resume(uow: Uow, ehr: str, *, who: Principal, patient: str = "") -> Halt:
    """A person has looked and lets it go on; audited. An EHR is then read whole, and what it has is compared with what we knew as a
    change like any other, whatever its version number: what does not fit waits for a person, one by one. Raises NotFound."""
    standing, heard = _load(uow, ehr)
    if patient not in standing:
        raise NotFound("nothing is halted there")
    ended = standing.pop(patient)
    _store(uow, ehr, standing, heard | ({patient: ended.seen} if ended.seen else {}))
    if patient:
        uow.keep(FROZEN + patient, b"")
    else:
        _forget_versions(uow, ehr)
        uow.keep(_afresh(ehr), ended.reason.encode())
    _told(uow, who, "sync-resumed", ehr, ended.reason, patient)
    return ended


def accepted(uow: Uow, ehr: str) -> bool:
    """Whether a person said that what vanished there is gone indeed: each of it is then found gone by itself."""
    return uow.kept(_afresh(ehr)) == b"vanished"


def afresh(uow: Uow, ehr: str) -> bool:
    """Whether everything there is to be looked at, whatever changed since when: it was halted, and no more."""
    return bool(uow.kept(_afresh(ehr)))


def settled(uow: Uow, ehr: str) -> None:
    """Everything there was looked at since: the next time that much vanishes is halted again."""
    if afresh(uow, ehr):
        uow.keep(_afresh(ehr), b"")


def _forget_versions(uow: Uow, ehr: str) -> None:
    for type in ("Consent", "ServiceRequest", "Task", "Procedure", "Patient"):
        after = ""
        while links := uow.links(ehr, type, after=after, limit=STEPS):
            for link in links:
                base = decode(link.base)
                base.get("meta", {}).pop("lastUpdated", None)
                uow.save_link(replace(link, remote_version="", base=encode(base) if base else b""))
            after = links[-1].id


def _load(uow: Uow, ehr: str) -> tuple[dict[str, Halt], dict[str, str]]:
    stored = orjson.loads(uow.kept(name(ehr)) or b"{}")
    rows = [{**each, "at": moment(each["at"])} for each in stored.get("halts", ())]
    return {each["patient"]: Halt(**each) for each in rows}, stored.get("heard", {})


def _store(uow: Uow, ehr: str, standing: dict[str, Halt], heard: dict[str, str]) -> None:
    rows = [asdict(each) | {"at": instant(each.at)} for each in standing.values()]
    uow.keep(name(ehr), orjson.dumps({"halts": rows, "heard": heard}))
    uow.weigh()


def _told(uow: Uow, who: Principal, name: str, ehr: str, reason: str, patient: str) -> None:
    uow.audit(events.act(who, name, what=patient, patient=patient, at=uow.at, details=[("ehr", ehr), ("reason", reason)]))


def name(ehr: str) -> str:
    """Under which what stands there is kept."""
    return f"halts/{ehr}"


def _afresh(ehr: str) -> str:
    return f"read-afresh/{ehr}"
