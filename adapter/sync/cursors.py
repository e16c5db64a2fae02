"""How far the pull of an EHR has come, and how its last try went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from adapter.clock import instant
from adapter.sync.canonical import moment


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a search has come: `watermark` in the EHR's time, `ran` in ours; `swept`: when everything was last shown, in ours."""

    watermark: datetime | None = None
    ran: datetime | None = None
    swept: datetime | None = None

    def encode(self) -> bytes:
        return json.dumps({name: _text(getattr(self, name)) for name in ("watermark", "ran", "swept")}).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Cursor:
        stored = json.loads(value) if value else {}
        return cls(*(moment(stored.get(name) or "") for name in ("watermark", "ran", "swept")))


@dataclass(frozen=True, slots=True)
class Tried:
    """The last run at one EHR: when it ended, and with which error ("" for none); how many failed in a row, and until when it is
    left alone for that."""

    at: datetime | None = None
    error: str = ""
    misses: int = 0
    rests: datetime | None = None

    def encode(self) -> bytes:
        return json.dumps({"at": _text(self.at), "error": self.error, "misses": self.misses, "rests": _text(self.rests)}).encode()

    @classmethod
    def decode(cls, value: bytes | None) -> Tried:
        stored = json.loads(value) if value else {}
        return cls(moment(stored.get("at") or ""), str(stored.get("error", "")), int(stored.get("misses", 0)), moment(stored.get("rests") or ""))


def cursor_name(ehr: str, type: str, by: str = "") -> str:
    """Under which name a cursor is kept; `by`: of a search that is not by our identifiers."""
    return "/".join(part for part in ("pull", ehr, type, by) if part)


def tried_name(ehr: str) -> str:
    """Under which name the last run is kept."""
    return f"pull-tried/{ehr}"


def _text(at: datetime | None) -> str | None:
    return instant(at) if at else None
