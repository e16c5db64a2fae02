"""A client's entry in the network file, written beside the others with every comment kept."""

from __future__ import annotations

import json
from typing import Any

import yaml

from adapter.errors import SettingsError


def entry(fields: dict[str, Any]) -> str:
    """One line of YAML, as `{id: "ehr", scopes: ["views"]}`; what is empty is left out."""
    return "{" + ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items() if value) + "}"


def added(written: str, line: str, *, file: str) -> str:
    """The text of a network file with one client more, after the last. Raises SettingsError where its clients stand on one line."""
    clients = _clients(written)
    text = written if written.endswith("\n") else written + "\n"
    if clients is None:
        return f"{text}\nclients:\n  - {line}\n"
    if clients.flow_style or not clients.value:
        raise SettingsError(f"{file}: its clients stand on one line", variable="clients", fix=f"put this one there yourself: {line}")
    lines = text.split("\n")
    first = lines[clients.value[0].start_mark.line]
    lines.insert(_last(clients.value[-1]) + 1, f"{first[: first.index('-')]}- {line}")
    return "\n".join(lines)


def _clients(written: str) -> yaml.SequenceNode | None:
    root = yaml.compose(written, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == "clients" and isinstance(value, yaml.SequenceNode)), None)


def _last(node: yaml.Node) -> int:
    """The last line of a node: of a block its last part's, for its own end is where the next thing begins."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return int(node.end_mark.line) - (node.end_mark.column == 0)
