"""Reading YAML by a table of keys, with the line of everything that is wrong, all at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml

from adapter.errors import SettingsError

T = TypeVar("T")
Field = Callable[[yaml.Node, str], Any]
FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
TRUTH = {"true": True, "false": False}


class Wrong(Exception):
    """What a field is not; caught by the reader, which knows the line."""


@dataclass(slots=True)
class Reader:
    """Collects what is wrong with `file`. Its readers take (node, path) and raise Wrong; `mapping` catches."""

    file: str
    problems: list[tuple[int, str]] = field(default_factory=list)

    def say(self, node: yaml.Node, path: str, text: str) -> None:
        self.problems.append((node.start_mark.line + 1, f"{path}: {text}" if path else text))

    def attempt(self, read: Field, node: yaml.Node, path: str) -> Any:
        """What `read` answers; None, with a problem noted, when it raises Wrong."""
        try:
            return read(node, path)
        except Wrong as wrong:
            self.say(node, path, str(wrong))
            return None

    def mapping(self, node: yaml.Node, path: str, fields: Mapping[str, Field], required: Iterable[str] = ()) -> dict[str, Any]:
        """The known keys of a mapping as keyword arguments. A wrong or absent one is noted and left out."""
        if not isinstance(node, yaml.MappingNode):
            raise Wrong(f"expected keys and values ({', '.join(fields)}), but found {kind_of(node)}")
        found: dict[str, Any] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            place = f"{path}.{key}" if path else key
            if key not in fields:
                self.say(key_node, place, "unknown key" + nearest(key, fields))
            elif key in seen:
                self.say(key_node, place, "this key is here twice")
            elif not (isinstance(value_node, yaml.ScalarNode) and value_node.tag.endswith(":null")):
                value = self.attempt(fields[key], value_node, place)
                if value is not None:
                    found[key] = value
                seen.add(key)
            else:
                seen.add(key)
                self.say(value_node, place, "expected a value, but found nothing")
        for key in required:
            if key not in seen:
                self.say(node, path, f"the key {key} is missing")
        return found

    def many(self, read: Callable[[yaml.Node, str], T | None]) -> Callable[[yaml.Node, str], tuple[T, ...]]:
        """A reader of a list; a wrong entry is noted and left out."""

        def read_all(node: yaml.Node, path: str) -> tuple[T, ...]:
            if not isinstance(node, yaml.SequenceNode):
                raise Wrong(f"expected a list, but found {kind_of(node)}")
            entries = (self.attempt(read, entry, f"{path}[{place}]") for place, entry in enumerate(node.value))
            return tuple(entry for entry in entries if entry is not None)

        return read_all

    def refuse(self) -> None:
        """Raises SettingsError with every problem, each with file and line, when there is one."""
        if self.problems:
            lines = "\n".join(f"{self.file}:{line}: {text}" for line, text in sorted(set(self.problems)))
            raise SettingsError(lines, fix=f"mend {self.file} at the lines named; the keys are those of the README's network file")


def kind_of(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "keys and values"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


def nearest(name: str, known: Iterable[str]) -> str:
    """', did you mean …?' or, when nothing is near, the names known."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(names)}"


def text(node: yaml.Node, path: str) -> str:
    """Any single value, as it is written (so 00123 keeps its zeros)."""
    if not isinstance(node, yaml.ScalarNode):
        raise Wrong(f"expected a text, but found {kind_of(node)}")
    if not node.value.strip():
        raise Wrong("expected a text, but found nothing")
    return str(node.value)


def flag(node: yaml.Node, path: str) -> bool:
    found = TRUTH.get(node.value) if isinstance(node, yaml.ScalarNode) and node.style is None else None
    if found is None:
        raise Wrong("expected true or false")
    return found


def number(low: int, high: int) -> Field:
    def read(node: yaml.Node, path: str) -> int:
        written = text(node, path)
        if not re.fullmatch(r"\d{1,9}", written) or not low <= int(written) <= high:
            raise Wrong(f"expected a whole number from {low} to {high}")
        return int(written)

    return read


def matching(pattern: str, expected: str) -> Field:
    """A text that the whole pattern fits; `expected` completes "expected …"."""

    def read(node: yaml.Node, path: str) -> str:
        written = text(node, path)
        if not re.fullmatch(pattern, written):
            raise Wrong(f"expected {expected}")
        return written

    return read


def choice(*options: str) -> Field:
    def read(node: yaml.Node, path: str) -> str:
        written = text(node, path)
        if written not in options:
            close = difflib.get_close_matches(written, options, n=1, cutoff=0.6)
            raise Wrong(f"expected one of {', '.join(options)}" + (f"; did you mean {close[0]}?" if close else ""))
        return written

    return read


def among(expected: str, known: Collection[str], otherwise: Field) -> Field:
    """One of many that another room knows; `otherwise` reads where nobody said which there are."""

    def read(node: yaml.Node, path: str) -> str:
        written = text(node, path)
        if written not in known:
            raise Wrong(f"expected {expected}{nearest(written, known)}")
        return written

    return read if known else otherwise


def key(node: yaml.Node, path: str) -> str:
    written = text(node, path)
    if not FHIR_ID.fullmatch(written):
        raise Wrong("expected a FHIR id (letters, digits, - and ., at most 64)")
    return written


def day(node: yaml.Node, path: str) -> date:
    try:
        return date.fromisoformat(text(node, path))
    except ValueError:
        raise Wrong("expected a date as 2026-03-02") from None


def seconds(node: yaml.Node, path: str) -> int:
    """900 of "15m"; s, m, h and d are known."""
    found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", text(node, path))
    if not found:
        raise Wrong("expected a duration as 30s, 15m, 2h or 1d")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]


def address(*schemes: str) -> Field:
    def read(node: yaml.Node, path: str) -> str:
        written = text(node, path)
        try:
            parts = urlsplit(written)
            _ = parts.port
        except ValueError:
            raise Wrong("expected an absolute address") from None
        if parts.scheme not in schemes or not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise Wrong(f"expected an absolute {' or '.join(schemes)} address without user, query or fragment")
        return written.rstrip("/")

    return read


def root_of(written: str, file: str) -> yaml.Node | None:
    """The one document of a YAML text as nodes. Raises SettingsError with the line where it is no YAML."""
    try:
        return yaml.compose(written, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        what = getattr(error, "problem", None) or "this is not YAML"
        raise SettingsError(f"{file}:{line}: {what}", fix=f"mend {file} at line {line}: it must be YAML, indented with spaces") from None
