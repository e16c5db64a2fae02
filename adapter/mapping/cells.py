"""What people write in a cell, made into what a record says: numbers that a spreadsheet spoilt, moments, telephones, words."""

from __future__ import annotations

import re
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adapter.mapping.document import Tree, as_text, as_tree, as_whole, fault, nearest, plain
from adapter.mapping.kinds import fold
from adapter.mapping.shape import Field

_WHOLE = re.compile(r"([0-9][0-9 \u00a0\u202f]*)(?:[.,]0+)?", re.ASCII)
_ROUNDED = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+", re.ASCII)
_MOMENT = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:\s*(?:à|,|T)?\s*(\d{1,2})\s*[:hH]\s*(\d{2})?(?::(\d{2}))?)?", re.ASCII)
_ISO_HOUR = re.compile(r"(\d{4}-\d{2}-\d{2})\s*(?:à|,|T)?\s*(\d{1,2})\s*[:hH]\s*(\d{2})?(?::(\d{2}))?", re.ASCII)
_BETWEEN = re.compile(r"\s*(?:[/;,|\n]|\bou\b|\bet\b)\s*", re.IGNORECASE)
_FRENCH = re.compile(r"(?:\+33|0033|0)[ .\-\u00a0]?(?:\(0\))?[1-9](?:[ .\-\u00a0]?[0-9]{2}){4}(?![0-9])", re.ASCII)


class Clean(NamedTuple):
    """`more`: further telephones of the cell; `problem`: why it cannot be taken; `place`: the line of the map's word that it was."""

    text: str
    more: tuple[str, ...] = ()
    problem: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """How the text of a cell is read: `digits` (0: not a number), a moment, telephones, words (folded → value, line)."""

    digits: int = 0
    instant: bool = False
    phones: bool = False
    words: ReadOnly[str, tuple[Any, str]] = field(default_factory=dict)

    def read(self, text: str) -> Clean:
        """What the record says; text that is none of what is looked for stays as it is, for the record kind to refuse."""
        if self.words and (found := self.words.get(fold(text))):
            return Clean(found[0], place=found[1])
        if self.digits:
            return _number(text, self.digits)
        if self.instant:
            return Clean(_moment(text))
        return _telephones(text) if self.phones else Clean(text)


def cell_of(node: Tree, shape: ReadOnly[str, Field]) -> tuple[Cell, str]:
    """The reading that a field's entry asks for, and where a second telephone goes. Raises MappingError."""
    entries = node.entries
    digits = as_whole(entries["digits"], "digits") if "digits" in entries else 0
    if "digits" in entries and not 1 <= digits <= 30:
        raise fault(node.places["digits"], "digits: expected how many, 1 to 30")
    second = as_text(entries["phones"], "phones") if "phones" in entries else ""
    if second and second != "warn" and (second not in shape or shape[second].group or shape[second].most):
        raise fault(node.places["phones"], f"phones: expected warn, or the field that a second number goes to{nearest(second, shape)}")
    instant = plain(entries["instant"]) if "instant" in entries else False
    if instant not in (True, False) or ("instant" in entries and not instant):
        raise fault(node.places["instant"], "instant: expected true")
    if sum(map(bool, (digits, second, instant))) > 1:
        raise fault(node, "expected one of digits, instant, phones")
    return Cell(digits, bool(instant), bool(second), _words(node)), "" if second == "warn" else second


def _words(node: Tree) -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    if "words" not in node.entries:
        return found
    tree = as_tree(node.entries["words"], "words")
    for word, value in tree.entries.items():
        said, place = plain(value), tree.places[word]
        if not isinstance(said, str) or not said:
            raise fault(value, f"words: expected what the record says for {word!r}")
        if fold(word) in found:
            raise fault(place, f"the word {word!r} is there already, but for case and accents")
        found[fold(word)] = said, place
    return found


def _number(text: str, digits: int) -> Clean:
    """12345678900011.0 as its 14 digits, 1000.0 as the post code 01000."""
    if _ROUNDED.fullmatch(text):
        return Clean(text, problem="a number that a spreadsheet has rounded (as 1,2E+13): write it anew, in a column of text")
    whole = _WHOLE.fullmatch(text)
    return Clean("".join(filter(str.isdigit, whole[1])).zfill(digits) if whole else text)


def _moment(text: str) -> str:
    """06/03/2026 18h50 as 2026-03-06T18:50; a day alone stays a day."""
    if found := _MOMENT.fullmatch(text):
        day, month, year, hour, minute, second = found.groups()
        date = f"{year}-{int(month):02}-{int(day):02}"
    elif found := _ISO_HOUR.fullmatch(text):
        date, hour, minute, second = found.groups()
    else:
        return text
    return f"{date}T{int(hour):02}:{minute or '00'}" + (f":{second}" if second else "") if hour else date


def _telephones(text: str) -> Clean:
    """Every number of the cell, the first apart. One number with dots or bars in it is one."""
    if len(found := _FRENCH.findall(text)) > 1:
        return Clean(found[0].strip(), tuple(each.strip() for each in found[1:]))
    parts = [part for each in _BETWEEN.split(text) if sum(map(str.isdigit, part := each.strip())) >= 6]
    return Clean(parts[0], tuple(parts[1:])) if len(parts) > 1 else Clean(text)
