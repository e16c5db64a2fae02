"""What the parts of a unit of work share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapter.ports import Link, Version
from adapter.store.codec import Codec
from adapter.store.moments import text
from adapter.store.session import Session
from adapter.store.terms import Blind


@dataclass(frozen=True, slots=True)
class Happened:
    """One audit event to be sealed: canonical bytes, the keyed digest of its patient ("" for none), and the links whose
    content this act destroys."""

    event: bytes
    person: str = ""
    erasing: tuple[int, ...] = ()


@dataclass(slots=True)
class Unit:
    """One unit of work in the transaction of `session`; `events` are the audit events it wants sealed."""

    session: Session
    at: datetime
    blind: Blind
    codec: Codec
    events: list[Happened] = field(default_factory=list)
    known: dict[tuple[str, str], Version | None] = field(default_factory=dict)  # what `current` gave, until it is written
    links: dict[tuple[str, str, str], Link | None] = field(default_factory=dict)  # the same of `link`
    remotes: dict[tuple[str, str, str], Link | None] = field(default_factory=dict)  # and of `link_by_remote`
    kept: dict[str, bytes | None] = field(default_factory=dict)  # the same of `kept`
    memo: dict[Any, Any] = field(default_factory=dict)  # what others worked out, until something is written
    revision: int | None = None  # since it was asked for

    def forget(self) -> None:
        """From here on everything is read anew."""
        for each in (self.known, self.links, self.remotes, self.kept, self.memo):
            each.clear()

    @property
    def now(self) -> str:
        """The time of this unit as stored text."""
        return text(self.at)
