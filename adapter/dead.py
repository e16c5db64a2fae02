"""Letters that are stuck: what each is about, and giving one up (the operator's part of workflow.md 7). Nothing in it tells of anybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from adapter.clock import instant
from adapter.dossier import content
from adapter.errors import Invalid
from adapter.ports import Letter, Principal, Uow
from adapter.referral.states import TERMINAL
from adapter.sync.narrow import CLOSED
from adapter.waiting import MOST, parked, reference_of, told

Why = Literal["told-otherwise", "not-needed", "test"]
WHYS: Sequence[str] = get_args(Why)
"""Why a letter may be given up: the EHR learnt it another way; nobody needs it there; it was a test."""


@dataclass(frozen=True, slots=True)
class Dead:
    """One parked letter. `reference`: of its referral as it is spoken ("" for none); `behind`: letters of its lane that wait for
    it; `closing`: it tells the EHR that something ended or was taken back."""

    number: int
    ehr: str
    reference: str
    type: str
    reason: str
    attempts: int
    since: str
    behind: int
    closing: bool


def dead(uow: Uow, *, ehr: str | None = None) -> list[Dead]:
    """Every parked letter, in the order they were posted."""
    return [_told(uow, letter) for letter in uow.letters(states=("parked",), ehr=ehr, limit=MOST)]


def show(uow: Uow, number: int) -> Dead:
    """Raises NotFound."""
    return _told(uow, parked(uow, number))


def drop(uow: Uow, who: Principal, number: int, *, why: str, closing: bool = False) -> Letter:
    """Gives a parked letter up: it is never sent, and its lane goes on. Raises NotFound, and Invalid for another reason than WHYS
    or, unless `closing` says that it is meant, for a letter that tells of an end: what the EHR does not hear of, it goes on with."""
    letter = parked(uow, number)
    if why not in WHYS:
        raise Invalid(f"expected one of {', '.join(WHYS)}", code="value", expression="why")
    if ends(uow, letter) and not closing:
        raise Invalid("this letter tells the EHR that something ended or was taken back: say so with --closing", expression="closing")
    uow.settle(letter, state="dropped", reason="given-up")
    told(uow, who, "drop-closing" if ends(uow, letter) else "drop", letter, ("reason", letter.reason), ("why", why))
    return letter


def ends(uow: Uow, letter: Letter) -> bool:
    """Whether what it tells of has ended, or is gone."""
    version = uow.current(letter.type, letter.id)
    if version is None or version.deleted:
        return True
    status = content(version).get("status")
    return status in {"Consent": CLOSED, "Task": TERMINAL, "ServiceRequest": ENDED}.get(letter.type, frozenset())


ENDED = frozenset({"revoked", "completed", "entered-in-error"})  # of a ServiceRequest


def _told(uow: Uow, letter: Letter) -> Dead:
    lane = uow.letters(states=("queued", "unknown", "conflict", "parked"), ehr=letter.ehr, lane=letter.lane)
    behind = sum(each.key > letter.key for each in lane)
    return Dead(
        letter.key, letter.ehr, reference_of(uow, letter.lane), letter.type, letter.reason, letter.attempts, instant(letter.due), behind,
        ends(uow, letter),
    )  # fmt: skip
