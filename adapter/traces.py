"""Every resource about a person, or about one referral: what an erasure has to find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from adapter import fhir
from adapter.dossier import Dossier, content, follow, split
from adapter.fhir.parameters import parameters
from adapter.names import ABOUT
from adapter.ports import Clause, Query, Uow, Version

FOLLOWS = ("Procedure", "Communication", "Appointment")  # what points to a request
LED_TO = frozenset({  # what a person or a referral leads to by references of its own; all else is named by a Provenance
    "AuditEvent", "CareTeam", "Communication", "Consent", "HealthcareService", "Organization", "Patient", "Practitioner", "PractitionerRole",
    "Procedure", "Provenance", "RelatedPerson", "ServiceRequest", "Task",
})  # fmt: skip
Found = dict[tuple[str, str], Version]


def of_person(uow: Uow, patient: str) -> Iterator[Version]:
    """Every resource about the person, each once: the Patient last, so that the others are still found by it."""
    found: Found = {}
    own = uow.current(*split(patient))
    for type in sorted(fhir.CORE_TYPES):
        if type not in ("Patient", "AuditEvent") and "patient" in parameters(type):
            _add(found, _all(uow, type, "patient", patient))
    _add(found, _all(uow, "Binary", ABOUT, patient))
    _add_proofs(uow, found, [own] if own else [])
    yield from found.values()
    if own and not own.deleted:
        yield own


def of_referral(uow: Uow, referral: Dossier) -> Iterator[Version]:
    """Every resource that one referral made, each once: its Task, request and Consents, what follows from them, the proofs of
    these alone."""
    request = referral.request_version.reference
    consents = (uow.current("Consent", consent["id"]) for consent in referral.named)
    found: Found = {}
    _add(found, [referral.task_version, referral.request_version, *(each for each in consents if each)])
    for type in FOLLOWS:
        _add(found, _all(uow, type, "based-on", request))
    own = {each.reference for each in found.values()}
    _add_proofs(uow, found)
    theirs = (each for each in found.values() if each.type != "Provenance" or {one for one in _targets(each) if split(one)[0] in LED_TO} <= own)
    yield from theirs


def _add(found: Found, versions: Iterable[Version]) -> None:
    found.update({(each.type, each.id): each for each in versions})


def _add_proofs(uow: Uow, found: Found, more: Sequence[Version] = ()) -> None:
    """The Provenances of what was found, and what else they say was made with it."""
    for target in [*found.values(), *more]:
        for proof in _all(uow, "Provenance", "target", target.reference):
            _add(found, [proof])
            made = (follow(uow, each) for each in _targets(proof) if split(each)[0] not in LED_TO)
            _add(found, [each for each in made if each])


def _targets(proof: Version) -> set[str]:
    """What a Provenance is about."""
    return {str(each.get("reference", "")) for each in content(proof).get("target", ())} - {""}


def _all(uow: Uow, type: str, param: str, target: str) -> Iterator[Version]:
    after: tuple[str, str] | None = None
    while page := uow.search(Query(type, (Clause(param, "reference", (target,)),), count=500, after=after)):
        yield from page
        after = ("", page[-1].id)
