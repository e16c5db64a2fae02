"""Gaps: the places of a document that its author has still to fill."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.mapping.document import Node, Scalar, Seq

GAP = "GAP"


def gaps(node: Node) -> Iterator[str]:
    """The place (file:line) of each."""
    if isinstance(node, Scalar):
        if node.value == GAP:
            yield node.place
    elif isinstance(node, Seq):
        for each in node.entries:
            yield from gaps(each)
    else:
        for key, each in node.entries.items():
            if key == GAP:
                yield node.places[key]
            yield from gaps(each)
