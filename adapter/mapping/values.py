"""The kinds of value a record holds: from what was typed to what FHIR holds, and back.

A kind is a pair of functions. `read(value, run, path, place)` returns the clean value, None when nothing is left
of it, or raises Unfit with what was expected (never the value). `write(value, run)` is the way back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

from adapter.mapping.context import Run

Reader = Callable[[Any, Run, str, str], Any]
Writer = Callable[[Any, Run], Any]


class Unfit(Exception):
    """The value is not what was expected; the text says what was."""

    def __init__(self, text: str, code: str = "value") -> None:
        super().__init__(text)
        self.text, self.code = text, code


class Kind(NamedTuple):
    read: Reader
    write: Writer


def same(value: Any, _run: Run) -> Any:
    return value


def clean(value: object, most: int) -> str | None:
    """One line: composed (NFC), invisible characters removed, blanks joined, ends trimmed."""
    if type(value) is not str:
        raise Unfit("expected text", "structure")
    if len(value) > most:
        raise Unfit(f"expected at most {most} characters", "too-long")
    text = " ".join(value.split())
    if not text.isascii() or not text.isprintable():
        text = unicodedata.normalize("NFC", "".join(filter(str.isprintable, text)))
        text = " ".join(text.split())
        if len(text) > most:  # a few characters grow when composed
            raise Unfit(f"expected at most {most} characters", "too-long")
    return text or None


def line(most: int = 200) -> Kind:
    """A single line of text."""
    return Kind(lambda value, run, path, place: clean(value, most), same)


def name() -> Kind:
    """A person's or place's name: a line with a letter in it."""

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        text = clean(value, 100)
        if text and not any(map(str.isalpha, text)):
            raise Unfit("expected a name with letters")
        return text

    return Kind(read, same)


def token(pattern: str, expected: str, most: int = 64) -> Kind:
    """A word of a fixed shape."""
    shape = re.compile(pattern)

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        word = clean(value, most)
        if word and not shape.fullmatch(word):
            raise Unfit(f"expected {expected}")
        return word

    return Kind(read, same)
