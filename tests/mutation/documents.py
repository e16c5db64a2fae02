"""The mutants of a YAML document: each entry dropped, each value flipped. Comments and layout are lost, the content is not:
what is read is JSON, which is YAML too and made a hundred times as fast."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.mutation.mutants import Mutant, numbered


def of_yaml(path: Path, name: str) -> Iterator[Mutant]:
    document = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return numbered(_mutants(document, document, "document", name))


def _mutants(document: Any, node: Any, place: str, name: str) -> Iterator[Mutant]:
    """Each is made in the document itself, written down, and undone."""
    for key, child in list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()):
        label = f"{place}[{key}]" if isinstance(node, list) else f"{place}.{key}".removeprefix("document.")
        yield Mutant(name, label, _said(child), "(dropped)", _dropped(document, node, key), "table")
        if (flipped := _flipped(child)) is not None:
            node[key] = flipped
            text = _written(document)
            node[key] = child
            yield Mutant(name, label, _said(child), _said(flipped), text, "table")
        yield from _mutants(document, child, label, name)


def _dropped(document: Any, node: Any, key: Any) -> str:
    if isinstance(node, list):
        kept = list(node)
        del node[key]
        text = _written(document)
        node[:] = kept
        return text
    entries = dict(node)
    del node[key]
    text = _written(document)
    node.clear()
    node.update(entries)
    return text


def _flipped(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return f"XX{value}"
    return None


def _written(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)


def _said(value: Any) -> str:
    text = value if isinstance(value, str) else _written(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
