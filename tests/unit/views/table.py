"""What each view shows, as a table a person can read and sign: each element that comes out of a referral that has everything, with
the looks in which it does; then the card, the acts, the searches. Kept in tests/vectors/views/shown; `python -m
tests.unit.views.table` writes it anew after a change of a view that is meant: read the difference before you commit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapter.views import Facts, View, brief, card, load_declared, project
from adapter.views.load import load_labels
from adapter.views.matrix import load_matrix
from tests.unit.views.full import FULL
from tests.unit.views.looks import ROOT, VIEWS, author, facts

FOLDER = ROOT / "mappings" / "views"
SHOWN = ROOT / "tests" / "vectors" / "views" / "shown"
EVERY = frozenset(f"D{number}" for number in range(1, 14))
WIDE = ("acces-droits", "aidant", "denutrition", "expulsion", "handicap-mdph", "isolement", "perte-autonomie", "retour-hospitalisation")
LOOKS: dict[str, Facts] = {
    "offer": facts(stage="offer"),
    "open": facts(),
    "closed": facts(stage="closed"),
    "needs": facts(*WIDE),  # the needs that require more classes
    "demand": facts(demanded=EVERY),
    "unsafe": facts(unsafe=True),
    "team": facts(basis="team", needs=None),
    "team-demand": facts(basis="team", needs=None, demanded=EVERY),
    "self": facts(basis="self", needs=None, demanded=EVERY),
    "author": author(),
    "ticked": author("violences", tick=True),
    "sensitive": author("violences"),
}
MADE = (("offer", "fr"), ("needs", "fr"), ("needs", "en"), ("author", "fr"), ("self", "fr"))  # the looks of which the card is written down


def table(name: str) -> list[str]:
    """The lines about one view."""
    view = VIEWS[name]
    return [*_head(view), "", *_shown(view), "", *_cards(view), *_askers(view)]


def _head(view: View) -> Iterator[str]:
    yield f"{view.name} version {view.version}, of {view.recipient}: {view.title['fr']} / {view.title['en']}"
    sensitivity = "" if view.sensitivity is None else f", needs up to sensitivity {view.sensitivity}"
    yield f"ids {view.ids}, profiles {'kept' if view.profile else 'dropped'}, {'' if view.subsetted else 'not '}marked as a subset{sensitivity}"
    yield f"acts: {' '.join(view.writes)}"
    for kind, names in sorted(view.search.items()):
        yield f"searched: {kind} by {' '.join(names)}"
    yield f"sorted: {' '.join(view.sort)}"
    for cls, codes in sorted(view.needs_for.items()):
        yield f"{cls} for: {' '.join(sorted(codes))}"


def _shown(view: View) -> Iterator[str]:
    """The looks, and below them all that comes out in these and in no other."""
    found: dict[str, list[str]] = {}
    for name, look in LOOKS.items():
        shown = (project(resource, view, facts=look) for resource in FULL)
        for path in sorted({path for each in shown if each for path in _paths(each, each["resourceType"])}):
            found.setdefault(path, []).append(name)
    for looks in sorted({tuple(each) for each in found.values()}, key=lambda each: (-len(each), each)):
        yield f"{' '.join(looks) if len(looks) < len(LOOKS) else 'always'}:"
        yield from (f"  {path}" for path, those in sorted(found.items()) if tuple(those) == looks)


def _paths(value: Any, prefix: str) -> Iterator[str]:
    """Every leaf but for the mark of a subset; list positions left out, what has a system told apart by it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "coding":
                yield from _paths(inner, prefix)
            elif name not in ("resourceType", "tag", "system"):
                yield from _paths(inner, f"{prefix}{_system(value)}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner, prefix)
    else:
        yield prefix


def _system(value: dict[str, Any]) -> str:
    return f"[{str(value['system']).rpartition('/')[2]}]" if "system" in value else ""


def _cards(view: View) -> Iterator[str]:
    for name, lang in MADE:
        look = replace(LOOKS[name], lang=lang)
        shown = [part for resource in FULL if (part := project(resource, view, facts=look))]
        yield f"card, {name}, {lang}:"
        yield from (f"  {key} = {said}" for key, said in _flat(card(view, shown, facts=look, lang=lang)))
        if view.line and lang == "fr":
            accepted = replace(look, accepted=True)
            line = card(view, brief(shown, view, accepted), facts=accepted, lang=lang, fields=view.line)
            yield f"line, {name}, {lang}:"
            yield from (f"  {key} = {said}" for key, said in _flat(line))


ASKED_BY = {  # the requester, and which of the parties have a phone
    "PractitionerRole/dr": ("PractitionerRole", "Practitioner", "Organization"), "PractitionerRole/dr ": ("Practitioner", "Organization"),
    "Practitioner/dr": ("Practitioner", "Organization"), "Organization/clinic": ("Organization",),
}  # fmt: skip


def _askers(view: View) -> Iterator[str]:
    """Who is named as the prescriber, and by which phone, whoever asked."""
    for asker, phones in ASKED_BY.items():
        for name in ("needs", "author"):
            look, request = LOOKS[name], {**FULL[0], "requester": {"reference": asker.strip()}}
            parties = ({key: value for key, value in each.items() if key != "telecom" or each["resourceType"] in phones} for each in FULL[1:])
            shown = [part for resource in (request, *parties) if (part := project(resource, view, facts=look))]
            if told := card(view, shown, facts=look, lang="fr").get("prescriber"):
                yield f"prescriber, {name}, asked by {asker.strip()}, phones of {' '.join(phones)}: {told.get('name')}, {told.get('phone')}"


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _flat(inner, f"{key}[]")
    else:
        yield key, value


# ── what all views share ─────────────────────────────────────────────────────────────────────────
def shared() -> list[str]:
    """The words for the codes, the class of each element, the cells, who has no view."""
    return [*_words(), "", *_classes(), "", *_declared()]


def _words() -> Iterator[str]:
    for table, codes in load_labels((FOLDER / "labels.yaml").read_text("utf-8")).items():
        for code, texts in codes.items():
            yield f"{table} {code}: {' / '.join(f'{lang} {said}' for lang, said in texts.items())}"


def _classes() -> Iterator[str]:
    matrix = load_matrix((FOLDER / "matrix.yaml").read_text("utf-8"))
    for cls, texts in matrix.words.items():
        yield f"{cls}: {texts['fr']} / {texts['en']}"
    for recipient, cells in matrix.rows.items():
        yield f"{recipient}: {' '.join(f'{cls} {cell}' for cls, cell in cells.items())}"
    for kind, paths in matrix.elements.items():
        for path, (cls, status) in paths.items():
            yield f"{kind}.{path}: {cls}{' status' if status else ''}"
    yield f"unsafe to contact: {' '.join(sorted(matrix.unsafe_contact))}"


def _declared() -> Iterator[str]:
    for name, one in sorted(load_declared(FOLDER).items()):
        yield f"{name} version {one.version}, of {one.recipient or 'no row'}: {one.title['fr']} / {one.title['en']}; {one.way}: {' '.join(one.classes)}"


def file_of(name: str) -> Path:
    return SHOWN / f"{name}.txt"


def main() -> None:
    SHOWN.mkdir(parents=True, exist_ok=True)
    for name in VIEWS:
        file_of(name).write_text("\n".join(table(name)) + "\n", "utf-8")
    file_of("_shared").write_text("\n".join(shared()) + "\n", "utf-8")


if __name__ == "__main__":
    main()
