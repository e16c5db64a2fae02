"""What number an Identifier is: by its type code where one system holds several, by its system otherwise (france.md 1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapter.identity import systems
from adapter.identity.systems import canonical
from adapter.names import FINESS, NIR, RPPS, SIRENE

INS = frozenset({"INS-NIR", "INS-NIA", "INS-NIR-TEST", "INS-NIR-DEMO"})  # only with a qualified identity
TRIALS = frozenset({"INS-NIR-TEST", "INS-NIR-DEMO"})
NUMBERS = INS | {"INS-C", "NSS", "NIR"}
"""Numbers of the social security. NIR: one on its OID without a type, which may be either of the two that share it."""

_BY_SYSTEM = {
    systems.INS_C: "INS-C", systems.INS_NIA: "INS-NIA", systems.INS_TEST: "INS-NIR-TEST", systems.INS_DEMO: "INS-NIR-DEMO",
    systems.IDNAT_PS: "IDNPS", systems.IDNAT_STRUCT: "IDNST", RPPS: "RPPS", FINESS: "FINESS", systems.ADELI: "ADELI",
    systems.RPPS_RANG: "RPPSRG", systems.ADELI_RANG: "ADELIRG",
}  # fmt: skip
_BY_CODE = {
    "INS-NIR": "INS-NIR", "INS": "INS-NIR", "INS-NIA": "INS-NIA", "INS-NIR-TEST": "INS-NIR-TEST", "INS-NIR-DEMO": "INS-NIR-DEMO", "INS-C": "INS-C",
    "NH": "NSS", "NSS": "NSS", "SS": "NSS", "SB": "NSS",
    "RPPS": "RPPS", "FINEJ": "FINESS", "FINEG": "FINESS", "SIREN": "SIREN", "SIRET": "SIRET", "ADELI": "ADELI", "IDNPS": "IDNPS", "IDNST": "IDNST",
}  # fmt: skip
# Codes that are mere digits: only under that table's name (ROR).
_BY_TRE_G07 = {"40": "IDNST", "1": "FINESS", "2": "SIREN", "3": "SIRET", "4": "RPPSRG", "0": "ADELIRG"}


def kind_of(identifier: Any) -> str:
    """INS-NIR, INS-NIA, INS-NIR-TEST, INS-NIR-DEMO, INS-C, NSS, NIR, RPPS, FINESS, SIREN, SIRET, ADELI, IDNPS, IDNST, RPPSRG or ADELIRG; "" for any other
    identifier, and for what is none."""
    if not isinstance(identifier, dict):
        return ""
    said = identifier.get("system")
    system = canonical(said) if isinstance(said, str) else ""
    typed = next((kind for kind in _typed(identifier.get("type")) if kind), "")
    if system == NIR:
        return typed if typed in NUMBERS else "NIR"
    if system in _BY_SYSTEM:
        return _BY_SYSTEM[system]
    if system == SIRENE:
        return typed if typed in ("SIREN", "SIRET") else _by_length(identifier.get("value"))
    return typed if typed in NUMBERS or not system else ""


def _typed(type: Any) -> Iterator[str]:
    codings = type.get("coding") if isinstance(type, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        system, code = (coding.get("system"), coding.get("code")) if isinstance(coding, dict) else (None, None)
        if isinstance(code, str):
            of_table = isinstance(system, str) and ("TRE_G07" in system or "TRE-G07" in system)
            yield (_BY_TRE_G07 if of_table else _BY_CODE).get(code, "")


def _by_length(value: Any) -> str:
    return {9: "SIREN", 14: "SIRET"}.get(len(value.replace(" ", "")), "") if isinstance(value, str) else ""
