"""The other side: an EHR's FHIR endpoint as the engine sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapter.ports.shapes import Resource


@dataclass(frozen=True, slots=True)
class Remote:
    """A resource as the EHR has it. `version` is "" where the EHR gives none."""

    resource: Resource
    version: str = ""

    @property
    def id(self) -> str:
        return str(self.resource.get("id", ""))


@dataclass(frozen=True, slots=True)
class Capability:
    """What an EHR says and shows it can do."""

    fhir_version: str = ""
    software: str = ""
    types: Mapping[str, frozenset[str]] = field(default_factory=dict)  # type -> interactions
    search: Mapping[str, frozenset[str]] = field(default_factory=dict)  # type -> parameters
    transactions: bool = False
    conditional_create: bool = False
    batch: bool = False


class EhrClient(Protocol):
    """One EHR endpoint. Blocking; used from job threads only. Raises EhrError and its kinds."""

    name: str

    def capability(self) -> Capability: ...
    def read(self, type: str, id: str) -> Remote | None:
        """None when the EHR says 404 or 410."""
        ...

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        """Pages, each fetched when asked for; finite whatever the EHR's links say."""
        ...

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote: ...
    def update(self, resource: Resource, *, if_match: str) -> Remote: ...
    def patch(self, type: str, id: str, operations: list[dict[str, Any]], *, if_match: str) -> Remote: ...
    def transaction(self, bundle: Resource) -> Resource: ...
