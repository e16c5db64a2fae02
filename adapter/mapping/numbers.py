"""Numbers that people carry (telephone, social security, RPPS), and text that may hold one."""

from __future__ import annotations

import re

import phonenumbers

from adapter.identity import keys, phones
from adapter.mapping.context import Run
from adapter.mapping.values import Kind, Unfit, clean, same


def phone() -> Kind:
    """A telephone number as E.164; French where no country is given."""

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        typed = clean(value, 40)
        if typed is None:
            return None
        return phones.french(typed) or _foreign_phone(typed)

    return Kind(read, same)


def _foreign_phone(typed: str) -> str:
    try:
        number = phonenumbers.parse(typed, "FR")
    except phonenumbers.NumberParseException:
        raise Unfit("expected a telephone number") from None
    if not phonenumbers.is_possible_number(number) or number.extension:
        raise Unfit("expected a telephone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def nir() -> Kind:
    """A social security number: 13 characters and the key, the key checked (2A, 2B known)."""

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        typed = clean(value, 30)
        if typed is None:
            return None
        if not keys.nir(typed):
            raise Unfit("expected 13 characters and a key that fits them")
        return keys.bare(typed)

    return Kind(read, same)


def rpps() -> Kind:
    """The number of a health professional: 11 digits, the last one a check digit."""

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        typed = clean(value, 20)
        if typed is None:
            return None
        if not keys.rpps(typed):
            raise Unfit("expected an RPPS number of 11 digits with its check digit")
        return keys.bare(typed)

    return Kind(read, same)


# 13 digits (2A, 2B for Corsica) and the key, with the blanks that people put in.
_NIR_IN_TEXT = re.compile(r"(?<!\d)[1-478][ .]?\d{2}[ .]?\d{2}[ .]?\d[\dABab][ .]?\d{3}[ .]?\d{3}[ .]?\d{2}(?!\d)")
REMOVED = "[numéro retiré]"


def text(most: int = 4000) -> Kind:
    """Free text of several lines. A social security number inside it is taken out unless authorised."""

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        if type(value) is not str:
            raise Unfit("expected text", "structure")
        if len(value) > most:
            raise Unfit(f"expected at most {most} characters", "too-long")
        kept = "\n".join(clean(part, 2 * most) or "" for part in value.splitlines()).strip("\n")
        if _NIR_IN_TEXT.search(kept) and not run.context.nir_authorised:
            found = _NIR_IN_TEXT.sub(lambda match: REMOVED if keys.nir(match.group()) else match.group(), kept)
            if found != kept:
                kept = found
                run.dropped.append(path)
                run.remark(path, place, "a social security number inside the text was taken out and is not stored")
        return kept or None

    return Kind(read, same)
