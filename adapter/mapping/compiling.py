"""From a document's tree to its program: every name known, every field either way accounted for."""

from __future__ import annotations

from collections.abc import Mapping

from adapter.mapping.condition import Test, condition
from adapter.mapping.document import Node, Tree, as_list, as_text, as_tree, as_whole, fault, nearest, only
from adapter.mapping.program import About, Block, Entry, Program, Rule
from adapter.mapping.record import taker
from adapter.mapping.scalars import Match
from adapter.mapping.scope import CONTEXT, Scope
from adapter.mapping.shape import Field, Group, declare
from adapter.mapping.step import Step, name_in, names_of
from adapter.mapping.steps import steps
from adapter.mapping.template import elements, gated
from adapter.mapping.terms import Terms
from adapter.names import Systems

_SECTIONS = "mapping version title unmapped declined id about parts record let rules resources answer examples"
_DOCUMENT = frozenset(_SECTIONS.split())
_PART = frozenset({"part", "expects", "let", "resources"})
_ANSWERING = frozenset({"part", "answer"})
_ANSWER = frozenset({"resources", "let"})
_ABOUT = frozenset({"reference", "outcomes", "ends"})
_OUTCOMES = ("need", "outcome", "result")
_TEMPLATE_WORDS = frozenset({"$when", "$key"})


def compile_program(tree: Tree, parts: Mapping[str, Tree], terms: Terms, systems: Systems, *, seen: set[int] | None = None) -> Program:
    """`seen` collects the nodes of the template values that are made. Raises MappingError naming file and
    line for whatever the language does not allow."""
    only(tree, _DOCUMENT, "a mapping document")
    name, version = as_text(tree.need("mapping"), "mapping"), as_whole(tree.need("version"), "version")
    unmapped = as_text(tree.need("unmapped"), "unmapped")
    if unmapped not in ("refuse", "drop"):
        raise fault(tree.places["unmapped"], "unmapped: expected refuse or drop")
    shape = declare(as_tree(tree.need("record"), "record"), terms)
    scope = _scope(shape, systems)
    scope.seen = seen
    used = [_part(entry, parts) for entry in as_list(tree.need("parts"), "parts")] if "parts" in tree.entries else []
    own = as_tree(tree.need("resources"), "resources")
    _declare_ids(own, scope)
    declined = condition(tree.need("declined"), scope).holds if "declined" in tree.entries else None
    acts = steps(_tree(tree, "let"), scope, terms)
    inside = [_inside(part, scope, terms) for part in used]
    for more, _ in inside:
        acts += more
    blocks = [*_blocks(own, scope, terms), *(block for _, made in inside for block in made)]
    rules = [_rule(entry, scope) for entry in as_list(tree.need("rules"), "rules")] if "rules" in tree.entries else []
    about = _about(as_tree(tree.need("about"), "about"), scope) if "about" in tree.entries else None
    answers, answer_steps, known = _answers(_answering(tree, parts), shape, systems, terms)
    id_field = as_text(tree.need("id"), "id")
    _check_reached(shape, scope.reached())
    _check_used(tree, used, scope)
    scope.use(id_field, tree.entries["id"])
    return Program(
        name, version, f"{systems.base}/mapping/{name}/{version}", id_field, shape, taker(shape, refuse_unknown=unmapped == "refuse"),
        declined, acts, rules, blocks, answers, answer_steps, _withheld(shape, Scope(systems, known=scope.known | known)),
        _instead(shape), about,
    )  # fmt: skip


def _tree(tree: Tree, key: str) -> Tree | None:
    return as_tree(tree.need(key), key) if key in tree.entries else None


def _part(node: Node, parts: Mapping[str, Tree], *, keys: frozenset[str] = _PART) -> Tree:
    word = as_text(node, "parts")
    if word not in parts:
        raise fault(node, f"no part {word!r} in parts/{nearest(word, parts)}")
    only(parts[word], keys, "a part")
    return parts[word]


def _answering(tree: Tree, parts: Mapping[str, Tree]) -> Tree | None:
    """`answer:` as the document says it, or as the part says it that `answer: {part: …}` names."""
    answer = _tree(tree, "answer")
    if answer is None or "part" not in answer.entries:
        return answer
    only(answer, frozenset({"part"}), "answer")
    return as_tree(_part(answer.entries["part"], parts, keys=_ANSWERING).need("answer"), "answer")


def _scope(shape: Group, systems: Systems) -> Scope:
    scope = Scope(systems)
    for each in shape.fields():
        if (each.never and not each.unless) or each.owner == "liaison":
            continue
        scope.define(each.name, each.place, readable=True)
        if each.default is not None:
            scope.define(f"{each.name}.given", each.place)
        if each.group:
            scope.groups[each.name] = tuple(inner.name for inner in each.group.fields())
    return scope


