"""The matrix of recipients × data classes, and the class of every element: `mappings/views/matrix.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapter.views.document import Mapped, fault, read
from adapter.views.elements import leaves, steps_of

CLASSES = tuple(f"D{number}" for number in range(1, 14))
STRUCTURE = "structure"  # what R4 or a profile needs and what says nothing of the person
CELLS = ("Y", "y", "C", "c", "P", "s", "n", "agg", "hors")
SHOWN = ("Y", "y", "C", "c", "s")


@dataclass(frozen=True, slots=True)
class Matrix:
    """`rows`: recipient -> class -> cell. `elements`: type -> path -> (class, is status only).
    `unsafe_contact`: needs that forbid address and telephone (france.md 3.4). `words`: class -> language -> what it is."""

    rows: Mapping[str, Mapping[str, str]]
    elements: Mapping[str, Mapping[str, tuple[str, bool]]]
    unsafe_contact: frozenset[str]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def class_of(self, resource_type: str, path: str) -> tuple[str, bool] | None:
        """(class, is status only) of an element: its own line, or the nearest above it. A line with a selector speaks for
        that selector only, one without for all. None: no line, so no view may list it."""
        steps = steps_of(path)
        known = self.elements.get(resource_type, {})
        for length in range(len(steps), 0, -1):
            *above, last = [f"{step.name}[{step.selector}]" if step.selector else step.name for step in steps[:length]]
            for word in (last, last.partition("[")[0]):
                if (found := known.get(".".join([*above, word]))) is not None:
                    return found
        return None


def load_matrix(text: str, *, name: str = "matrix.yaml") -> Matrix:
    """Reads the matrix. Raises SettingsError naming file and line: a cell or class unknown, a path that R4 does not have."""
    document = read(text, name=name)
    for key in document:
        if key not in ("version", "classes", "rows", "elements", "unsafe_contact"):
            raise fault(name, document.lines[key], f"expected version, classes, rows, elements or unsafe_contact, but found {key}")
    given = _section(document, "rows", name)
    rows = {recipient: _row(cells, name, given.lines[recipient]) for recipient, cells in given.items()}
    kinds = _section(document, "elements", name)
    elements = {
        kind: {path: _class(kind, path, value, name, kinds[kind].lines[path]) for path, value in _section(kinds, kind, name).items()}
        for kind in kinds
    }
    unsafe = document.get("unsafe_contact") or []
    words = {cls: dict(texts) for cls, texts in _section(document, "classes", name).items() if isinstance(texts, Mapped)}
    return Matrix(rows, elements, frozenset(str(code) for code in unsafe), words)


def _section(document: Mapped, key: str, name: str) -> Mapped:
    section = document.get(key)
    if not isinstance(section, Mapped):
        raise fault(name, document.lines.get(key, 1), f"expected {key} as a mapping")
    return section


def _row(cells: object, name: str, line: int) -> dict[str, str]:
    words = str(cells).split()
    if len(words) != len(CLASSES) or any(word not in CELLS for word in words):
        raise fault(name, line, f"expected {len(CLASSES)} cells, each one of {' '.join(CELLS)}")
    return dict(zip(CLASSES, words, strict=True))


def _class(kind: str, path: str, value: object, name: str, line: int) -> tuple[str, bool]:
    words = str(value).split()
    if not words or words[0] not in (*CLASSES, STRUCTURE) or words[1:] not in ([], ["status"]):
        raise fault(name, line, f"expected {STRUCTURE} or D1 to D13, the latter with status where it is that only")
    try:
        exists(kind, path)
    except ValueError as error:
        raise fault(name, line, str(error)) from error
    return words[0], len(words) == 2


def exists(kind: str, path: str) -> None:
    """Raises ValueError when R4 has no such element. One wide enough to hold others is fine here."""
    try:
        leaves(kind, path)
    except ValueError as error:
        if "list the elements inside" not in str(error):
            raise
