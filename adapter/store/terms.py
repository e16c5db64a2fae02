"""From an IndexRow to what is stored of it, and from a searched value to the same."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterable

from adapter.ports import IndexRow
from adapter.store.moments import FIRST, LAST, span

_LONGEST = 200  # an index entry of PostgreSQL holds 2,700 bytes
Term = tuple[str, str, str, str]  # "value", param, value, system or "date", param, low, high


def normalised(words: str) -> str:
    """How strings are compared: no case, no accents, single spaces. Applying it twice changes nothing."""
    if words.isascii():
        return " ".join(words.lower().split())
    before = ""
    while words != before:  # folding may make new marks, and new letters with case: until it is at rest
        before = words
        plain = (char for char in unicodedata.normalize("NFKD", words.casefold()) if not unicodedata.combining(char))
        words = " ".join("".join(plain).split())
    return words


def cut(value: str) -> str:
    """Values too long for an index keep their beginning and a digest, so that equal stays equal and other stays other."""
    return value if len(value) <= _LONGEST else value[:_LONGEST] + "#" + hashlib.sha256(value.encode()).hexdigest()


def prefix(words: str) -> str:
    """What a stored string begins with when the whole string begins with `words`."""
    return words[:_LONGEST]


class Blind:
    """Identifying values become HMACs under the application's key, bound to type and parameter: the database alone tells
    neither the value nor that two parameters hold the same one."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, type: str, param: str, value: str) -> str:
        text = "\x1f".join((type, param, value)).encode()
        return hmac.digest(self._key, text, "sha256").hex()[:40]


def terms(type: str, rows: Iterable[IndexRow], blind: Blind) -> set[Term]:
    """The search rows of one resource. Raises ValueError for a date that is none."""
    return {_term(type, row, blind) for row in rows}


def _term(type: str, row: IndexRow, blind: Blind) -> Term:
    if row.kind == "date":
        low, high = span(row.low)[0] if row.low else FIRST, span(row.high)[1] if row.high else LAST
        if row.identifying:
            return "value", row.param, blind(type, row.param, f"{low}/{high}"), ""
        return "date", row.param, low, high
    value = normalised(row.value) if row.kind == "string" else row.value
    return "value", row.param, blind(type, row.param, value) if row.identifying else cut(value), cut(row.system)
