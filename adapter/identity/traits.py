"""Who is meant by a record, from its traits (RNIV): name at birth, first given name, date of birth, sex, place of birth.

Two records are compared by what both say. Accents, case, hyphens, apostrophes, a particle before the name and the form in which
the letters are encoded say nothing.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

BIRTH_GIVEN = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-birth-list-given-name"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
INSEE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code"
_BIRTH_NAME = ("official", "maiden", None)  # `official` is the name at birth in France; others call that one maiden
_PARTICLE = re.compile(r"(?:de|du|des|d) (?=\S)")
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})


@dataclass(frozen=True, slots=True)
class Traits:
    """`family` and `given` (the first) as at birth, `used` the name a person goes by, each as it is written; `place`: INSEE code of the
    commune, or of the country (99…). "" where the record does not say."""

    family: str = ""
    given: str = ""
    birth: str = ""
    sex: str = ""
    place: str = ""
    used: str = ""


def plain(text: str) -> str:
    """As names are compared: small letters and single spaces, without accents, hyphens and apostrophes."""
    letters = "".join(mark for mark in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(mark))
    return " ".join(re.sub(r"[\W_]+", " ", letters.translate(_LETTERS)).casefold().split())


def family_key(text: str) -> str:
    """The same for a family name: without its particle, and however its words are joined."""
    return _PARTICLE.sub("", found, count=1).replace(" ", "") if _PARTICLE.match(found := plain(text)) else found.replace(" ", "")


def given_key(text: str) -> str:
    """The same for a given name, however its words are joined."""
    return plain(text).replace(" ", "")


def birth_names(patient: Any) -> list[dict[str, Any]]:
    """The names that may be the one at birth, the likeliest first."""
    names = [name for name in _dicts(patient.get("name")) if name.get("use") in _BIRTH_NAME]
    return sorted(names, key=lambda name: _BIRTH_NAME.index(name.get("use")))


def written(name: dict[str, Any]) -> tuple[str, str]:
    """(family, first given) of a HumanName, "" for what it lacks. The first of the given names at birth where no other is written."""
    given = name.get("given")
    first = given[0] if isinstance(given, list) and given else ""
    listed = next((each.get("valueString") for each in _dicts(name.get("extension")) if each.get("url") == BIRTH_GIVEN), "")
    return str(name.get("family") or ""), str(first or "") or next(iter(str(listed or "").split()), "")


def traits(patient: Any) -> Traits:
    """What a Patient says of who it is. A record may give the first name beside the used name only: it is the same first name."""
    if not isinstance(patient, dict):
        return Traits()
    names, every = birth_names(patient), _dicts(patient.get("name"))
    family, given = written(names[0]) if names else ("", "")
    used = next((written(name)[0] for name in every if name.get("use") == "usual"), "")
    given = (given or next((first for name in every if (first := written(name)[1])), "")) if names else given
    birth, sex = patient.get("birthDate"), patient.get("gender")
    return Traits(family, given, birth if isinstance(birth, str) else "", sex if isinstance(sex, str) else "", _place(patient), used)


def _place(patient: dict[str, Any]) -> str:
    for outer in _dicts(patient.get("extension")):
        address = outer.get("valueAddress")
        for inner in _dicts(address.get("extension")) if outer.get("url") == BIRTH_PLACE and isinstance(address, dict) else ():
            coding = inner.get("valueCoding")
            if inner.get("url") == INSEE and isinstance(coding, dict) and isinstance(coding.get("code"), str):
                return str(coding["code"])
    return ""


def differing(one: Any, other: Any) -> tuple[str, ...]:
    """The traits in which two records contradict each other (family, given, birthDate, gender): what one of them does not say is no
    contradiction, nor a name that the other has too, at birth or in use, nor one given name that begins the other."""
    mine, theirs = _said(one), _said(other)
    found = []
    if mine[0] and theirs[0] and not mine[0] & theirs[0]:
        found.append("family")
    if mine[1] and theirs[1] and not any(a.startswith(b) or b.startswith(a) for a in mine[1] for b in theirs[1]):
        found.append("given")
    births = sorted(filter(None, (traits(one).birth, traits(other).birth)), key=len)
    if len(births) == 2 and not births[1].startswith(births[0]):
        found.append("birthDate")
    if {traits(one).sex, traits(other).sex} == {"male", "female"}:
        found.append("gender")
    return tuple(found)


def alike(one: Any, other: Any) -> bool:
    """Whether two records may well be one person: a name, the first given name and the whole date of birth are the same, and nothing
    speaks against it."""
    mine, theirs = _said(one), _said(other)
    birth = traits(one).birth
    return bool(mine[0] & theirs[0] and mine[1] & theirs[1]) and len(birth) == 10 and birth == traits(other).birth and not differing(one, other)


def _said(patient: Any) -> tuple[set[str], set[str]]:
    """(family names, first given names) of a record, old ones left out, as they are compared."""
    names = [name for name in _dicts(patient.get("name")) if name.get("use") not in ("old", "nickname", "anonymous")] if isinstance(patient, dict) else []
    pairs = [written(name) for name in names]
    return {family_key(family) for family, _ in pairs} - {""}, {given_key(given) for _, given in pairs} - {""}


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
