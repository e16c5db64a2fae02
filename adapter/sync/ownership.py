"""Which side owns which element: `mappings/ownership.yaml`, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import yaml

from adapter.errors import SettingsError

Side = Literal["ours", "both", "ehr"]
SIDES = ("ours", "both")


@dataclass(frozen=True, slots=True)
class Ownership:
    """The declared sides. `keys`: array element name -> the paths that identify one entry (empty: its whole
    value); `server`: paths kept by the server; `types`: resource type -> element path -> side."""

    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    server: frozenset[str] = frozenset()
    types: Mapping[str, Mapping[str, Side]] = field(default_factory=dict)

    def side(self, type: str, path: str, inherited: Side = "ehr") -> Side:
        """Who owns the element at `path` ("status", "meta.profile"); what is not named follows its parent."""
        if path in self.server:
            return "ehr"
        return self.types.get(type, {}).get(path, inherited)

    def shared(self, type: str) -> tuple[str, ...]:
        """The elements that either side may change."""
        return tuple(path for path, side in self.types.get(type, {}).items() if side == "both")


def load(path: Path | Traversable) -> Ownership:
    """The ownership file at `path` (of a folder or of the package). SettingsError when it is not there, not YAML or of
    another shape."""
    try:
        written = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} cannot be read", fix="restore mappings/ownership.yaml") from error
    return parse(written, file=path.name)


def parse(written: str, *, file: str = "ownership.yaml") -> Ownership:
    """The same of its text."""
    try:
        document = yaml.safe_load(written)
    except yaml.YAMLError as error:
        raise SettingsError(f"{file} cannot be read as YAML", fix="restore mappings/ownership.yaml") from error
    if not isinstance(document, dict) or document.get("version") != 1:
        raise SettingsError(f"{file}: expected a mapping with version: 1", fix="restore mappings/ownership.yaml")
    _only(document, {"version", "server", "keys", "types"}, file)
    return Ownership(
        keys={name: tuple(paths) for name, paths in _mapping(document, "keys", file).items()},
        server=frozenset(document.get("server", ())),
        types={type: _sides(type, sides, file) for type, sides in _mapping(document, "types", file).items()},
    )


def _sides(type: str, declared: Any, file: str) -> dict[str, Side]:
    if not isinstance(declared, dict):
        raise SettingsError(f"{file}: types.{type}: expected lists under {' and '.join(SIDES)}", fix="name the elements by side")
    _only(declared, set(SIDES), f"{file}: types.{type}")
    found: dict[str, Side] = {}
    for side in SIDES:
        for path in declared.get(side, ()):
            if path in found:
                raise SettingsError(f"{file}: types.{type}.{path}: two sides", fix="leave it under one side")
            found[path] = "ours" if side == "ours" else "both"
    return found


def _mapping(document: dict[str, Any], key: str, file: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise SettingsError(f"{file}: {key}: expected a mapping", fix="restore mappings/ownership.yaml")
    return value


def _only(mapping: dict[str, Any], known: set[str], where: str) -> None:
    for key in mapping:
        if key not in known:
            raise SettingsError(f"{where}: unknown key {key}", fix=f"use {', '.join(sorted(known))}")
