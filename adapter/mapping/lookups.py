"""Look-ups in what the context brings: units, deadlines, directory names."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from adapter.mapping.context import Run
from adapter.mapping.document import Tree, as_text, fault, nearest
from adapter.mapping.scope import Env, Scope
from adapter.mapping.step import Step, names_of
from adapter.mapping.terms import Terms
from adapter.mapping.times import instant_of


def lookup(name: str, tree: Tree, scope: Scope, terms: Terms) -> Step:
    word = as_text(tree.need("lookup"), "lookup")
    makers = {"unit": _lookup_unit, "due": _lookup_due, "name": _lookup_name}
    if word not in makers:
        raise fault(tree.places["lookup"], f"unknown look-up {word!r}{nearest(word, makers)}")
    return makers[word](name, tree, scope)


def _lookup_unit(name: str, tree: Tree, scope: Scope) -> Step:
    """A unit of the network file: name.service, name.organisation (references), name.recommended (code)."""
    (key,) = names_of(tree, scope, 1)
    path, place = scope.field_of(key), tree.place
    readable = key in scope.readable
    setter = scope.setter(key)
    for part in ("service", "organisation", "recommended"):
        scope.define(f"{name}.{part}", tree, readable=readable and part == "service")

    def run(env: Env, run: Run) -> None:
        wanted = env.get(key)
        facts = run.context.unit(wanted) if wanted else None
        if facts:
            env[f"{name}.service"], env[f"{name}.organisation"], env[f"{name}.recommended"] = facts[0], facts[1], facts[2] or None
        elif wanted:
            run.problem(path, place, "expected the key of a unit of the network", "not-found")

    def back(env: Env, run: Run) -> None:
        reference = env.get(f"{name}.service")
        if setter and isinstance(reference, str):
            setter(reference.rpartition("/")[2], env)

    return Step(run, back if setter else None)


def _lookup_due(name: str, tree: Tree, scope: Scope) -> Step:
    """The deadline of [unit key, asked at, priority, the person's own last day]: what the unit promises, or the end of that day where it
    comes before; None where there is neither. The last one may be left out."""
    unit, asked, priority, *last = names_of(tree, scope, 3, 4)
    scope.define(name, tree)

    def run(env: Env, run: Run) -> None:
        due, at = run.context.due, env.get(asked)
        began = instant_of(at, run) if at else None
        moment = due(env[unit], began, str(env.get(priority) or "routine")) if due and began and env.get(unit) else None
        day = env.get(last[0]) if last else None
        until = _day_ends(day, run) if day else None
        ends = [each for each in (moment, until if until and began and until > began else None) if each]  # what had passed is no deadline
        env[name] = min(ends).isoformat() if ends else None

    return Step(run)


def _day_ends(day: str, run: Run) -> datetime:
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), run.context.zone)


def _lookup_name(name: str, tree: Tree, scope: Scope) -> Step:
    """The directory name of a reference."""
    (reference,) = names_of(tree, scope, 1)
    scope.define(name, tree)

    def run(env: Env, run: Run) -> None:
        find, wanted = run.context.name_of, env.get(reference)
        env[name] = find(wanted) if find and wanted else None

    return Step(run)
