"""Names derived from codes by their tables: properties, lots, labels."""

from __future__ import annotations

from adapter.mapping.context import Run
from adapter.mapping.document import Tree, as_list, as_text, as_tree, fault, nearest, plain
from adapter.mapping.scope import Env, Scope
from adapter.mapping.step import Step, name_in, names_of, table_of
from adapter.mapping.terms import Terms


def code_property(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """A property of the codes: one value for one code, the distinct values for a list; with `highest`
    (an order, lowest first) the highest of them."""
    table, word = table_of(tree, terms, "table"), as_text(tree.need("property"), "property")
    if word not in table.properties:
        raise fault(tree.places["property"], f"the table {table.key!r} has no property {word!r}{nearest(word, table.properties)}")
    (codes,) = names_of(tree, scope, 1)
    order = [str(plain(entry)) for entry in as_list(tree.need("highest"), "highest")] if "highest" in tree.entries else []
    values = {code: term.properties[word] for code, term in table.terms.items() if word in term.properties}
    many = {code: value if isinstance(value, list) else [value] for code, value in values.items()}
    scope.define(name, tree)

    def run(env: Env, _: Run) -> None:
        given = env.get(codes)
        if not isinstance(given, list):
            env[name] = values.get(given) if given is not None else None
            return
        distinct = list(dict.fromkeys(value for code in given for value in many.get(code, ())))
        env[name] = (max(distinct, key=order.index) if order else distinct) if distinct else None

    for value in values.values():
        if order and value not in order:
            raise fault(tree.places["highest"], f"highest: {value!r} of the table is not in the order")
    return Step(run)


def split(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """A list of codes as lots: the codes whose property has the `alone` value each in a lot of its own,
    the others together, first."""
    table, alone = table_of(tree, terms, "table"), as_tree(tree.need("alone"), "alone")
    if len(alone.entries) != 1:
        raise fault(alone, "alone: expected one property and its value")
    codes = scope.use(name_in(tree.need("split"), "split"), tree)
    word, wanted = next((key, plain(value)) for key, value in alone.entries.items())
    apart = frozenset(code for code, term in table.terms.items() if term.properties.get(word) == wanted)
    if not apart:
        raise fault(alone, f"no code of the table {table.key!r} has this value")
    readable = codes in scope.readable
    scope.define(name, tree, readable=readable)
    if readable:
        scope.read.add(f"{codes}[]")

    def run(env: Env, _: Run) -> None:
        given = env.get(codes) or ()
        together = [code for code in given if code not in apart]
        env[name] = ([together] if together else []) + [[code] for code in given if code in apart]

    def back(env: Env, _: Run) -> None:
        found = list(dict.fromkeys(code for lot in env.get(name) or () for code in lot))
        if found:
            env.setdefault(codes, found)

    return Step(run, back if readable else None)


def label(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    """The labels of codes, as one text: in French, or in the language that a second name says (French where the table has none)."""
    table = table_of(tree, terms, "label")
    codes, *languages = names_of(tree, scope, 2 if len(as_list(tree.need("of"), "of")) == 2 else 1)
    scope.define(name, tree)

    def run(env: Env, _: Run) -> None:
        given, lang = env.get(codes), str(env.get(languages[0])) if languages else "fr"
        listed = given if isinstance(given, list) else [given] if given else []
        env[name] = ", ".join(table.terms[code].label(lang) for code in listed if code in table) or None

    return Step(run)
