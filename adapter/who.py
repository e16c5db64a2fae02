"""Who acts: the same shape for an API token and a portal session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapter.scopes import Limits, limits, meets

Act = Literal["c", "r", "u", "d", "s"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. Keys are those of the network file. `jti`: which token it came with ("" where there was none), no part of the token."""

    client: str
    organisation: str
    unit: str | None = None
    role: str = "service"  # clinic | service | officer | operator | device
    person: str | None = None
    purposes: frozenset[str] = frozenset({"TREAT"})
    scopes: frozenset[str] = frozenset()
    jti: str = ""

    def may(self, type: str, act: Act) -> bool:
        """Whether a SMART v2 system scope grants this act on this type (`system/Task.crs`, `system/*.rs`), of some at least."""
        return bool(self.limits(type, act))

    def limits(self, type: str, act: Act) -> tuple[Limits, ...]:
        """The ways in which it is granted, each with its constraints (`scopes.limits`)."""
        return limits(self.scopes, type, act)

    def limited(self, type: str, act: Act) -> bool:
        """Whether it is granted, and on some only."""
        return self.limits(type, act) not in ((), ((),))

    def reaches(self, resource: Mapping[str, Any], act: Act) -> bool:
        """Whether the act is granted on this very resource."""
        ways = self.limits(str(resource.get("resourceType")), act)
        return () in ways or meets(resource, ways)
