"""The product against a second reading of the same text: README.md says what came of it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter import consent
from tests.second import evaluator, logic, match, times
from tests.second.generator import CHOICES, Generator
from tests.second.shrink import shrunk

TRIPLES = 1_000_000 if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 20_000
CAUGHT_WITHIN = 20_000
BLOCK = 500  # triples of one seed
ZONES = ("UTC", "Europe/Paris")
OURS = sorted((Path(__file__).parents[1] / "vectors" / "consent").glob("*.json"))


def blocks(triples: int) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """(seed, zone, triples): the same ones in every run."""
    for seed in range(triples // BLOCK):
        generator = Generator(seed)
        yield seed, ZONES[seed % len(ZONES)], [generator.vector(number) for number in range(BLOCK)]


def disputed(vectors: list[dict[str, Any]], zone: str) -> list[dict[str, Any]]:
    """Those that the product decides otherwise than the second evaluator."""
    asked = [vector | {"expect_visible": evaluator.visible(vector, zone)} for vector in vectors]
    _, failures = consent.run_vectors(asked, zone=zone)
    wrong = {failure.id for failure in failures}
    return [vector for vector in vectors if vector["id"] in wrong]


def told(vector: dict[str, Any], seed: int, zone: str) -> str:
    """A disagreement as a person wants to read it: as small as it gets, with both answers."""
    small = shrunk(vector, lambda one: bool(disputed([one], zone)))
    ours = evaluator.visible(small, zone)
    _, failures = consent.run_vectors([small | {"expect_visible": ours}], zone=zone)
    theirs = [f"{line} (visible: {list(failure.visible)})" for failure in failures for line in failure.why]
    return f"seed {seed}, triple {vector['id']}, zone {zone}\n{json.dumps([small | {'expect_visible': ours}])}\nvisible by the second evaluator: {ours}; the product: {theirs}"


def test_second_agrees_with_the_product_when_triples_are_random() -> None:
    found = [(vector, seed, zone) for seed, zone, vectors in blocks(TRIPLES) for vector in disputed(vectors, zone)]
    assert not found, f"{len(found)} disagreements\n" + "\n\n".join(told(*one) for one in found[:5])


@pytest.mark.parametrize("file", OURS, ids=[file.stem for file in OURS])
def test_second_passes_every_vector_when_it_is_ours(file: Path) -> None:
    assert refuted(file) == []


@pytest.mark.shared
@pytest.mark.parametrize("name", ["pcf.json", "aidbox_labels.json"])
def test_second_passes_every_vector_when_it_is_published(name: str, shared: Path) -> None:
    assert refuted(shared / "data" / "consent" / name) == []


def refuted(file: Path) -> list[str]:
    vectors = json.loads(file.read_text("utf-8"))
    return [vector["id"] for vector in vectors if evaluator.visible(vector) != sorted(vector["expect_visible"])]


def test_generator_decides_both_ways_when_nothing_is_broken() -> None:
    answers: Counter[str] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(40):
        generator = Generator(seed)
        answers.update(evaluator.decide(vector, vector["resources"][0]) for vector in map(generator.vector, range(BLOCK)))
        seen += generator.seen
    assert 0.25 < answers["permit"] / answers.total() < 0.60
    assert answers["indeterminate"] > 100
    rare = {(what, option): seen[what, option] for what, options in CHOICES.items() for option in options if seen[what, option] < 20}
    assert rare == {}, "every choice must occur"


def nothing_inherited(parent: dict[str, Any], provision: dict[str, Any]) -> dict[str, Any]:
    return {key: provision[key] for key in evaluator.CONSTRAINTS if key in provision}


def everything_inherited(parent: dict[str, Any], provision: dict[str, Any]) -> dict[str, Any]:
    return nothing_inherited(parent, provision) | parent


def end_excluded(text: str, zone: str, _real: Callable[..., Any] = times.span) -> Any:
    found = _real(text, zone)
    return found and (found[0], found[0])


def in_utc(text: str, zone: str, _real: Callable[..., Any] = times.span) -> Any:
    return _real(text, "UTC")


def as_for_a_permit(name: str) -> tuple[Any, str, Any]:
    real = match.MATCH[name]
    return match.MATCH, name, lambda values, deny, ask: real(values, False, ask)


def ignored(name: str) -> tuple[Any, str, Any]:
    return match.MATCH, name, lambda values, deny, ask: True


def anybody_elsewhere(one: str, other: str) -> bool | None:
    return logic.split(one) == logic.split(other) if one and other else None


def first_sibling_wins(rule: Any, permits: bool, ask: Any) -> tuple[str, Any]:
    for child in rule.below:
        said, by = first_sibling_wins(child, permits, ask)
        if said:
            return said, by
    return (rule.type if evaluator.applies(rule, ask) and (permits or rule.type == "deny") else "", rule)


def shallowest_wins(rule: Any, permits: bool, ask: Any, _real: Callable[..., Any] = evaluator.outcome) -> tuple[str, Any]:
    own, _ = _real(evaluator.replace(rule, below=()), permits, ask)
    return (own, rule) if own else _real(rule, permits, ask)


BROKEN: dict[str, tuple[Any, str, Any]] = {
    "S2 any status": (evaluator, "is_in_force", lambda consent: True),
    "S2 any patient's resource": (evaluator, "of_this_patient", lambda resource, patient: True),
    "S5 end excluded": (times, "span", end_excluded),
    "S5 dates in UTC": (times, "span", in_utc),
    "S5 root period no gate": (evaluator, "holds_at", lambda period, now, zone: True),
    "S6 unknown helps a permit": (evaluator, "counts", lambda match, deny: match is not False),
    "S6 unknown defeats a deny": (evaluator, "counts", lambda match, deny: match is True),
    "S7 no groups": (match, "in_group", lambda group, ask, above: False),
    "S7 another server's id is ours": (match, "same", anybody_elsewhere),
    "S6 no profiles": (match, "profiles", lambda resource: []),
    "S8 deny not up the tree": as_for_a_permit("purpose"),
    "S9 any action": ignored("action"),
    "S10 deny ceiling reversed": (match, "at_least", lambda level, floors: level <= max(floors)),
    "S10 deny as a permit": as_for_a_permit("securityLabel"),
    "S10 a sensitivity alone is under no ceiling": (match, "V", 9),
    "S10 no children": (match, "is_kind_of", lambda code, listed: code == listed),
    "S11 deny only what is inside": as_for_a_permit("dataPeriod"),
    "S11 no authors": (match, "makers", lambda resource: iter(())),
    "S12 nothing inherited": (evaluator, "inherit", nothing_inherited),
    "S12 nothing restated": (evaluator, "inherit", everything_inherited),
    "S12 first sibling wins": (evaluator, "outcome", first_sibling_wins),
    "S12 shallowest wins": (evaluator, "outcome", shallowest_wins),
    "S13 no default": (evaluator, "is_default", lambda root, provision: False),
    "S13 every bare deny a default": (evaluator, "is_default", lambda root, provision: root.type == "deny" and not root.constraints.keys() - {"period"}),
    "S15 understood anyway": (evaluator, "may_permit", lambda consent: True),
    "S15 parts not looked at": (evaluator, "strange", lambda provision: not isinstance(provision, dict) or evaluator.is_odd(provision)),
    "S16 as deep as you like": (evaluator, "DEEPEST", 99),
    "S16 one level less": (evaluator, "DEEPEST", 4),
    **{f"{name} ignored": ignored(name) for name in match.MATCH},
}


@pytest.mark.parametrize("fault", BROKEN)
def test_second_is_caught_within_the_triples_of_ci_when_one_rule_is_broken(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, name, value = BROKEN[fault]
    if isinstance(place, dict):
        monkeypatch.setitem(place, name, value)
    else:
        for module in (place, evaluator, match):  # names are imported where they are used
            if getattr(module, name, None) is getattr(place, name) or module is place:
                monkeypatch.setattr(module, name, value)
    assert any(disputed(vectors, zone) for _, zone, vectors in blocks(CAUGHT_WITHIN))


def test_shrunk_is_small_and_still_disputed_when_a_rule_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "inherit", nothing_inherited)
    seed, zone, vector = next((seed, zone, one) for seed, zone, vectors in blocks(CAUGHT_WITHIN) for one in disputed(vectors, zone))
    small = shrunk(vector, lambda one: bool(disputed([one], zone)))
    assert disputed([small], zone) == [small]
    assert len(json.dumps(small["consents"])) < 900 < len(json.dumps(vector))
    assert "the second evaluator" in told(vector, seed, zone)
