"""What an EHR said has changed and nobody has asked it for yet: types, and the EHR's ids where it named some.

Nothing of a notification is believed. It makes the next run of the pull ask for that type, and read those ids, sooner than it would
by itself; a lost one is made good by the poll, a repeated one changes nothing (sync.md Y-13, Y-14).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import orjson

from adapter.ports import Uow

MOST = 200  # ids of a type; of more the search alone tells
SOONEST = timedelta(seconds=10)  # between two searches of a type, however often the EHR calls


def heard(uow: Uow, ehr: str) -> dict[str, list[str]]:
    """What is still to be asked for."""
    return {type: entry["ids"] for type, entry in _load(uow, ehr).items()}


def note(uow: Uow, ehr: str, type: str, ids: Collection[str]) -> bool:
    """A notification came. False when all it says was noted before and is still to be asked for: then nothing is written."""
    kept = _load(uow, ehr)
    before = kept.get(type, {"ids": [], "taken": True})
    known = list(dict.fromkeys([*before["ids"], *ids]))[:MOST]
    if not before["taken"] and known == before["ids"]:
        return False
    _keep(uow, ehr, {**kept, type: {"ids": known, "taken": False}})
    return True


def take(uow: Uow, ehr: str, types: Collection[str]) -> dict[str, list[str]]:
    """What of these types a run asks for now. What is said from here on is for the next."""
    kept = _load(uow, ehr)
    mine = {type: entry["ids"] for type, entry in kept.items() if type in types}
    if mine:
        _keep(uow, ehr, {type: {**entry, "taken": type in mine or entry["taken"]} for type, entry in kept.items()})
    return mine


def done(uow: Uow, ehr: str, types: Collection[str]) -> None:
    """The run that took them came to its end; one that did not leaves them to the next."""
    kept = _load(uow, ehr)
    left = {type: entry for type, entry in kept.items() if type not in types or not entry["taken"]}
    if left != kept:
        _keep(uow, ehr, left)


def _load(uow: Uow, ehr: str) -> dict[str, dict[str, Any]]:
    """Type -> {ids, taken: a run has begun that asks for them}."""
    found: dict[str, dict[str, Any]] = orjson.loads(uow.kept(f"heard/{ehr}") or b"{}")
    return found


def _keep(uow: Uow, ehr: str, value: Mapping[str, object]) -> None:
    uow.keep(f"heard/{ehr}", orjson.dumps(value))
