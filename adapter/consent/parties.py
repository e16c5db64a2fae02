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
    if birth is not None and at < _birthday(birth, OF_AGE):
        return MINOR
    return PROTECTED if protected else ADULT


def _birthday(birth: date, years: int) -> date:
    """Born on 29 February: of age on 1 March of a common year."""
    try:
        return birth.replace(year=birth.year + years)
    except ValueError:
        return date(birth.year + years, 3, 1)


def given_by(consent: Resource, performers: Sequence[str]) -> Resource:
    """The Consent as agreed to by these ("Patient/x", "RelatedPerson/y"); the patient himself when there are none."""
    people = performers or (str(consent.get("patient", {}).get("reference", "")),)
    return consent | {"performer": [{"reference": person} for person in people]}


def missing_agreement(consent: Resource, related: Mapping[str, Resource], *, who: str, systems: Systems) -> str:
    """Whose agreement the Consent still lacks: "" nobody's, "person", or the relation that must agree. `related`:
    "RelatedPerson/y" -> the resource, active ones of this patient only; `who`: see `standing`.

    An adult agrees himself or by proxy. For a minor or a protected adult the holder of authority or the representative
    must be among the performers; that the person agreed as well is kept, and is no substitute.
    """
    patient = reference_of(consent.get("patient")) or ""
    performers = {text for one in listed(consent.get("performer")) if (text := reference_of(one))} or {patient}
    agreed = {code for text in performers for code in _relations(related.get(text, {}), patient, systems)}
    if agreed & MAY_AGREE[who] or (who == ADULT and patient in performers):
        return ""
    return {MINOR: PARENT, PROTECTED: REPRESENTATIVE, ADULT: "person"}[who]


def _relations(related: Resource, patient: str, systems: Systems) -> set[str]:
    """The codes of our table by which an active RelatedPerson of this patient stands to him."""
    if related.get("active") is False or reference_of(related.get("patient")) != patient:
        return set()
    prefix = f"{systems.code('capacity')}|"
    codings = (coding_of(coding) for concept in listed(related.get("relationship")) if isinstance(concept, dict) for coding in listed(concept.get("coding")))
    return {coding.removeprefix(prefix) for coding in codings if coding and coding.startswith(prefix)}
