"""Already followed: one bit, for a clinic about its own patients, where the person agreed to the earlier referral (workflow.md 3).

It never says by whom or why, never crosses organisations, never speaks of a need of sensitivity 3; every answer is audited and
counted against a bound. One of the declared exceptions to non-interference (workflow.md 6).
"""

from __future__ import annotations

from adapter.audit import events
from adapter.dossier import Dossier, load, pointing
from adapter.network import PRESCRIBER
from adapter.ports import Principal, Uow
from adapter.referral.states import TERMINAL
from adapter.showing import Window

SOCIAL_WORK = frozenset({"as-msp-equipe", "as-carsat", "as-departement", "ccas"})  # recipient categories that follow a person
MOST = 100  # answers a day and clinic
SAID = "a social service follows this person already; ask the person before sending"


def followed(window: Window, uow: Uow, who: Principal, patient: str, units: list[str], *, but: frozenset[str], request_id: str) -> bool:
    """Whether one of the clinic's earlier referrals of this patient, in force and agreed to, is with a social worker, when one
    of `units` is such a service too. `but`: Tasks that do not count (those just made). False beyond the day's bound."""
    if not any(_follows(window, unit) for unit in units):
        return False
    counter = f"already-followed:{who.organisation}:{uow.at:%Y-%m-%d}"
    asked = int(uow.kept(counter) or b"0")
    if asked >= MOST:
        return False
    uow.keep(counter, str(asked + 1).encode())
    earlier = (load(uow, version.id) for version in pointing(uow, "Task", "patient", patient) if version.id not in but)
    found = any(each is not None and _counts(window, uow, who, each) for each in earlier)
    details = [("answer", "yes" if found else "no")]
    uow.audit(events.act(who, "already-followed", patient=patient, at=uow.at, request_id=request_id, details=details))
    return found


def _follows(window: Window, unit: str) -> bool:
    organisation = window.network.unit_organisation(unit)
    return organisation is not None and organisation.category in SOCIAL_WORK


def _counts(window: Window, uow: Uow, who: Principal, dossier: Dossier) -> bool:
    running = dossier.task["status"] not in TERMINAL | {"draft"} and _follows(window, dossier.owner)
    own = window.writer.author(uow, dossier.request, who) == who.organisation
    plain = all(window.sight.sensitivity(code) < 3 for code in window.sight.asked(dossier))
    agreed = any(each.get("status") == "active" for each in dossier.named)
    return running and own and plain and agreed and window.decision(uow, who, PRESCRIBER, dossier).permit
