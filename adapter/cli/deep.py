"""Reads JSON however deep it is nested: a file of vectors may hold one that is there to be refused."""

from __future__ import annotations

import json
from typing import Any

_SPACE = " \t\n\r"


def _integer(text: str) -> int | float:
    """Of more digits than the interpreter takes (4,300), what is left of it as a number of limited precision."""
    try:
        return int(text)
    except ValueError:
        return float(text)


_READER = json.JSONDecoder(parse_int=_integer)


def load(body: bytes) -> Any:
    """The JSON value in some bytes. Raises ValueError when they are none."""
    text = body.decode(json.detect_encoding(body))
    try:
        return _READER.decode(text)
    except RecursionError:
        return _walk(text)


def _walk(text: str) -> Any:
    """By a stack of its own. `wanted`: what may come next; (") for a key, (v) for a value, (]) for the end of what is open."""
    root: list[Any] = []
    opened: list[Any] = [root]
    keys: list[str] = []
    wanted, at = "v", 0
    while not (len(opened) == 1 and root):
        at = _past_space(text, at)
        sign, inside = text[at : at + 1], opened[-1]
        value: Any = None
        if sign not in tuple("[]{},:"):
            value, end = _READER.raw_decode(text, at)
            sign, at = '"' if sign == '"' else "", end
        else:
            at += 1
        if sign in ("]", "}") and "]" in wanted and sign == ("}" if isinstance(inside, dict) else "]"):
            opened.pop()
            wanted = ",]"
        elif sign in (",", ":") and sign in wanted:
            wanted = '"' if sign == "," and isinstance(inside, dict) else "v"
        elif sign == '"' and '"' in wanted:
            keys.append(value)
            wanted = ":"
        elif sign not in ("]", "}", ",", ":") and "v" in wanted:
            value = {"{": {}, "[": []}.get(sign, value)
            if isinstance(inside, dict):
                inside[keys.pop()] = value
            else:
                inside.append(value)
            opened += [value] if sign in ("{", "[") else []
            wanted = {"{": '"]', "[": "v]"}.get(sign, ",]")
        else:
            raise ValueError("expected JSON")
    if _past_space(text, at) < len(text):
        raise ValueError("expected one JSON value")
    return root[0]


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
