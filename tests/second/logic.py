"""Three values (True, False, None for "cannot be known"), trees of codes, references, and walking JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

Json = Any


def under(code: str, ancestor: str, parents: dict[str, str]) -> bool:
    """Whether `code` is `ancestor` or descends from it."""
    while code != ancestor:
        if code not in parents:
            return False
        code = parents[code]
    return True


def any3(values: Iterable[bool | None]) -> bool | None:
    values = list(values)
    return True if True in values else None if None in values else False


def all3(values: Iterable[bool | None]) -> bool | None:
    values = list(values)
    return False if False in values else None if None in values else True


def many(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [] if value is None else [value]


def inside(value: Json, skipped: tuple[str, ...] = ()) -> Iterator[dict[str, Json]]:
    """Every object in a JSON value, itself included."""
    if isinstance(value, dict):
        yield value
        parts = [part for key, part in value.items() if key not in skipped]
    else:
        parts = value if isinstance(value, list) else []
    for part in parts:
        yield from inside(part, skipped)


REFERENCE = re.compile(r"([a-z]+://\S+/)?([A-Z][A-Za-z]*/[^\s/?#|]+)", re.ASCII)


@lru_cache(maxsize=4096)
def split(reference: str) -> tuple[str, bool] | None:
    """(Type/id, whether it is at a named server); None: it names nothing that could be compared."""
    found = REFERENCE.fullmatch(reference)
    return (found[2], bool(found[1])) if found else None


def unversioned(reference: Json) -> str:
    return reference.partition("/_history/")[0] if isinstance(reference, str) else ""


def same(one: str, other: str) -> bool | None:
    """Whether two references name one thing; an id at a named server may or may not be the same id here."""
    ours, theirs = split(one), split(other)
    if one == other and one:
        return True
    if ours is None or theirs is None:
        return None
    return None if ours[0] == theirs[0] and ours[1] != theirs[1] else False


def text(reference: Json) -> str:
    """The literal reference of a Reference; "" for a contained, logical or named one."""
    found = unversioned(reference.get("reference")) if isinstance(reference, dict) else ""
    return "" if found.startswith("#") else found
