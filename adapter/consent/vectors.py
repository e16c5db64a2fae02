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


def are_vectors(document: Any) -> bool:
    """Whether a JSON document is a list of vectors: one entry at least says what is to be visible. (Others fail, each by itself.)"""
    return isinstance(document, list) and (not document or any(_is_vector(one) for one in document))


def _is_vector(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("expect_visible"), list)


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
    if not _is_vector(vector):
        return Failure(number, (), (), ("Expected an object with a list expect_visible",))
    name = _text(vector.get("id")) or number
    if not all(isinstance(one, str) for one in vector["expect_visible"]):
        return Failure(name, (), (), ("Expected ids, as text, in expect_visible",))
    expected = tuple(sorted(vector["expect_visible"]))
    now = span(vector.get("now"), zone)
    if now is None:
        return Failure(name, expected, (), ("Expected now as a FHIR dateTime",))
    consents, groups = listed(vector.get("consents")), _groups(vector.get("groups"))
    ask, complete = _ask(vector.get("request"), consents), vector.get("complete", True) is True
    visible, why = [], []
    for resource in listed(vector.get("resources")):
        decision = decide(consents, (), ask, now[0], resource=resource, groups=groups, zone=zone, complete=complete)
        own = _text(resource.get("id")) if isinstance(resource, dict) else ""
        visible += [own] * decision.permit
        by = f", by {', '.join(decision.versions)}" if decision.versions else ""
        why.append(f"{own or '(no id)'}: {'permit' if decision.permit else 'deny'}, {decision.rule} ({decision.reason}){by}")
    return None if tuple(sorted(visible)) == expected else Failure(name, expected, tuple(sorted(visible)), tuple(why))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _ask(request: Any, consents: list[Any]) -> Ask:
    """What cannot be read of an ask is kept as "": no patient, no action, and a purpose that nothing covers."""
    asked = request if isinstance(request, dict) else {}
    return Ask(
        patient=_text(asked.get("patient")),
        actors=frozenset(one for one in listed(asked.get("actors")) if isinstance(one, str)),
        purpose=tuple(_qualified(_text(one), consents) for one in listed(asked.get("purpose"))),
        action=_text(asked.get("action")),  # type: ignore[arg-type]
    )


def _groups(value: Any) -> dict[str, list[Any]]:
    return {name: members for name, members in value.items() if isinstance(members, list)} if isinstance(value, dict) else {}


def _qualified(purpose: str, consents: list[Any]) -> str:
    """Vectors name purposes by code alone: v3-ActReason's, unless only a Consent's own system has it."""
    if not purpose or "|" in purpose:
        return purpose
    usual = f"{ACT_REASON}|{purpose}"
    systems = () if usual in PURPOSES_ABOVE else sorted(system for system, code in _purposes(consents) if code == purpose)
    return f"{systems[0]}|{purpose}" if systems else usual


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
