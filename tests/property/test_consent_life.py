"""What must hold of a Consent's life for all inputs: what `wider` calls narrower shows nothing more, whoever asks."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter.consent import wider
from adapter.ports import Ask
from tests.property.test_consent_decide import CONSTRAINTS, ask_of, asks, consents, json, resources, sets


@st.composite
def versions(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A Consent and what somebody made of it: limits set, cut, widened or taken away, status or verification changed."""
    before = draw(consents())
    if draw(st.booleans()):
        before["provision"] = {"type": "permit", **{name: value for name, value in before["provision"].items() if name in CONSTRAINTS}}
    after = copy.deepcopy(before)
    rule = after["provision"]
    for name in draw(st.lists(st.sampled_from(sorted(CONSTRAINTS)), max_size=2, unique=True)):
        match draw(st.sampled_from(["set", "cut", "drop"])):
            case "set":
                rule[name] = draw(CONSTRAINTS[name])
            case "cut" if isinstance(rule.get(name), list) and len(rule[name]) > 1:
                del rule[name][draw(st.integers(0, len(rule[name]) - 1))]
            case _:
                rule.pop(name, None)
    if draw(st.integers(0, 4)) == 0:
        after |= draw(st.sampled_from([{"status": "inactive"}, {"status": "active"}, {"verification": [{"verified": False}]}, {"modifierExtension": []}]))
    return before, after


@given(versions(), sets, asks, resources)
def test_consent_narrower_never_shows_more(pair: Any, others: Any, ask: Ask, resource: Any) -> None:
    before, after = pair
    if wider(before, after, zone="Europe/Paris"):
        return
    shown, now = ask_of([before, *others], ask, resource), ask_of([after, *others], ask, resource)
    assert shown.permit or not now.permit
    assert not now.permit or not shown.codes or (now.codes and now.codes <= shown.codes)


@given(consents() | st.dictionaries(st.text(max_size=5), json, max_size=3), consents() | st.dictionaries(st.text(max_size=5), json, max_size=3))
def test_consent_wider_never_raises_and_never_of_itself(before: Any, after: Any) -> None:
    assert wider(before, before) == ()
    assert all(isinstance(path, str) for path in wider(before, after))


def test_generated_versions_are_narrower_often_enough() -> None:
    """A guard on the generator: a property over wider versions only would prove nothing."""
    seen: list[bool] = []

    @given(versions())
    def collect(pair: Any) -> None:
        if pair[0] != pair[1]:
            seen.append(not wider(*pair))

    collect()
    assert seen.count(True) > len(seen) / 5
