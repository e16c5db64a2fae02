"""Seeded mutations of resources: one small fault each, the kind that senders make."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

Place = tuple[Any, ...]

BAD_TEXTS = (
    "2026-02-30",
    "2026-13-01",
    "2026-03-02T18:50:00",
    "2026-3-2",
    "0000",
    "20260302",
    "24:00:00",
    " padded ",
    "two  spaces",
    "a b",
    "nonsense",
    "x" * 300,
    "",
    "http://",
    "urn:oid:9",
    "urn:uuid:nope",
    "é",
    "Patient",
    "Nobody/1",
    "#nobody",
    "true",
    "2.5",
    "-1",
    "\u0000",
)
BAD_NUMBERS = (-1, 0, 2.5, 2**31, 10**40, 1e300, True)
WRONG_KINDS = (None, True, 7, 2.5, "text", [], {}, [[]], ["text"], {"text": "x"}, [{}], [None])
PYTHON_NAMES = ("for_fhir", "class_fhir", "resource_type", "fhir_comments", "status__ext", "foo", "_foo", "resourceType", "id ", "")


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value below the root, with the way to it."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield (*place, step), member
        yield from places(member, (*place, step))


def parent(resource: Any, place: Place) -> Any:
    for step in place[:-1]:
        resource = resource[step]
    return resource


def drop(chance: random.Random, resource: Any, place: Place, _: Any) -> None:
    del parent(resource, place)[place[-1]]


def wrong_kind(chance: random.Random, resource: Any, place: Place, _: Any) -> None:
    parent(resource, place)[place[-1]] = copy.deepcopy(chance.choice(WRONG_KINDS))


def bad_value(chance: random.Random, resource: Any, place: Place, value: Any) -> None:
    pool = BAD_TEXTS if isinstance(value, str) else BAD_NUMBERS
    parent(resource, place)[place[-1]] = chance.choice(pool)


def extra_member(chance: random.Random, resource: Any, place: Place, value: Any) -> None:
    target = value if isinstance(value, dict) else resource
    target[chance.choice(PYTHON_NAMES)] = copy.deepcopy(chance.choice(("x", {"text": "x"}, [])))


def listed(chance: random.Random, resource: Any, place: Place, value: Any) -> None:
    parent(resource, place)[place[-1]] = value[0] if isinstance(value, list) and value else [value]


def doubled(chance: random.Random, resource: Any, place: Place, value: Any) -> None:
    """Repeats an array's items, or gives a choice a second time."""
    if isinstance(value, list):
        value.extend(copy.deepcopy(value))
    else:
        name = str(place[-1])
        stem = next(
            (
                s
                for s in ("value", "occurrence", "source", "effective", "performed", "deceased", "onset", "multipleBirth")
                if name.startswith(s)
            ),
            "value",
        )
        owner = parent(resource, place)
        (owner if isinstance(owner, dict) else resource)[stem + chance.choice(("String", "Boolean", "DateTime", "Period", "Reference"))] = (
            "2026"
        )


def renamed(chance: random.Random, resource: Any, place: Place, value: Any) -> None:
    owner = parent(resource, place)
    if isinstance(owner, dict):
        other = chance.choice((f"_{place[-1]}", f"{place[-1]}_fhir", str(place[-1]).upper(), f"{place[-1]}s"))
        owner[other] = owner.pop(place[-1])


def sibling(chance: random.Random, resource: Any, place: Place, _: Any) -> None:
    owner = parent(resource, place)
    if isinstance(owner, dict):
        faults: tuple[Any, ...] = ({}, {"id": "a"}, {"extension": []}, {"extension": [{"url": "http://x"}]}, [None], "x", {"foo": 1}, None)
        owner[f"_{place[-1]}"] = copy.deepcopy(chance.choice(faults))


def contain(chance: random.Random, resource: Any, place: Place, _: Any) -> None:
    inner: tuple[Any, ...] = (
        {"resourceType": "Nonsense"},
        {"resourceType": "Patient", "gender": "x"},
        {"id": "a"},
        {"resourceType": ["Patient"]},
        {"resourceType": "Patient", "birthDate": "2026-02-30"},
        {"resourceType": "Medication"},
        "x",
        None,
    )
    resource["contained"] = [copy.deepcopy(chance.choice(inner))]


OPERATORS: tuple[Callable[[random.Random, Any, Place, Any], None], ...] = (
    drop,
    wrong_kind,
    bad_value,
    bad_value,
    bad_value,
    extra_member,
    listed,
    doubled,
    renamed,
    sibling,
    contain,
)


def mutants(resources: list[dict[str, Any]], *, seed: int, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """`count` mutants as (what was done where, resource); every third has a second fault."""
    chance = random.Random(seed)
    for number in range(count):
        mutant = copy.deepcopy(chance.choice(resources))
        done = []
        for _ in range(1 + (number % 3 == 2)):
            place, value = chance.choice([p for p in places(mutant) if p[0] != ("resourceType",)])
            operator = chance.choice(OPERATORS)
            operator(chance, mutant, place, value)
            done.append(f"{operator.__name__} at {'.'.join(map(str, place))}")
        yield "; ".join(done), mutant
