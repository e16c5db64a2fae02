"""A column map examined: its own example rows, run."""

from __future__ import annotations

from collections.abc import Iterator

from adapter.errors import MappingError
from adapter.mapping.check import Failure, Trial, difference, example_context, try_
from adapter.mapping.columns import Columns, Filled, Fit
from adapter.mapping.document import Tree, as_list, as_text, as_tree, only, plain

_EXAMPLE = frozenset({"name", "context", "row", "record", "warns", "problems"})


def check_columns(columns: Columns) -> list[Failure]:
    """Runs the example rows: the record, whether its kind takes it, the columns that are warned of or refused; and that some example
    uses each field and each word. Empty: all holds."""
    tree = columns.tree.get("examples")
    if tree is None:
        return [Failure("", columns.tree.place, "a column map has examples")]
    failures: list[Failure] = []
    seen: set[str] = set()
    for node in as_list(tree, "examples"):
        failures += _example(columns, as_tree(node, "examples"), seen)
    if not failures:
        failures += [Failure("", place, f"no example uses {what}") for place, what in _uses(columns) if place not in seen]
    return failures


def told_of(columns: Columns, filled: Filled, trial: Trial | None) -> tuple[list[str], list[str]]:
    """The columns that are warned of, and those for which the row is refused, each in order."""
    warned, refused = [each.column for each in filled.warnings], [each.column for each in filled.problems]
    if trial:
        refused += [columns.column_of(each.path) for each in trial.problems]
        warned += [columns.column_of(each.record_path) for each in trial.mapped.warnings] if trial.mapped else []
    return warned, refused


def _uses(columns: Columns) -> Iterator[tuple[str, str]]:
    for feed in columns.feeds:
        yield feed.place, repr(feed.path)
        for word, (_, place) in feed.cell.words.items():
            yield place, f"the word {word!r}"


def _example(columns: Columns, tree: Tree, seen: set[str]) -> list[Failure]:
    only(tree, _EXAMPLE, "an example")
    name, row = as_text(tree.need("name"), "name"), as_tree(tree.need("row"), "row")
    cells = {column: str(value) for column, node in row.entries.items() if (value := plain(node)) is not None}

    def failed(key: str, text: str) -> Failure:
        return Failure(name, tree.places.get(key, tree.place), text)

    try:
        fit: Fit = columns.against(list(cells))
    except MappingError as error:
        return [failed("row", error.text)]
    filled = fit.record(cells, seen)
    if "record" in tree.entries and filled.record != (wanted := plain(tree.entries["record"])):
        return [failed("record", f"the record differs at {difference(wanted, filled.record)}")]
    given = tree.get("context")
    context = example_context(as_tree(given, "context") if given else None)
    trial = None if filled.problems else try_(columns.mapping, filled.record, context=context)
    warned, refused = told_of(columns, filled, trial)
    failures = []
    for key, found in (("warns", warned), ("problems", refused)):
        expected = plain(tree.entries[key]) if key in tree.entries else []
        if found != expected:
            why = [str(each) for each in trial.problems] if trial else [f"{each.column}: {each.text}" for each in filled.problems]
            failures.append(failed(key, f"expected {key} of {expected}, but found {found}" + (f": {why}" if key == "problems" else "")))
    return failures
