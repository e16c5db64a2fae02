"""Reads JSON however deep it is nested: a file of vectors may hold one that is there to be refused."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring
from typing import Any

_TOKEN = re.compile(
    r"[ \t\n\r]*(?:(?P<sign>[][{},:])|(?P<quote>\")|(?P<word>true|false|null|NaN|-?Infinity)"
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?P<broken>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)))"
)
_WORDS = {"true": True, "false": False, "null": None}  # and, as Python reads them, NaN and the infinities


def load(body: bytes) -> Any:
    """The JSON value in some bytes. Raises ValueError when they are none."""
    text = body.decode(json.detect_encoding(body))
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        return _walk(text)


def _integer(text: str) -> int | float:
    """Of more digits than the interpreter takes (4,300), what is left of it as a number of limited precision."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _walk(text: str) -> Any:
    """By a stack of its own. `wanted`: what may come next; (") for a key, (v) for a value, (]) for the end of what is open."""
    root: list[Any] = []
    opened: list[Any] = [root]
    keys: list[str] = []
    wanted, at = "v", 0
    while not (len(opened) == 1 and root):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError("expected JSON")
        at, sign, inside = found.end(), found["sign"] or "", opened[-1]
        value: Any = None
        if found["quote"]:
            value, at = scanstring(text, at, True)
        elif not sign:
            value = _scalar(found)
        if sign in ("]", "}") and "]" in wanted and sign == ("}" if isinstance(inside, dict) else "]"):
            opened.pop()
            wanted = ",]"
        elif sign and sign in ",:" and sign in wanted:
            wanted = '"' if sign == "," and isinstance(inside, dict) else "v"
        elif found["quote"] and '"' in wanted:
            keys.append(value)
            wanted = ":"
        elif "v" in wanted and sign not in ("]", "}", ",", ":"):
            value = {"{": {}, "[": []}.get(sign, value)
            if isinstance(inside, dict):
                inside[keys.pop()] = value
            else:
                inside.append(value)
            wanted = ",]" if not sign else '"]' if sign == "{" else "v]"
            opened += [value] if sign else []
        else:
            raise ValueError("expected JSON")
    if text[at:].strip(" \t\n\r"):
        raise ValueError("expected one JSON value")
    return root[0]


def _scalar(found: re.Match[str]) -> Any:
    if found["word"]:
        return _WORDS[found["word"]] if found["word"] in _WORDS else float(found["word"])
    return float(found["number"]) if found["broken"] else _integer(found["number"])
