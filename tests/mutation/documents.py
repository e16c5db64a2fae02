"""The mutants of a YAML document: each entry dropped, each value flipped. Comments and layout are lost, the content is not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.mutation.mutants import Mutant, numbered


def of_yaml(path: Path, name: str) -> Iterator[Mutant]:
    document = yaml.safe_load(path.read_text("utf-8"))
    return numbered(_mutants(document, document, (), name))


def _mutants(document: Any, node: Any, where: tuple[Any, ...], name: str) -> Iterator[Mutant]:
    place = ".".join(map(str, where)) or "document"
    for key, child in list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()):
        here = (*where, key)
        label = f"{place}[{key}]" if isinstance(node, list) else f"{place}.{key}"
        yield Mutant(name, label, _said(child), "(dropped)", _without(document, here), "table")
        if (flipped := _flipped(child)) is not None:
            yield Mutant(name, label, _said(child), _said(flipped), _with(document, here, flipped), "table")
        yield from _mutants(document, child, here, name)


def _flipped(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"XX{value}"
    return None


def _with(document: Any, where: tuple[Any, ...], value: Any) -> str:
    changed, parent = _copied(document, where)
    parent[where[-1]] = value
    return yaml.safe_dump(changed, allow_unicode=True, sort_keys=False)


def _without(document: Any, where: tuple[Any, ...]) -> str:
    changed, parent = _copied(document, where)
    del parent[where[-1]]
    return yaml.safe_dump(changed, allow_unicode=True, sort_keys=False)


def _copied(document: Any, where: tuple[Any, ...]) -> tuple[Any, Any]:
    changed = copy.deepcopy(document)
    parent = changed
    for key in where[:-1]:
        parent = parent[key]
    return changed, parent


def _said(value: Any) -> str:
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True).replace("\n...", "").strip()
    return text if len(text) <= 60 else f"{text[:57]}…"
