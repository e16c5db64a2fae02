"""What each act takes: its arguments by name, and what kind each value is. Anything else is refused before the act begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from adapter.errors import Invalid, Issue, numbered

NAMED = 200  # characters of a name
COMPARED = 5, 40  # unknown keys that are compared with the known ones, and how many characters of each


@dataclass(frozen=True, slots=True)
class Kind:
    """`expected` completes "expected …"; `schema` is the type as /openapi.json has it; `fits` tells whether a value is one."""

    expected: str
    schema: str
    fits: Callable[[object], bool]


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


TEXT = Kind("a text that is not empty", "string", _text)
TEXTS = Kind("a list of texts, at least one, none empty", "array", lambda value: isinstance(value, list) and bool(value) and all(map(_text, value)))
NAME = Kind(f"a text of at most {NAMED} characters that is not empty", "string", lambda value: _text(value) and len(str(value)) <= NAMED)
NUMBER = Kind("a whole number", "integer", lambda value: isinstance(value, int) and not isinstance(value, bool))
FLAG = Kind("true or false", "boolean", lambda value: isinstance(value, bool))
CODED = Kind("an object: need code → outcome code", "object", lambda value: isinstance(value, Mapping))  # the act knows the codes

Row = Mapping[str, "Kind | Row"]
RECORD = None  # a record of the mapping demande-complementaire, which refuses by itself what it does not take
HEARD: Row = {"heard_by": TEXT, "at": TEXT, "how": TEXT}
TAKES: Mapping[str, Row | None] = {
    "accept": {}, "start": {}, "decline": {"reason": TEXT}, "complete": {"outcome": TEXT, "needs": CODED, "result": TEXT},
    "progress": {"progress": TEXT}, "cancel": {"reason": TEXT}, "ask": {"question": TEXT}, "answer": {"answer": TEXT}, "message": {"text": TEXT},
    "conclude": {"need": TEXT, "days": NUMBER}, "refer": RECORD, "reorient": RECORD,
    "inform": HEARD, "confirm": HEARD, "narrow": {**HEARD, "needs": TEXTS, "until": TEXT},
    "withdraw": HEARD, "oppose": {**HEARD, "against": TEXT}, "urgency": {"reason": TEXT},
    "recognise": {**HEARD, "person": TEXT, "informed": FLAG}, "leave": {**HEARD, "person": TEXT},
    "agree": {"who": TEXT, "agreed": FLAG, **HEARD, "given_by": {"capacity": TEXT, "name": NAME}},  # one of the two agreements
    "assign": {"rdv": TEXT, "user": TEXT, "referral": TEXT},  # a parked appointment of the unit's tool, and one of its referrals
    "resolve": HEARD,  # the evidence of a conflict that a person settles
}  # fmt: skip


def check(act: str, arguments: Mapping[str, Any]) -> None:
    """Raises Invalid with all that this act does not take: a key by its place, never by its name, which may be somebody's."""
    row = TAKES[act]
    if row is not RECORD and (wrong := list(_wrong(act, arguments, row))):
        raise Invalid(wrong[0].text, issues=wrong)


def _wrong(what: str, given: Mapping[str, Any], row: Row, path: str = "") -> Iterator[Issue]:
    if unknown := [key for key in given if key not in row]:
        first = f"keys that are not known: {len(unknown)}, the first {numbered(unknown[0], given)}"
        yield Issue("structure", f"{first}; {what} takes {', '.join(row) or 'no arguments'}{_near(unknown, row)}", f"{path}?")
    for name, kind in row.items():
        if name not in given:
            continue
        if isinstance(kind, Mapping) and isinstance(given[name], Mapping):
            yield from _wrong(f"{path}{name}", given[name], kind, f"{path}{name}.")
        elif isinstance(kind, Mapping) or not kind.fits(given[name]):
            expected = f"an object of {', '.join(kind)}" if isinstance(kind, Mapping) else kind.expected
            yield Issue("structure", f"expected {path}{name} as {expected}", f"{path}{name}")


def _near(unknown: list[str], row: Row) -> str:
    most, length = COMPARED
    found = [near for key in unknown[:most] for near in get_close_matches(str(key)[:length], row, n=1)]
    return f"; did you mean {' and '.join(dict.fromkeys(found))}?" if found else ""
