"""Allow-list soundness, idempotence and monotonicity of projections (views.md 2.3) for generated resources."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter.views import Facts, card, etag, project
from adapter.views.elements import ELEMENTS, leaves
from adapter.views.view import Branch, View
from tests.unit.views.looks import NEEDS, SYSTEMS, VIEWS, author, facts, needs, paths

SECRET = "secret-7c1e"
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(), "integer": st.integers(0, 9), "positiveInt": st.integers(1, 9), "unsignedInt": st.integers(0, 9),
    "decimal": st.floats(0, 9), "date": st.just("1938-02-03"), "dateTime": st.just("2026-03-06T18:50:00+01:00"), "instant": st.just("2026-03-06T18:50:00Z"),
}  # fmt: skip
words = st.sampled_from(["a", "b", "phone", "usual", "Durand"])
codings = st.one_of(
    st.sampled_from(sorted(NEEDS)).map(lambda code: {"system": SYSTEMS.code("need"), "code": code}),
    st.sampled_from(["constraint", "situation", "outcome", "x"]).map(lambda table: {"system": SYSTEMS.code(table), "code": "a"}),
    st.just({"system": "http://snomed.info/sct", "code": "1"}), st.just({"code": "a"}),
)  # fmt: skip
references = st.one_of(
    st.tuples(st.sampled_from([*sorted(ELEMENTS), "Condition"]), st.sampled_from(["1", "2", "raw-id"])).map("/".join),
    st.sampled_from(["#in", "urn:uuid:1", "https://x/Patient/1", "", "Patient"]),
)  # fmt: skip
extensions = st.lists(st.just({"url": f"urn:{SECRET}", "valueString": SECRET, "extension": [{"url": "x", "valueCode": SECRET}]}), min_size=1, max_size=1)


@st.composite
def objects(draw: st.DrawFn, owner: str, prefix: str = "", depth: int = 3) -> dict[str, Any]:
    """Some elements of a type, of any shape R4 allows, with extensions and `_x` siblings among them."""
    own = {name: kind for name, kind in ELEMENTS[owner].items() if name.rpartition(".")[0] == prefix}
    chosen = draw(st.lists(st.sampled_from(sorted(own)), max_size=4, unique=True))
    made: dict[str, Any] = {}
    for name in chosen:
        value = draw(values(owner, name, own[name], depth))
        made[name.rpartition(".")[2]] = [value] if draw(st.booleans()) else value
    if draw(st.booleans()):
        made["extension"] = draw(extensions)
    if draw(st.booleans()) and made:
        made[f"_{draw(st.sampled_from(sorted(made)))}"] = {"extension": draw(extensions)}
    if draw(st.integers(0, 3)) == 0:
        made[draw(st.sampled_from(["newElement", "display", "text", "comment"]))] = SECRET
    return made


@st.composite
def values(draw: st.DrawFn, owner: str, name: str, kind: str, depth: int) -> Any:
    if kind == "Coding":
        return {**draw(codings), **({"display": SECRET} if draw(st.booleans()) else {})}
    if kind == "Reference":
        return {"reference": draw(references), **({"display": SECRET} if draw(st.booleans()) else {})}
    if kind == "BackboneElement" and depth:
        return draw(objects(owner, name, depth - 1))
    if kind in ELEMENTS and depth:
        return draw(objects(kind, "", depth - 1))
    return draw(PRIMITIVES.get(kind, words))


@st.composite
def resources(draw: st.DrawFn, view: View) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(view.trees)))
    whole: dict[str, Any] = {"resourceType": kind, "id": draw(st.sampled_from(["1", "raw-id"])), **draw(objects(kind))}
    listed = [rule.path for of, rule in view.rules if of == kind and rule.path != "id"]
    for path in draw(st.lists(st.sampled_from(listed), min_size=4, max_size=10)) if listed else []:
        _put(whole, kind, path, draw)
    if kind == "Communication" and draw(st.booleans()):
        whole["sender"] = {"reference": "Organization/1"}
    if draw(st.booleans()):
        whole["contained"] = [{"resourceType": "Basic", "id": "in", "code": {"text": SECRET}}]
    if draw(st.booleans()):
        whole["meta"] = {"versionId": SECRET, "profile": ["http://hl7.org/p"], "tag": [{"system": SECRET, "code": SECRET}]}
    return whole


def _put(whole: dict[str, Any], kind: str, path: str, draw: st.DrawFn) -> None:
    """A value at a listed path, so that something does come out."""
    for leaf in leaves(kind, path):
        node: Any = whole
        for step in leaf.steps[:-1]:
            held = node.get(step.name)
            held = held[0] if isinstance(held, list) and held else held
            if not isinstance(held, dict):
                held = node[step.name] = {}
            node = held
        last = leaf.steps[-1].name
        if leaf.types[-2:-1] == ("Reference",):
            node[last] = draw(references)
        elif "Coding" in leaf.types[-2:-1]:
            node.update(draw(codings))
        else:
            node[last] = draw(PRIMITIVES.get(leaf.types[-1], words))


def allowed(tree: dict[str, list[Branch]], prefix: str = "") -> set[str]:
    found = set()
    for name, branches in tree.items():
        for branch in branches:
            path = f"{prefix}.{name}" if prefix else name
            found |= {path} if branch.rule else allowed(branch.children, path)
    return found


ADDED = {"resourceType", "meta.tag.system", "meta.tag.code", "meta.profile"}  # what a projection puts there itself
ALLOWED = {(name, kind): allowed(tree) | ADDED for name, view in VIEWS.items() for kind, tree in view.trees.items()}
views = st.sampled_from(sorted(VIEWS))
shown_needs = st.lists(st.sampled_from(sorted(NEEDS)), min_size=1, max_size=3, unique=True)
stages = st.sampled_from(["open", "open", "open", "offer", "closed"])
bases = st.sampled_from(["consent", "consent", "consent", "author", "self", "team"])
demanded = st.sets(st.sampled_from([f"D{number}" for number in range(1, 14)])).map(frozenset)


class Seen:
    """A view, a resource and the facts of one look; short when it is printed."""

    def __init__(self, view: View, resource: dict[str, Any], look: Facts) -> None:
        self.view, self.resource, self.look = view, resource, look

    def __repr__(self) -> str:
        look = self.look
        return f"<{self.view.name} {look.stage} {look.basis} needs {look.needs} asked {look.asked} tick {look.tick} {self.resource}>"

    def through(self, resource: dict[str, Any] | None = None, **more: Any) -> dict[str, Any] | None:
        return project(self.resource if resource is None else resource, self.view, facts=replace(self.look, **more))


@st.composite
def looks(draw: st.DrawFn) -> Seen:
    view = VIEWS[draw(views)]
    codes, more = draw(shown_needs), draw(shown_needs)
    look = facts(
        *codes, asked=needs(*codes, *more), stage=draw(stages), basis=draw(bases), demanded=draw(demanded), tick=draw(st.booleans()),
        pairwise=lambda type, id: id if id.startswith("pw-") else f"pw-{type}-{id}", parties=frozenset({"Organization/1", "Organization/pw-Organization-1"}),
    )  # fmt: skip
    return Seen(view, draw(resources(view)), look)


@given(looks())
def test_views_show_only_listed_paths(seen: Seen) -> None:
    view, before = seen.view, copy.deepcopy(seen.resource)
    out = seen.through()
    assert seen.resource == before
    if out is not None:
        assert paths(out) <= ALLOWED[view.name, out["resourceType"]]
        assert SECRET not in json.dumps(out)
        assert view.ids == "local" or '"raw-id"' not in json.dumps(out)
        assert view.ids == "local" or "/raw-id" not in json.dumps(out)


@given(looks())
def test_views_shown_twice_show_the_same(seen: Seen) -> None:
    """V(V(x)) = V(x), with ids that stay themselves."""
    once = seen.through()
    if once is not None:
        assert seen.through(once) == once


def _within(less: Any, more: Any) -> bool:
    """Is every value of `less` also in `more`?"""
    if isinstance(less, dict):
        return isinstance(more, dict) and all(name in more and _within(value, more[name]) for name, value in less.items())
    if isinstance(less, list):
        return isinstance(more, list) and all(any(_within(value, other) for other in more) for value in less)
    return bool(less == more)


@given(looks(), shown_needs)
def test_views_show_no_less_when_the_consent_is_wider(seen: Seen, further: list[str]) -> None:
    narrow, wide = seen.through(), seen.through(needs=(seen.look.needs or frozenset()) | needs(*further))
    assert narrow is None or (wide is not None and _within(narrow, wide))


@given(looks())
def test_views_show_no_more_on_a_basis_than_on_consent(seen: Seen) -> None:
    on_basis, on_consent = seen.through(basis="team"), seen.through(basis="consent")
    assert on_basis is None or (on_consent is not None and _within(on_basis, on_consent))


@given(looks())
def test_views_do_not_depend_on_hidden_parts(seen: Seen) -> None:
    """What is not listed may change at will: output, card and etag stay (non-interference of one resource)."""

    def noisy(node: Any) -> Any:
        if isinstance(node, dict):
            return {**{name: noisy(value) for name, value in node.items()}, "hidden": SECRET, "extension": [{"url": SECRET}]}
        return [noisy(value) for value in node] if isinstance(node, list) else node

    plain, other = seen.through(), seen.through(noisy(seen.resource))
    assert plain == other
    assert etag(plain) == etag(other)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(looks(), st.dictionaries(st.sampled_from(["name", "code", "reasonCode", "provision", "telecom", "identifier", "orderDetail", "meta", "id", "sender",
                                                 "recipient", "sourceAttachment", "modifierExtension"]), anything), st.sampled_from(["fr", "en", "de"]))  # fmt: skip
def test_views_never_raise_whatever_the_json(seen: Seen, odd: dict[str, Any], lang: str) -> None:
    out = seen.through({**seen.resource, **odd})
    if out is not None:
        assert paths(out) <= ALLOWED[seen.view.name, out["resourceType"]]
        card(seen.view, [out], facts=seen.look, lang=lang)


def test_generated_resources_come_out_often_enough() -> None:
    """A guard on the generator: soundness of empty outputs would prove nothing."""
    sizes: list[int] = []

    @given(looks())
    def collect(seen: Seen) -> None:
        sizes.append(len(paths(seen.through() or {})))

    collect()
    assert sum(size > 5 for size in sizes) > len(sizes) / 4
    assert author()
