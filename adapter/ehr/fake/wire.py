"""What travels inside the fake: one request, one reply, one refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request below the base URL: `path` has no leading slash; header names are lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """`body`: a resource, or raw bytes when a fault says so. `None`: no body."""

    status: int
    body: Resource | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The fake says no: becomes an OperationOutcome."""

    def __init__(self, status: int, code: str, text: str, *, expression: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.expression = status, code, text, expression

    def reply(self) -> Reply:
        return Reply(self.status, outcome(self.code, self.text, expression=self.expression))


def outcome(code: str, text: str, *, expression: str = "", severity: str = "error") -> Resource:
    """An OperationOutcome of one issue. Like real servers, its diagnostics may quote what was sent."""
    issue: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": text}
    if expression:
        issue["expression"] = [expression]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def walk(value: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path, lists opened on the way."""
    if isinstance(value, list):
        for part in value:
            yield from walk(part, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        head, _, rest = path.partition(".")
        if head in value:
            yield from walk(value[head], rest)


def references(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, Reference) of every Reference with a literal `reference` inside a resource; `path` is where it stands."""
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from references(part, f"{path}[{number}]")
    elif isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield path, value
        for key, part in value.items():
            yield from references(part, f"{path}.{key}")
