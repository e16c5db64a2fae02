"""The oracle of sync.md 5.4: both sides converge, each resource is there once, nothing waits."""

from __future__ import annotations

from adapter.ports import Resource
from tests.unit.sync.house import House

TYPES = ("Consent", "ServiceRequest", "Task")


def converged(house: House) -> None:
    assert {state for _, state, _ in house.states()} <= {"done"}
    assert [len(alive(house, type)) for type in TYPES] == [1, 1, 1]
    assert house.conflicts() == []


def alive(house: House, type: str) -> list[Resource]:
    return [each for each in house.ehr.all(type) if each.get("status") != "entered-in-error"]


def drained(house: House, *, turns: int = 20) -> None:
    """Pushes until nothing is open any more, however long it takes on the clock."""
    for _ in range(turns):
        house.push().drain()
        house.later(minutes=20)


def converged_all(house: House, requests: int) -> None:
    assert {state for _, state, _ in house.states()} == {"done"}
    assert len(house.ehr.all("ServiceRequest")) == requests
