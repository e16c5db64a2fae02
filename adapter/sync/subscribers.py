"""Who subscribed with us: what is kept of each beside its Subscription, and the letters that will tell it (SDOHCC task-2, task-6).

A letter says "look whether this subscriber is to be told of this resource", and is written for every change of a referral, seen by the
subscriber or not: what comes of it is decided when it goes. Its EHR is `hook/` and the id of the Subscription.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import orjson

from adapter.ports import Letter, Uow

State = Literal["requested", "active", "error", "off"]
LIST = "subscribers"
HOOK = "hook/"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """`asked`: searches of `type`, one of which a resource must meet; `sealed`: its headers, hex of what is enciphered; `heartbeat` in
    seconds (0: none); `begun`: when it came into force, `beat`: its last heartbeat, both instants; `events`: notifications so far;
    `failing`: since when none got through; `rests`: until when none is tried; `stamp`: changes with every word of its client."""

    id: str
    client: str
    organisation: str
    type: str
    asked: tuple[str, ...]
    kind: Literal["rest-hook", "backport"]
    topic: str
    endpoint: str
    sealed: str = ""
    end: str = ""
    heartbeat: int = 0
    state: State = "requested"
    stamp: str = ""
    begun: str = ""
    beat: str = ""
    events: int = 0
    misses: int = 0
    failing: str = ""
    rests: str = ""

    @property
    def box(self) -> str:
        """The `ehr` of its letters."""
        return HOOK + self.id


def load(uow: Uow, id: str) -> Subscriber | None:
    stored = orjson.loads(uow.kept(f"subscriber/{id}") or b"null")
    return Subscriber(**{**stored, "asked": tuple(stored["asked"])}) if stored else None


def save(uow: Uow, subscriber: Subscriber) -> None:
    """As its client wants it now. Those that may be told of something stand in one list, for every write looks there."""
    uow.alone()
    uow.keep(f"subscriber/{subscriber.id}", orjson.dumps(asdict(subscriber)))
    now = [each for each in _listed(uow) if each[0] != subscriber.id]
    wanted = [*now, [subscriber.id, subscriber.organisation, subscriber.type]] if subscriber.state in ("requested", "active") else now
    if wanted != _listed(uow):
        uow.keep(LIST, orjson.dumps(wanted))


def changed(uow: Uow, subscriber: Subscriber, **now: Any) -> bool:
    """Notes what became of it; False, and nothing, where its client has said something else meanwhile."""
    latest = load(uow, subscriber.id)
    if latest is None or latest.stamp != subscriber.stamp:
        return False
    if {"state"} <= now.keys():
        save(uow, replace(latest, **now))
    else:
        uow.keep(f"subscriber/{subscriber.id}", orjson.dumps(asdict(replace(latest, **now))))
    return True


def every(uow: Uow) -> list[Subscriber]:
    """All that may be told of something, or wait for their handshake."""
    return [found for id, _, _ in _listed(uow) if (found := load(uow, id))]


def any_at_all(uow: Uow) -> bool:
    return bool(_listed(uow))


def count(uow: Uow, organisation: str) -> int:
    return sum(each[1] == organisation for each in _listed(uow))


def post(uow: Uow, *, parties: frozenset[str], lane: str, changed: dict[str, tuple[str, int]], request_id: str) -> None:
    """Letters to the subscribers of these organisations about one referral. `changed`: type -> (id, version)."""
    for letter in _letters(uow, parties, lane, changed, request_id):
        uow.post(letter)


def _letters(uow: Uow, parties: frozenset[str], lane: str, changed: dict[str, tuple[str, int]], request_id: str) -> Iterator[Letter]:
    for id, organisation, type in _listed(uow):
        if organisation in parties and type in changed:
            about, number = changed[type]
            yield Letter(HOOK + id, lane, type, about, due=uow.at, number=number, request_id=request_id)


def drop(uow: Uow, id: str) -> None:
    """What waits for a subscriber that is not told of anything any more goes nowhere, and what it was told of is forgotten."""
    for letter in uow.letters(states=("queued", "unknown"), ehr=HOOK + id, limit=100_000):
        uow.settle(letter, state="dropped", reason="unsubscribed")
    uow.discard(f"told/{id}/")


# ── what each was told of last ───────────────────────────────────────────────────────────────────
def told(uow: Uow, subscriber: Subscriber, about: str) -> str:
    """What the subscriber could see of a resource when it was last looked at for it; "": nothing."""
    return (uow.kept(f"told/{subscriber.id}/{about}") or b"").decode()


def tell(uow: Uow, subscriber: Subscriber, about: str, seen: str) -> None:
    if told(uow, subscriber, about) != seen:
        uow.keep(f"told/{subscriber.id}/{about}", seen.encode())


def _listed(uow: Uow) -> list[list[str]]:
    found: list[list[str]] = orjson.loads(uow.kept(LIST) or b"[]")
    return found
