"""Runs decision vectors: what anyone can check against the published semantics (`liaison consent check`).

A vector is `{id, consents, request{patient, actors, purpose, action}, now, groups?, resources, complete?,
expect_visible}`; other keys are ignored. Each resource is decided by itself, without anchoring.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from adapter.consent.codes import PURPOSES_ABOVE
from adapter.consent.decide import decide
from adapter.consent.question import listed
from adapter.consent.times import span
from adapter.names import ACT_REASON
from adapter.ports import Ask


@dataclass(frozen=True, slots=True)
class Failure:
    """A vector that did not come out as expected. `why`: one line per resource, or what is wrong with the vector."""

    id: str
    expected: tuple[str, ...]
    visible: tuple[str, ...]
    why: tuple[str, ...]


def run_vectors(vectors: Any, *, zone: str = "UTC") -> tuple[int, list[Failure]]:
    """(how many passed, the failures in order). Any JSON will do: what is no vector fails with a reason.

    `zone` gives date-only values their midnight.
    """
    if not isinstance(vectors, list):
        return 0, [Failure("", (), (), ("Expected a list of vectors",))]
    passed, failures = 0, []
    for number, vector in enumerate(vectors):
        failure = _run(vector, f"#{number}", zone)
        if failure is None:
            passed += 1
        else:
            failures.append(failure)
    return passed, failures


def _run(vector: Any, number: str, zone: str) -> Failure | None:
    if not isinstance(vector, dict) or not isinstance(vector.get("expect_visible"), list):
        return Failure(number, (), (), ("Expected an object with a list expect_visible",))
    name = vector.get("id") if isinstance(vector.get("id"), str) else number
    expected = tuple(sorted(str(one) for one in vector["expect_visible"]))
    consents, now, groups = listed(vector.get("consents")), span(vector.get("now"), zone), vector.get("groups")
    if now is None:
        return Failure(str(name), expected, (), ("Expected now as a FHIR dateTime",))
    ask, members = _ask(vector.get("request"), consents), _groups(groups)
    visible, why = [], []
    for resource in listed(vector.get("resources")):
        complete = vector.get("complete", True) is True
        decision = decide(consents, (), ask, now[0], resource=resource, groups=members, zone=zone, complete=complete)
        own = str(resource.get("id")) if isinstance(resource, dict) else "?"
        visible += [own] * decision.permit
        why.append(f"{own}: {'permit' if decision.permit else 'deny'} by {decision.rule} ({decision.reason})")
    return None if tuple(sorted(visible)) == expected else Failure(str(name), expected, tuple(sorted(visible)), tuple(why))


def _ask(request: Any, consents: list[Any]) -> Ask:
    asked = request if isinstance(request, dict) else {}
    patient, action = asked.get("patient"), asked.get("action")
    return Ask(
        patient=patient if isinstance(patient, str) else "",
        actors=frozenset(one for one in listed(asked.get("actors")) if isinstance(one, str)),
        purpose=tuple(_qualified(one, consents) for one in listed(asked.get("purpose")) if isinstance(one, str)),
        action=action if isinstance(action, str) else "",  # type: ignore[arg-type]
    )


def _groups(value: Any) -> dict[str, list[Any]]:
    return {name: members for name, members in value.items() if isinstance(members, list)} if isinstance(value, dict) else {}


def _qualified(purpose: str, consents: list[Any]) -> str:
    """Vectors name purposes by code alone: v3-ActReason's where it has it, else the system that a Consent gives it."""
    if "|" in purpose or f"{ACT_REASON}|{purpose}" in PURPOSES_ABOVE:
        return purpose if "|" in purpose else f"{ACT_REASON}|{purpose}"
    systems = sorted(system for system, code in _purposes(consents) if code == purpose)
    return f"{systems[0]}|{purpose}" if systems else purpose


def _purposes(consents: list[Any]) -> Iterable[tuple[str, str]]:
    """Every (system, code) found in a `purpose` of a rule."""
    rest = [consent.get("provision") for consent in consents if isinstance(consent, dict)]
    while rest:
        rule = rest.pop()
        if isinstance(rule, list):
            rest.extend(rule)
        elif isinstance(rule, dict):
            rest.append(rule.get("provision"))
            for coding in listed(rule.get("purpose")):
                if isinstance(coding, dict) and isinstance(coding.get("system"), str) and isinstance(coding.get("code"), str):
                    yield coding["system"], coding["code"]
