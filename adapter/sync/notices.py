"""A notification as it came: what the R5 backport (1.1.0) says in its Bundle, or nothing at all (R4 rest-hook).

Read without trust: whatever is not as expected is as if it were not there, and what is left is a call to look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from adapter.clock import instant_of
from adapter.dossier import split
from adapter.ehr.answers import is_id

LONGEST = 64 << 10  # bytes; one that names ids only is shorter
MOST = 200  # events of one notification
KINDS = ("handshake", "heartbeat", "event-notification")


@dataclass(frozen=True, slots=True)
class Notice:
    """`kind`: one of KINDS; `ids`: what changed, of the type asked for; `marks`: a short digest of each event, by which it is known when
    it comes again; `sent`: when, as it says."""

    kind: str = "event-notification"
    ids: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    sent: datetime | None = None


def read(body: bytes, *, type: str) -> Notice:
    """Never raises. A body that is none, or no notification, is an event that says nothing."""
    if not body or len(body) > LONGEST:
        return Notice()
    try:
        bundle = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Notice()
    entries = _list(bundle, "entry")
    status = next((part for each in entries[:1] if isinstance(each, dict) and isinstance(part := each.get("resource"), dict)), {})
    said = {str(each.get("name")): each.get("valueCode") for each in _parts(status, "parameter")}
    events = [each for each in _parts(status, "parameter") if each.get("name") == "notification-event"][:MOST]
    kind = said.get("type") if said.get("type") in KINDS else "event-notification"
    ids = dict.fromkeys(id for each in events for found, id in map(_focus, _parts(each, "part")) if found == type and is_id(id))
    marks = tuple(hashlib.sha256(orjson.dumps(each, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16] for each in events)
    return Notice(str(kind), tuple(ids), marks, instant_of(str(bundle.get("timestamp", ""))) if isinstance(bundle, dict) else None)


def _focus(part: dict[str, Any]) -> tuple[str, str]:
    """(type, id) of the reference, wherever it says that it stands: it is looked for at the EHR of this subscription alone."""
    value = part.get("valueReference") if part.get("name") == "focus" else None
    reference = str(value.get("reference", "")) if isinstance(value, dict) else ""
    return split("/".join(reference.partition("/_history/")[0].split("/")[-2:]))


def _parts(owner: Any, name: str) -> Iterator[dict[str, Any]]:
    return (each for each in _list(owner, name) if isinstance(each, dict))


def _list(owner: Any, name: str) -> list[Any]:
    found = owner.get(name) if isinstance(owner, dict) else None
    return found if isinstance(found, list) else []
