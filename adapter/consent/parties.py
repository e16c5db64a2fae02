"""Who may agree for whom: the person, the holder of parental authority for a minor, the representative of a protected adult
(workflow.md 4). Design choices to be confirmed by a data protection officer, not advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from adapter.consent.question import coding_of, listed, reference_of
from adapter.names import Systems
from adapter.ports import Resource

OF_AGE = 18
# Codes of our table `capacity`, in RelatedPerson.relationship: in what capacity somebody speaks for the person.
PARENT = "autorite-parentale"
REPRESENTATIVE = "mandataire"
PROXY = "procuration"
TRUSTED = "personne-de-confiance"  # assists, and never agrees in the person's place
MINOR, PROTECTED, ADULT = "minor", "protected", "adult"
# In whose place who may agree, besides what the person says himself.
MAY_AGREE = {MINOR: frozenset({PARENT, REPRESENTATIVE}), PROTECTED: frozenset({REPRESENTATIVE}), ADULT: frozenset({PROXY})}


def standing(birth: date | None, *, protected: bool, at: date) -> str:
    """minor | protected | adult. `protected`: a measure under which a representative decides on personal matters. Who has
    no known birth date counts as an adult."""
    if birth is not None and at < majority(birth):
        return MINOR
    return PROTECTED if protected else ADULT


def majority(birth: date) -> date:
    """The day of coming of age. Born on 29 February: 1 March of a common year."""
    try:
        return birth.replace(year=birth.year + OF_AGE)
    except ValueError:
        return date(birth.year + OF_AGE, 3, 1)


def given_by(consent: Resource, performers: Sequence[str]) -> Resource:
    """The Consent as agreed to by these ("Patient/x", "RelatedPerson/y"); the patient himself when there are none."""
    people = performers or (reference_of(consent.get("patient")),)
    return consent | {"performer": [{"reference": person} for person in people if person]}


def missing_agreement(consent: Resource, related: Mapping[str, Resource], *, who: str, systems: Systems) -> str:
    """Whose agreement the Consent still lacks: "" nobody's, "person", or the relation that must agree. `related`:
    "RelatedPerson/y" -> the resource, active ones of this patient only; `who`: see `standing`.

    An adult agrees himself or by proxy. For a minor or a protected adult the holder of authority or the representative
    must be among the performers; that the person agreed as well is kept, and is no substitute.
    """
    lacking, patient = {MINOR: PARENT, PROTECTED: REPRESENTATIVE, ADULT: "person"}[who], reference_of(consent.get("patient"))
    if patient is None:
        return lacking
    performers = {text for one in listed(consent.get("performer")) if (text := reference_of(one))} or {patient}
    wanted = {f"{systems.code('capacity')}|{code}" for code in MAY_AGREE[who]}
    agreed = any(wanted & _capacities(related.get(text, {}), patient) for text in performers)
    return "" if agreed or (who == ADULT and patient in performers) else lacking


def given_by_parent(consent: Resource, related: Mapping[str, Resource], *, systems: Systems) -> bool:
    """Whether a holder of parental authority agreed. `related`: as for `missing_agreement`."""
    wanted, patient = f"{systems.code('capacity')}|{PARENT}", reference_of(consent.get("patient")) or ""
    performers = (reference_of(one) or "" for one in listed(consent.get("performer")))
    return any(wanted in _capacities(related.get(each, {}), patient) for each in performers)


def _capacities(related: Resource, patient: str) -> set[str | None]:
    """The "system|code" by which an active RelatedPerson of this patient stands to him."""
    if related.get("active") is False or reference_of(related.get("patient")) != patient:
        return set()
    return {coding_of(coding) for concept in listed(related.get("relationship")) if isinstance(concept, dict) for coding in listed(concept.get("coding"))}