def _declare_ids(group: Tree, scope: Scope) -> None:
    for name, node in group.entries.items():
        if "$each" not in as_tree(node, name).entries:
            scope.define(f"{name}.id", group.places[name])


def _inside(part: Tree, scope: Scope, terms: Terms) -> tuple[list[Step], list[Block]]:
    """The steps and blocks of a part, which uses only what it expects and what it makes itself."""
    expects = as_tree(part.need("expects"), "expects")
    outside, scope.used = scope.used, set()
    before = set(scope.known)
    for name, node in expects.entries.items():
        _expect(name, node, scope)
    group = as_tree(part.need("resources"), "resources")
    _declare_ids(group, scope)
    acts = steps(_tree(part, "let"), scope, terms)
    blocks = _blocks(group, scope, terms)
    for name in sorted(scope.used & before - expects.entries.keys() - set(CONTEXT)):
        raise fault(expects, f"the part uses ${name}: name it under `expects`")
    for name in expects.entries.keys() - scope.used:
        raise fault(expects.places[name], f"the part does not use ${name}")
    scope.used |= outside
    return acts, blocks


def _expect(name: str, node: Node, scope: Scope) -> None:
    """What a part is handed by name: required names must be known, optional ones may be."""
    word = as_text(node, name)
    if word not in ("required", "optional"):
        raise fault(node, "expects: expected required or optional")
    if name in scope.known:
        return
    if word == "required":
        raise fault(node, f"the part wants the name {name!r}: derive it under `let`")
    scope.define(name, node)
    scope.absent.add(name)


def _blocks(group: Tree, scope: Scope, terms: Terms) -> list[Block]:
    blocks: list[Block] = []
    for name, node in group.entries.items():
        tree = as_tree(node, name)
        if "$each" in tree.entries:
            blocks.append(_loop(name, tree, scope, terms))
        else:
            blocks.append(Block([_entry(name, tree, scope)]))
    return blocks


def _loop(word: str, tree: Tree, scope: Scope, terms: Terms) -> Block:
    only(tree, frozenset({"$each", "$let", "$resources"}), f"the repeated {word!r}")
    each = scope.use(as_text(tree.need("$each"), "$each").removeprefix("$"), tree)
    readable = each in scope.readable
    inside = scope.groups.get(each, ())
    scope.define(word, tree, readable=readable and not inside)
    scope.define(f"{word}.last", tree)
    for key in inside:
        scope.define(f"{word}.{key}", tree, readable=readable)
        scope.undone[f"{word}.{key}"] = {f"{each}[].{key}"}
    inner = as_tree(tree.need("$resources"), "$resources")
    _declare_ids(inner, scope)
    acts = steps(_tree(tree, "$let"), scope, terms)
    entries = [_entry(name, as_tree(node, name), scope) for name, node in inner.entries.items()]
    if f"{word}[]" in scope.read:
        scope.read.add(f"{each}[]")
    return Block(entries, each, word, acts, inside)


def _entry(name: str, tree: Tree, scope: Scope) -> Entry:
    type_ = as_text(tree.need("resourceType"), f"{name}.resourceType")
    for key in tree.entries:
        if key.startswith("$") and key not in _TEMPLATE_WORDS:
            raise fault(tree.places[key], f"unknown word {key}{nearest(key, _TEMPLATE_WORDS)}")
    built = elements(tree, scope)
    if "$when" in tree.entries:
        built = gated(built, condition(tree.entries["$when"], scope), scope)
    return Entry(name, type_, tree, built.make, built.read, _key(tree, scope))


def _key(tree: Tree, scope: Scope) -> Match | None:
    """`$key`: the elements whose constants tell resources of one type apart."""
    if "$key" not in tree.entries:
        return None
    checks: list[Match] = []
    for entry in as_list(tree.entries["$key"], "$key"):
        element = as_text(entry, "$key")
        built = elements(Tree({element: tree.entries[element]}, {}, tree.place), scope) if element in tree.entries else None
        if built is None or built.match is None:
            raise fault(entry, f"$key: {element!r} is no element with constants")
        checks.append(built.match)
    return lambda resource: all(check(resource) for check in checks)


def _rule(node: Node, scope: Scope) -> Rule:
    rule = as_tree(node, "rules")
    only(rule, {"when", "path", "text"}, "a rule")
    path = as_text(rule.need("path"), "path")
    if path not in scope.known:
        raise fault(rule.places["path"], f"no field {path!r}{nearest(path, scope.known)}")
    return Rule(condition(rule.need("when"), scope).holds, path, rule.place, as_text(rule.need("text"), "text"))


