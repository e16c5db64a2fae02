"""The values of a data·inclusion record, as files hold them: cleaned of what spreadsheets did to them (france.md 1.6).

A reader takes what was found and gives the clean value, None where nothing is left of it; it raises Unfit with what was expected, never
with what was found.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Reader = Callable[[Any], T | None]
MOST_CODES = 2000  # entries of one list: more than a department has communes
_LONGEST = 20_000  # characters of one value
_FLOAT = re.compile(r"([+-]?\d+)\.0*|[+-]?\d+(?:\.\d+)?[eE][+-]?\d{1,2}")
_SLUG = re.compile(r"[a-z0-9]+(?:[-_]+[a-z0-9]+)*")
_ZONE = re.compile(r"france|\d{9}|[0-9A-Za-z]{2}\d{3}|0\d|[1-9]\d|2[AB]|97\d|98\d")
# What is there and not seen: controls, marks of direction and of bytes, private and lone halves of characters.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\uf8ff\ufeff\ufff0-\uffff]")
_PHONE_ENDS = re.compile(r"\s*(?:[/;,|]|\bou\b|\bet\b)\s*")
LA_POSTE = "356000000"  # its establishments do not keep to Luhn: the sum of their digits is a multiple of five


class Unfit(Exception):
    """The value is not what was expected; the text says what was."""


def plain(value: Any) -> str | None:
    """One value as text: whole numbers that a spreadsheet made floats ("59260.0", 8.2454114801871e13) are whole again."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfit("expected a text or a number")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unfit("expected a text or a number")
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    written = str(value)
    if len(written) > _LONGEST:
        raise Unfit(f"expected at most {_LONGEST:,} characters")
    written = written.strip()
    if found := _FLOAT.fullmatch(written):
        number = float(written)
        return found[1] or (str(int(number)) if number.is_integer() and abs(number) < 1e16 else written)
    return written or None


def text(value: Any) -> str | None:
    """Several lines: composed (NFC), without invisible characters."""
    written = plain(value)
    if written is None:
        return None
    if written.isascii() and written.isprintable():
        return written.strip() or None
    lines = _INVISIBLE.sub("", unicodedata.normalize("NFC", written.replace("\r\n", "\n").replace("\r", "\n"))).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip() or None


def line(value: Any) -> str | None:
    """One line."""
    found = text(value)
    return " ".join(found.split()) or None if found else None


def matching(pattern: str, expected: str, *, digits: int = 0) -> Reader[str]:
    """A word of a fixed shape. `digits`: as many as a spreadsheet may have cut the leading zero of."""
    shape = re.compile(pattern)

    def read(value: Any) -> str | None:
        word = line(value)
        if word is None:
            return None
        word = word.replace(" ", "")
        if digits and word.isascii() and word.isdecimal() and len(word) == digits - 1:
            word = f"0{word}"
        if not shape.fullmatch(word):
            raise Unfit(f"expected {expected}")
        return word

    return read


key = matching(r"[A-Za-z0-9][A-Za-z0-9._:/@+=~-]{0,199}", "an identifier of letters, digits and . _ : / @ + = ~ -")
source = matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "the name of a source: letters, digits, . _ and -")
postcode = matching(r"[0-9]{5}", "a post code of 5 digits", digits=5)
insee = matching(r"(?:[0-9]{2}|2[AB])[0-9]{3}", "the INSEE code of a commune (five characters)", digits=5)
email = matching(r"[^@\s<>]{1,64}@[^@\s<>]+\.[^@\s<>]+", "an e-mail address")
_siret = matching(r"[0-9]{14}", "a SIRET of 14 digits", digits=14)


def siret(value: Any) -> str | None:
    found = _siret(value)
    if found is None or (found.startswith(LA_POSTE) and sum(map(int, found)) % 5 == 0):
        return found
    doubled = "".join(str(int(digit) * (2 - place % 2)) for place, digit in enumerate(found))
    if sum(map(int, doubled)) % 10:
        raise Unfit("expected a SIRET whose last digit proves it")
    return found


def url(value: Any) -> str | None:
    word = line(value)
    if word is None:
        return None
    try:
        parts = urlsplit(word)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in word and len(word) <= 2083
    except ValueError:
        fits = False
    if not fits:
        raise Unfit("expected an address that begins with http:// or https://")
    return word


def phones(value: Any) -> list[str] | None:
    """The numbers of a cell, there may be two of them."""
    written = line(value)
    found = [each for each in _PHONE_ENDS.split(written) if each] if written else []
    if written and not all(3 <= sum(map(str.isdecimal, each)) <= 20 and len(each) <= 60 for each in found):
        raise Unfit("expected telephone numbers")
    return found or None


def listed(value: Any) -> list[str]:
    """The entries of a list, or of a cell with commas; without doubles."""
    if isinstance(value, list):
        found = [line(each) for each in value[: MOST_CODES + 1] if each is not None]
    else:
        written = (line(value) or "").strip("[]{}")
        found = [each.strip().strip("\"'") for each in written.split(",", MOST_CODES + 1)]
    if len(found) > MOST_CODES:
        raise Unfit(f"expected at most {MOST_CODES:,} entries")
    return list(dict.fromkeys(each for each in found if each))


def _codes(shape: re.Pattern[str], expected: str, fold: Callable[[str], str]) -> Reader[list[str]]:
    def read(value: Any) -> list[str] | None:
        found = [fold(each) for each in listed(value)]
        if not all(len(each) <= 200 and shape.fullmatch(each) for each in found):
            raise Unfit(expected)
        return found or None

    return read


codes = _codes(_SLUG, "expected codes of data·inclusion (small letters, digits and -), with commas between them", str.casefold)
zones = _codes(
    _ZONE, "expected codes of the official geography: communes, departments, groups of communes, countries, or france",
    lambda each: each if each != "France" else "france",
)  # fmt: skip


def code(value: Any) -> str | None:
    found = codes(value)
    if found and len(found) > 1:
        raise Unfit("expected one code")
    return found[0] if found else None


def number(low: float, high: float) -> Reader[float]:
    def read(value: Any) -> float | None:
        written = plain(value)
        try:
            found = float(written.replace(",", ".")) if written else None
        except ValueError:
            found = math.nan
        if found is None:
            return None
        if not low <= found <= high:
            raise Unfit(f"expected a number from {low:g} to {high:g}")
        return found

    return read


latitude, longitude = number(-90, 90), number(-180, 180)


def day(value: Any) -> date | None:
    written = line(value)
    try:
        return date.fromisoformat(written[:10]) if written else None
    except ValueError:
        raise Unfit("expected a date as 2026-03-02") from None
