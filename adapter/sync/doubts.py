"""Persons whose identity is in doubt (france.md 1.3, F11): nothing of them is sent until somebody has checked who it is.

Who says so is the practice's own record here, or that of an EHR. A letter that would go is parked, what is there stays as it is, and no
status of a referral changes. A row in the list of what waits for a person stands for each such person; it goes when somebody says that it
was checked, or when the status is mended where it came from. Another doubt later is another row.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from adapter import identity
from adapter.audit import events
from adapter.dossier import DOUBTED, content, follow, of_request, patient_of
from adapter.errors import NotFound
from adapter.ports import ConflictRow, Principal, Resource, Uow, Version

DOUBTFUL = "identity-doubtful"  # reason of such a letter, and of the row
STATE = "doubt"  # of the row
MOST = 100_000


def news(uow: Uow, ehr: str, said: Iterable[tuple[str, Resource]]) -> list[tuple[str, Resource]]:
    """Of (our reference, the EHR's record): those whose status is in doubt, or is no more, since it was last heard of."""
    said = list(said)
    notes = uow.kept_many(*(DOUBTED + patient for patient, _ in said)) if said else {}
    return [each for each in said if identity.doubtful(each[1]) != identity.noted(notes.get(DOUBTED + each[0]))["there"].get(ehr, "")]


def heard(uow: Uow, ehr: str, patient: str, record: Resource) -> None:
    """What the EHR's record of our `patient` ("Patient/x") says of the identity's status."""
    note, code = identity.noted(uow.kept(DOUBTED + patient)), identity.doubtful(record)
    if code == note["there"].get(ehr, ""):
        return
    note["there"].pop(ehr, None)
    note["checked"].pop(ehr, None)
    if code:
        note["there"][ehr] = code
    _stands(uow, patient, note, Principal(f"ehr-{ehr}", ehr, role="device"))


def written(uow: Uow, version: Version) -> None:
    """The practice's own record of a person was written."""
    note, code = identity.noted(uow.kept(DOUBTED + version.reference)), identity.doubtful(content(version))
    if not code and identity.HERE not in note["checked"] and not _rows(uow, version):
        return  # as for nearly everybody
    if note["checked"].get(identity.HERE, code) != code:
        del note["checked"][identity.HERE]
    _stands(uow, version.reference, note, Principal("liaison", version.clinic, role="device"))


def checked(uow: Uow, who: Principal, number: int) -> int:
    """Somebody has checked who the person of that row is: what waited for it goes; how many letters. Raises NotFound."""
    row = next((each for each in uow.conflicts(state=STATE) if each.key == number), None)
    if row is None:
        raise NotFound("no identity of that number is to be checked; `liaison sync list` has them")
    patient = f"Patient/{row.id}"
    note, found = identity.noted(uow.kept(DOUBTED + patient)), follow(uow, patient)
    note["checked"] |= identity.doubts(content(found) if found else None, uow.kept(DOUBTED + patient))
    _keep(uow, patient, note)
    uow.settle_conflict(number, choice="checked")
    uow.audit(events.act(who, "identity-checked", what=patient, patient=patient, at=uow.at))
    return _release(uow, patient)


def _stands(uow: Uow, patient: str, note: dict[str, dict[str, str]], by: Principal) -> None:
    """Keeps what is known now, with a row where the identity is to be checked, and lets go where it is not any more."""
    _keep(uow, patient, note)
    found = follow(uow, patient)
    if found is None:
        return
    rows = _rows(uow, found)
    if identity.unchecked(content(found), uow.kept(DOUBTED + patient)):
        if not rows:
            uow.save_conflict(ConflictRow(found.clinic, "Patient", found.id, DOUBTFUL, b"", b"", b"", uow.at, state=STATE))
            uow.audit(events.act(by, "identity-doubted", what=patient, patient=patient, at=uow.at))
        return
    for row in rows:
        uow.settle_conflict(row.key, choice="mended")
    if rows:
        _release(uow, patient)


def _rows(uow: Uow, patient: Version) -> list[ConflictRow]:
    return uow.conflicts(state=STATE, about=(patient.clinic, "Patient", patient.id))


def _keep(uow: Uow, patient: str, note: dict[str, dict[str, str]]) -> None:
    uow.keep(DOUBTED + patient, orjson.dumps(note) if any(note.values()) else b"")
    uow.weigh()


def _release(uow: Uow, patient: str) -> int:
    """Queues the letters again that waited for this person's identity."""
    held = [each for each in uow.letters(states=("parked",), limit=MOST) if each.reason == DOUBTFUL]
    mine = [each for each in held if (referral := of_request(uow, each.lane)) and patient_of(referral.request) == patient]
    return sum(uow.settle(each, state="queued", due=uow.at) for each in mine)

