"""YAML read strictly, with the line of every key: what is wrong with a file is said as `file:line`."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from adapter.errors import SettingsError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there: twenty times as fast


class Mapped(dict[str, Any]):
    """A YAML mapping. `lines`: the line of each key."""

    lines: dict[str, int]


def fault(name: str, line: int, text: str, *, fix: str = "") -> SettingsError:
    """The error to raise for one line of one file."""
    return SettingsError(text, variable=f"{name}:{line}", fix=fix or f"mend line {line} of {name}")


def words(file: Path | Traversable) -> str:
    """The text of a file. Raises SettingsError with its line where it is no UTF-8."""
    found = file.read_bytes()
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError as error:
        raise fault(file.name, found.count(b"\n", 0, error.start) + 1, "expected text in UTF-8", fix=f"save {file.name} as UTF-8") from None


def read(text: str, *, name: str) -> Mapped:
    """The document. Raises SettingsError for YAML that cannot be read, a key said twice, or anything but a mapping."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise fault(name, mark.line + 1 if mark else 1, "expected YAML") from error
    if not isinstance(root, yaml.MappingNode):
        raise fault(name, 1, "expected a mapping")
    found = _plain(root, name, 0)
    assert isinstance(found, Mapped)
    return found


def _plain(node: yaml.Node, name: str, depth: int) -> Any:
    if depth > 20:
        raise fault(name, node.start_mark.line + 1, "expected fewer levels")
    if isinstance(node, yaml.MappingNode):
        mapped = Mapped()
        mapped.lines = {}
        for key, value in node.value:
            at = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                raise fault(name, at, "expected a plain key")
            if key.value in mapped:
                raise fault(name, at, f"{key.value} is said twice, first on line {mapped.lines[key.value]}")
            mapped[key.value], mapped.lines[key.value] = _plain(value, name, depth + 1), at
        return mapped
    if isinstance(node, yaml.SequenceNode):
        return [_plain(entry, name, depth + 1) for entry in node.value]
    return _scalar(node)


def _scalar(node: Any) -> str | int | bool | None:
    """Text, but for whole numbers, true, false and nothing. (Dates and "no" stay text.)"""
    text, plain = node.value, not node.style
    if plain and text in ("true", "false"):
        return bool(text == "true")
    if plain and text.isascii() and text.isdigit():
        return int(text)
    return None if plain and text in ("", "~", "null") else str(text)
