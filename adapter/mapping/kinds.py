"""`type:` words of a document and what they need beside them; closed choices and code tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from adapter.mapping.amounts import number, yes_or_no
from adapter.mapping.context import Run
from adapter.mapping.document import Node, Scalar, Tree, as_list, as_text, as_tree, as_whole, fault, nearest
from adapter.mapping.numbers import nir, phone, rpps, text
from adapter.mapping.terms import Table, Terms
from adapter.mapping.times import calendar_date, instant
from adapter.mapping.values import Kind, Unfit, clean, line, name, token

_PARAMETERS: Mapping[str, frozenset[str]] = {
    "id": frozenset(),
    "key": frozenset(),
    "name": frozenset(),
    "line": frozenset({"most"}),
    "text": frozenset({"most"}),
    "email": frozenset(),
    "phone": frozenset(),
    "postcode": frozenset(),
    "commune": frozenset(),
    "nir": frozenset(),
    "rpps": frozenset(),
    "number": frozenset({"most"}),
    "count": frozenset({"most"}),
    "bool": frozenset(),
    "date": frozenset({"precision", "latest"}),
    "instant": frozenset({"latest"}),
    "choice": frozenset({"of", "map", "absent"}),
    "code": frozenset({"table", "map", "absent"}),
}
ALL_PARAMETERS = frozenset[str]().union(*_PARAMETERS.values())


def kind_of(spec: Tree, terms: Terms) -> Kind:
    """The kind a field declares. Raises MappingError naming file and line."""
    word = as_text(spec.need("type"), "type")
    if word not in _PARAMETERS:
        raise fault(spec.places["type"], f"unknown type {word!r}{nearest(word, _PARAMETERS)}")
    for key in ALL_PARAMETERS - _PARAMETERS[word]:
        if key in spec.entries:
            raise fault(spec.places[key], f"the type {word!r} does not take {key!r}")
    if word == "code":
        return _code(spec, terms)
    if word == "choice":
        return _choice(spec)
    if word in ("date", "instant"):
        return _time(word, spec)
    if word in ("number", "count"):
        return number(as_whole(spec.need("most"), "most") if spec.get("most") else None, whole=word == "count")
    if word in ("line", "text"):
        most = as_whole(spec.need("most"), "most") if spec.get("most") else (200 if word == "line" else 4000)
        return line(most) if word == "line" else text(most)
    return _SIMPLE[word]()


_SIMPLE: dict[str, Callable[[], Kind]] = {
    "id": lambda: token(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}", "an identifier of letters, digits and . _ : / -", most=100),
    "key": lambda: token(r"[A-Za-z0-9.-]{1,64}", "a key of the network file"),
    "email": lambda: token(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address", most=200),
    "postcode": lambda: token(r"[0-9]{5}", "a post code of 5 digits"),
    "commune": lambda: token(r"(?:[0-9]{2}|2[AB])[0-9]{3}", "an INSEE code of a commune"),
    "name": name,
    "phone": phone,
    "nir": nir,
    "rpps": rpps,
    "bool": yes_or_no,
}


def _time(word: str, spec: Tree) -> Kind:
    latest = as_text(spec.need("latest"), "latest") if spec.get("latest") else ""
    if latest not in ("", "now"):
        raise fault(spec.places["latest"], "latest: only `now` is known")
    if word == "instant":
        return instant(latest)
    precision = as_text(spec.need("precision"), "precision") if spec.get("precision") else "day"
    if precision not in ("year", "month", "day"):
        raise fault(spec.places["precision"], "precision: expected year, month or day")
    return calendar_date(precision, latest)


def _pairs(spec: Tree, known: Callable[[str], bool], of: str, words: Any) -> dict[str, str]:
    """`map:` word → our code, each code known."""
    pairs: dict[str, str] = {}
    node = spec.get("map")
    for word, code in as_tree(node, "map").entries.items() if node else ():
        value = as_text(code, f"map.{word}")
        if not known(value):
            raise fault(code, f"{value!r} is not in {of}{nearest(value, words)}")
        pairs[unicodedata.normalize("NFC", word)] = value
    return pairs


def _absent(spec: Tree) -> frozenset[str]:
    node = spec.get("absent")
    return frozenset(as_text(entry, "absent") for entry in as_list(node, "absent")) if node else frozenset()


def _choice(spec: Tree) -> Kind:
    """`of:` the words themselves, or `map:` the sender's words and ours."""
    node: Node | None = spec.get("of")
    words = [as_text(entry, "of") for entry in as_list(node, "of")] if node else []
    pairs = {word: word for word in words} | _pairs(spec, lambda _: True, "", ())
    if not pairs:
        raise fault(spec, "a choice needs `of` or `map`")
    return _closed(pairs, _absent(spec), lambda typed: f"expected one of: {', '.join(pairs)}")


def _code(spec: Tree, terms: Terms) -> Kind:
    key = as_text(spec.need("table"), "table")
    table = terms.get(key)
    if table is None:
        raise fault(spec.places.get("table", spec.place), f"no code table {key!r} in terms/{nearest(key, terms.tables)}")
    choosable = {code: code for code, term in table.terms.items() if not term.abstract}
    mapped = _by_property(spec, table) if isinstance(spec.get("map"), Scalar) else _pairs(spec, choosable.__contains__, f"the table {key!r}", choosable)
    # the sender's own words come first, so that the way back writes them
    words = mapped | choosable
    elsewhere = {fold(word): f"{each.fr} {each.en}" for each in table.elsewhere for word in each.words}
    return _closed(words, _absent(spec), lambda typed: elsewhere.get(fold(typed)) or f"expected a code of the table {key!r}{nearest(typed, words)}")


def _by_property(spec: Tree, table: Table) -> dict[str, str]:
    """`map: inclusion`: the sender's words are what the table says under that property. A word of several codes means the first."""
    word = as_text(spec.need("map"), "map")
    if word not in table.properties:
        raise fault(spec.places.get("map", spec.place), f"the table {table.key!r} has no property {word!r}{nearest(word, table.properties)}")
    pairs: dict[str, str] = {}
    for code, term in table.terms.items():
        said = term.properties.get(word, [])
        for each in said if isinstance(said, list) else [said]:
            if not term.abstract:
                pairs.setdefault(unicodedata.normalize("NFC", str(each)), code)
    return pairs


def fold(word: str) -> str:
    """A word without case, accents, typographic apostrophes and doubled blanks, for forgiving look-ups."""
    flat = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    return " ".join("".join(char for char in flat if not unicodedata.combining(char)).split())


def _closed(pairs: Mapping[str, str], absent: frozenset[str], expected: Callable[[str], str]) -> Kind:
    folded: dict[str, str] = {}
    for word, code in pairs.items():
        folded.setdefault(fold(word), code)
    nothing = frozenset(fold(word) for word in absent)
    back: dict[str, str] = {}
    for word, code in pairs.items():
        back.setdefault(code, word)
    yes_no = {"oui", "non"} <= set(pairs) | absent

    def read(value: object, run: Run, path: str, place: str) -> str | None:
        if type(value) is str and (code := pairs.get(value)) is not None:
            return code
        if yes_no and isinstance(value, bool):
            value = "oui" if value else "non"
        typed = clean(value, 200)
        if typed is None or (flat := fold(typed)) in nothing:
            return None
        code = folded.get(flat)
        if code is None:
            raise Unfit(expected(flat), "code-invalid")
        return code

    def write(value: str, run: Run) -> Any:
        return back.get(value, value)

    return Kind(read, write)
