"""How sure an identity is: the status that FR Core has for it (france.md 1.3, RNIV)."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
DOUBTFUL = frozenset({"DOUT", "FICT", "USUR", "DOUB"})  # nothing is sent by itself: doubtful, invented, usurped, a double
QUALIFIED = frozenset({"QUAL", "VALI"})  # an INS may go with it
# fr-core-cs-v2-0445 and fr-core-cs-fiabilite-identite (2.1.0) and fr-core-cs-identity-status (main) share these codes; some write the word.
_WORDS = {
    "VALIDE": "VALI", "VALIDEE": "VALI", "QUALIFIE": "QUAL", "QUALIFIEE": "QUAL", "PROVISOIRE": "PROV", "RECUPEREE": "RECUP",
    "DOUTEUX": "DOUT", "DOUTEUSE": "DOUT", "DOUBLON": "DOUB", "FICTIF": "FICT", "FICTIVE": "FICT", "USURPEE": "USUR",
}  # fmt: skip


def status(patient: Any) -> str:
    """The code of the identity's status, in capitals; "" where none is said. Of several the doubtful one, else the first."""
    found = [code for code in _statuses(patient) if code]
    return next((code for code in found if code in DOUBTFUL), found[0] if found else "")


def doubtful(patient: Any) -> str:
    """The status where it is one of `DOUBTFUL`; ""."""
    found = status(patient)
    return found if found in DOUBTFUL else ""


def _statuses(patient: Any) -> Iterator[str]:
    for outer in _extensions(patient):
        if str(outer.get("url", "")).partition("|")[0] != RELIABILITY:
            continue
        for inner in _extensions(outer):
            if inner.get("url") == "identityStatus":
                coding = inner.get("valueCoding")
                yield _code(coding.get("code") if isinstance(coding, dict) else inner.get("valueCode"))


def _code(written: Any) -> str:
    if not isinstance(written, str):
        return ""
    letters = "".join(mark for mark in unicodedata.normalize("NFKD", written) if not unicodedata.combining(mark)).strip().upper()
    return _WORDS.get(letters, letters)


def _extensions(node: Any) -> list[dict[str, Any]]:
    found = node.get("extension") if isinstance(node, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


HERE = "here"  # whose status it is: that of our own record; of another's the name of the EHR


def doubts(patient: Any, note: bytes | None) -> dict[str, str]:
    """Who says that the identity is in doubt, and by which status: our own record (`HERE`) and those of EHRs, as `note` keeps them."""
    kept = noted(note)
    own = doubtful(patient)
    return {**({HERE: own} if own else {}), **kept["there"]}


def unchecked(patient: Any, note: bytes | None) -> str:
    """The status by which the identity is in doubt and which no person has checked yet; ""."""
    checked = noted(note)["checked"] if note else {}
    return next((code for source, code in doubts(patient, note).items() if checked.get(source) != code), "")


def noted(note: bytes | None) -> dict[str, dict[str, str]]:
    """{there: EHR -> status, checked: source -> the status that a person has checked}."""
    found = json.loads(note) if note else {}
    return {"there": dict(found.get("there", {})), "checked": dict(found.get("checked", {}))}
