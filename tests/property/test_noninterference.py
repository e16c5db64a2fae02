"""Non-interference (views.md 2.3): two stores that differ only in what a recipient may not see answer every request of
that recipient byte for byte alike, after the declared nonces (date, request id). Declared exceptions are left out of
the hidden acts: none of them sends a closing notice to the recipient.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.stage import CARSAT, COURSIER, SAAD
from tests.mutants.reveal import MUTANTS
from tests.worlds.hidden import HIDDEN, SEEN, Hidden, played
from tests.worlds.observer import TYPES, Answer, Observer
from tests.worlds.world import World, world

UNITS = {"coursier-rouen": COURSIER, "saad-portage": SAAD, "permanence-saint-eloi": CARSAT}
CASES = 50_000 if os.environ.get("LIAISON_TEST_PROFILE") == "nightly" else 500
STORED = ("Task", "ServiceRequest", "Patient", "Consent", "Provenance", "Communication")


class Told(AssertionError):
    """Something was said of a reference that the observer should not know."""


def stored(made: World) -> list[str]:
    return [f"{type}/{id}" for type in STORED for id in sorted(each["id"] for each in made.stored(type))]


@cache
def in_both(unit: str, story: str) -> tuple[str, ...]:
    """Everything that is stored under the house's own ids where nothing is hidden."""
    with world() as made:
        played(made, unit, story, ())
        return tuple(stored(made))


def each_type(references: Iterable[str], *, thorough: bool) -> list[str]:
    """One of each type; of those that the short look asks for."""
    found = {each.partition("/")[0]: each for each in references}
    return [each for type, each in found.items() if thorough or type in TYPES[:4]]


def seen(unit: str, story: str, hidden: tuple[Hidden, ...], *, thorough: bool) -> list[Answer]:
    """The answers to everything, with references of the house as guesses: those that are in both stores, and those that are in
    this one alone, of which nothing must be said but what is said of an absent one."""
    both = in_both(unit, story)
    with world() as made:
        played(made, unit, story, hidden)
        beyond = [each for each in stored(made) if each not in both]
        if told := Observer(made, unit, twin=True).unlike_absent(each_type(beyond, thorough=thorough)):
            raise Told(told)
        return Observer(made, unit).look(each_type(both, thorough=thorough), thorough=thorough)


@cache
def plain(unit: str, story: str, *, thorough: bool = True) -> list[Answer]:
    return seen(unit, story, (), thorough=thorough)


def differing(unit: str, story: str, hidden: tuple[Hidden, ...], *, thorough: bool = True) -> list[tuple[Answer, Answer]]:
    without, with_ = plain(unit, story, thorough=thorough), seen(unit, story, hidden, thorough=thorough)
    pairs = list(zip(without, with_, strict=False))
    return [pair for pair in pairs if pair[0] != pair[1]][:1] or ([] if len(without) == len(with_) else [(without[-1], with_[-1])])


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("story", SEEN)
def test_each_recipient_sees_something_in_the_plain_store(unit: str, story: str) -> None:
    answers = plain(unit, story)
    assert b"Zyxdurand" in b"".join(body for _, _, _, body in answers) or story == "offered"
    assert len({status for _, status, _, _ in answers}) >= 4


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("act", HIDDEN)
def test_no_hidden_act_alone_shows(unit: str, act: str) -> None:
    """Each once, after everything, before it and between, looked at most closely at the end; the property below mixes them."""
    for place in (0, 1, 9):
        assert differing(unit, "accepted", (Hidden(act, place),), thorough=place == 9) == []


@pytest.mark.parametrize("unit", [pytest.param(unit, marks=pytest.mark.xdist_group(f"noninterference-{unit}")) for unit in UNITS])
@settings(max_examples=-(-CASES // len(UNITS)))
@given(
    story=st.sampled_from(sorted(SEEN)),
    hidden=st.lists(st.builds(Hidden, st.sampled_from(sorted(HIDDEN)), st.integers(0, 4)), min_size=1, max_size=6).map(tuple),
)
def test_what_is_hidden_never_shows_P6(unit: str, story: str, hidden: tuple[Hidden, ...]) -> None:
    assert differing(unit, story, hidden, thorough=False) == []


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_reveal_is_caught(mutant: str) -> None:
    """Each of the patches of tests/mutants shows in the bytes of some answer."""
    with MUTANTS[mutant]():
        without = seen("coursier-rouen", "two", (), thorough=False)
        assert any(shows(act, without) for act in HIDDEN)


def shows(act: str, without: list[Answer]) -> bool:
    try:
        return seen("coursier-rouen", "two", (Hidden(act, 9),), thorough=False) != without
    except Told:
        return True
