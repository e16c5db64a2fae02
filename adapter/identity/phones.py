"""Telephone numbers as people write them, under the one form by which they are compared (E.164; france.md 1.6, note 4)."""

from __future__ import annotations

import re

_FRENCH = re.compile(r"(?:\+33(?:\(0\))?|0033|0)([1-9]\d{8})", re.ASCII)
_ABROAD = re.compile(r"(?:\+|00)([1-9]\d{6,14})", re.ASCII)
_MARKS = str.maketrans("", "", " .-/\u00a0\u202f")
_BRACKETS = str.maketrans("", "", "()")


def french(written: str) -> str:
    """+33… of a number of France; "" of any other."""
    typed = written.translate(_MARKS)
    found = _FRENCH.fullmatch(typed) or _FRENCH.fullmatch(typed.translate(_BRACKETS))
    return f"+33{found[1]}" if found else ""


def e164(written: str) -> str:
    """The number with its country before it, French where none is written; "" of what is no whole number."""
    abroad = _ABROAD.fullmatch(written.translate(_MARKS).translate(_BRACKETS))
    return french(written) or (f"+{abroad[1]}" if abroad else "")


def spelt(written: str) -> tuple[str, ...]:
    """As it is written, and under its one form where that is another."""
    own = e164(written)
    return (written, own) if own and own != written else (written,)
