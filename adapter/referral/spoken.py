"""The reference said on the phone: K7-42M. Four characters and a check character, of an alphabet without letters that
are misread for digits (B I O S Z) and without 0 and 1. It finds a file within a unit; it proves nothing.

With 29 symbols, a prime, and a different weight for each place, every single wrong character and every swap of two
is found. 707,281 references: two open files of one unit may still meet, so a caller offers `turn` 1, 2… then.
"""

from __future__ import annotations

import hashlib

from adapter.ports import Resource

ALPHABET = "23456789ACDEFGHJKLMNPQRTUVWXY"
_SIZE = len(ALPHABET)
_WEIGHTS = (1, 2, 3, 4, 5)  # the last one is the check character's


def spoken(seed: str, *, turn: int = 0) -> str:
    """The reference of a random id, always the same for the same seed and turn."""
    number = int.from_bytes(hashlib.sha256(f"spoken/{turn}/{seed}".encode()).digest()[:8], "big")
    places = [number // _SIZE**power % _SIZE for power in range(4)]
    total = sum(weight * place for weight, place in zip(_WEIGHTS, places, strict=False))
    check = -total * pow(_WEIGHTS[4], -1, _SIZE) % _SIZE
    return _written([*places, check])


def parse(said: str) -> str | None:
    """The reference as we write it, from what was typed (any case, spaces or dashes anywhere); None when it cannot be one."""
    symbols = [symbol for symbol in said.upper() if symbol not in " -.\u00a0"]
    if len(symbols) != 5 or any(symbol not in ALPHABET for symbol in symbols):
        return None
    places = [ALPHABET.index(symbol) for symbol in symbols]
    if sum(weight * place for weight, place in zip(_WEIGHTS, places, strict=True)) % _SIZE:
        return None
    return _written(places)


def of_task(task: Resource) -> str:
    """The spoken reference of a Task: its identifier of that kind, else made from its id."""
    for identifier in task.get("identifier", ()):
        if identifier.get("system", "").endswith("/sid/spoken"):
            return str(identifier["value"])
    return spoken(task["id"])


def _written(places: list[int]) -> str:
    text = "".join(ALPHABET[place] for place in places)
    return f"{text[:2]}-{text[2:]}"