def _about(tree: Tree, scope: Scope) -> About:
    """`about`: the referral that a record tells about, and where it says what came of which need."""
    only(tree, _ABOUT, "about")
    outcomes = as_tree(tree.need("outcomes"), "about.outcomes")
    only(outcomes, frozenset({"of", *_OUTCOMES}), "outcomes")
    (of,), reference = names_of(outcomes, scope, 1), scope.use(name_in(tree.need("reference"), "about.reference"), tree)
    keys, inside = {word: as_text(outcomes.need(word), word) for word in _OUTCOMES}, scope.groups.get(of, ())
    for word, key in keys.items():
        if key not in inside:
            raise fault(outcomes.entries[word], f"outcomes: no field {key!r} in the groups of {of!r}{nearest(key, inside)}")
    return About(reference, of, keys["need"], keys["outcome"], keys["result"], condition(tree.need("ends"), scope).holds)


def _answers(tree: Tree | None, shape: Group, systems: Systems, terms: Terms) -> tuple[list[Block], list[Step], set[str]]:
    """`answer`: patterns that are only read, what is derived from them for the fields that Liaison owns, and every name of these."""
    scope = Scope(systems, defining=True)
    if tree is None:
        _check_answered(shape, scope, [])
        return [], [], set()
    only(tree, _ANSWER, "answer")
    patterns = as_tree(tree.need("resources"), "answer.resources")
    blocks = [_pattern(name, as_tree(pattern, name), scope) for name, pattern in patterns.entries.items()]
    scope.defining = False
    acts = steps(_tree(tree, "let"), scope, terms)
    _check_answered(shape, scope, blocks)
    return blocks, acts, scope.known


def _pattern(word: str, tree: Tree, scope: Scope) -> Block:
    """One pattern; under `$each` it fills a list of groups, one for each resource that is found."""
    if "$each" not in tree.entries:
        return Block([_entry(word, tree, scope)])
    only(tree, frozenset({"$each", "$resources"}), f"the repeated {word!r}")
    each = scope.use(name_in(tree.need("$each"), "$each"), tree)
    inner = as_tree(tree.need("$resources"), "$resources")
    return Block([_entry(name, as_tree(node, name), scope) for name, node in inner.entries.items()], each, word, grouped=True)


def _check_answered(shape: Group, scope: Scope, blocks: list[Block]) -> None:
    for each in _answered(shape):
        words = [block.word for block in blocks if block.grouped and block.each == each.name]
        wanted = [f"{words[0]}.{inner.name}" for inner in each.group.fields()] if each.group and words else [each.name]
        for name in wanted:
            if name not in scope.known:
                raise fault(each.place, f"nothing under `answer` sets {name!r}")


def _answered(shape: Group) -> list[Field]:
    return [each for each in shape.fields() if each.owner != "sender"]


def _instead(shape: Group) -> list[tuple[str, str]]:
    """(field, the field that it comes back instead of)."""
    names = {each.name for each in shape.fields()}
    found = [each for each in shape.fields() if each.instead_of]
    for each in found:
        if each.instead_of not in names:
            raise fault(each.place, f"instead_of: no field {each.instead_of!r}{nearest(each.instead_of, names)}")
    return [(each.name, each.instead_of) for each in found]


def _withheld(shape: Group, scope: Scope) -> list[tuple[str, Test]]:
    """The fields that come back only while a condition holds."""
    found: list[tuple[str, Test]] = []
    for each in shape.fields():
        if each.given_back is not None:
            if each.default is not None:
                raise fault(each.given_back, "given_back: not beside a default, which stands for what is not there")
            found.append((each.name, condition(each.given_back, scope).holds))
    return found


def _check_reached(shape: Group, reached: set[str]) -> None:
    """Every field comes back, or says with `one_way` why it does not."""
    for each in shape.fields():
        if each.never and not each.unless:
            continue
        entry = f"{each.name}[]"
        inner = {f"{entry}.{one.name}": one for one in each.group.fields() if not one.never} if each.group else {}
        if inner and not each.one_way and each.owner == "sender":
            for name, one in inner.items():
                _comes_back(one, name in reached)
        else:
            back = each.owner != "sender" or all(name in reached for name in inner or [entry if each.most else each.name])
            _comes_back(each, back)


def _comes_back(field: Field, back: bool) -> None:
    if back and field.one_way:
        raise fault(field.place, f"{field.name!r} comes back: one_way is not true")
    if not back and not field.one_way:
        raise fault(field.place, f"{field.name!r} does not come back from the resources: say why with one_way")


def _check_used(tree: Tree, used: list[Tree], scope: Scope) -> None:
    """No derived name that nothing uses."""
    for owner in (tree, *used):
        let = _tree(owner, "let")
        for name in let.entries if let else ():
            if let and not any(each == name or each.startswith(f"{name}.") for each in scope.used):
                raise fault(let.places[name], f"nothing uses the name {name!r}")
