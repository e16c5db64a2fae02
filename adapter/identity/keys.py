"""Check digits of the numbers of France (france.md 1.6, note 6). python-stdnum has the NIR, SIREN and SIRET; RPPS and FINESS are Luhn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from stdnum import luhn
from stdnum.fr import nir as french_nir
from stdnum.fr import siren, siret

_BLANKS = str.maketrans("", "", " .\u00a0\u202f")
_NIR = re.compile(r"[1-478]\d{2}(?:0[1-9]|1[0-2]|2\d|3\d|4[0-2]|[5-9]\d)(?:\d{2}|2[AB])\d{8}", re.ASCII)
_ADELI = re.compile(r"(?:\d{2}|2[AB])\d{7}", re.ASCII)
_FINESS = re.compile(r"(?:\d{2}|2[AB])\d{7}", re.ASCII)
_CORSICA = {"2A": "21", "2B": "22"}  # of a FINESS; those of a NIR count as 19 and 18
_MALE, _FEMALE = "137", "248"


def bare(number: str) -> str:
    """Without the blanks that people put in."""
    return number.translate(_BLANKS).upper()


def nir(number: str) -> bool:
    """13 characters and a key that fits. The month may be 20 to 42 or from 50 on, where the true one is not known."""
    return _NIR.fullmatch(found := bare(number)) is not None and bool(french_nir.is_valid(found))


def rpps(number: str) -> bool:
    """11 digits, the last one a check digit."""
    return len(found := bare(number)) == 11 and _digits(found) and bool(luhn.is_valid(found))


def finess(number: str) -> bool:
    """9 characters, the last one a check digit; Corsica has a letter."""
    found = bare(number)
    return _FINESS.fullmatch(found) is not None and bool(luhn.is_valid(_CORSICA.get(found[:2], found[:2]) + found[2:]))


def adeli(number: str) -> bool:
    """9 characters. Its last one is no check digit that all keepers of it agree on."""
    return _ADELI.fullmatch(bare(number)) is not None


def _idnat_ps(number: str) -> bool:
    """One digit that tells what follows; what begins otherwise than with these has no check here (TRE_G08)."""
    within = {"8": rpps, "0": adeli}.get(bare(number)[:1])
    return within is None or within(bare(number)[1:])


def _idnat_struct(number: str) -> bool:
    within = {"1": finess, "2": _siren, "3": _siret}.get(bare(number)[:1])
    return within is None or within(bare(number)[1:])


def _siren(number: str) -> bool:
    return _digits(found := bare(number)) and bool(siren.is_valid(found))


def _siret(number: str) -> bool:
    """Those of La Poste have a sum of their own."""
    return _digits(found := bare(number)) and bool(siret.is_valid(found))


def _digits(number: str) -> bool:
    return number.isascii() and number.isdigit()


CHECKS: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(("INS-NIR", "INS-NIA", "INS-NIR-TEST", "INS-NIR-DEMO", "NSS", "NIR"), nir),
    "RPPS": rpps, "FINESS": finess, "ADELI": adeli, "IDNPS": _idnat_ps, "IDNST": _idnat_struct, "SIREN": _siren, "SIRET": _siret,
}  # fmt: skip


def fits(kind: str, number: object) -> bool:
    """Whether a number has the form and the check digit of its kind (`kind_of`); what nothing is known of fits."""
    check = CHECKS.get(kind)
    return check is None or (isinstance(number, str) and check(number))


def unlike(number: str, gender: object, birth: object) -> Iterator[str]:
    """Of a NIR that fits: which of `gender` and `birthDate` it speaks against. Either may be right (a sex that was rectified)."""
    found = bare(number)
    if (gender == "male" and found[0] in _FEMALE) or (gender == "female" and found[0] in _MALE):
        yield "gender"
    if isinstance(birth, str) and (_another(found[1:3], birth[2:4]) or (found[3:5] <= "12" and _another(found[3:5], birth[5:7]))):
        yield "birthDate"


def _another(said: str, part: str) -> bool:
    """Whether a part of a date, as far as it is known, is another."""
    return len(part) == len(said) and part != said
