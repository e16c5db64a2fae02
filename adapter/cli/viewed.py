"""View files as rows and as lines of text: what `liaison view` prints."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.cli import house
from adapter.errors import SettingsError
from adapter.mapping import Terms
from adapter.views import Declared, View, around_of, load_file, load_labels, load_matrix
from adapter.views.compare import said
from adapter.views.document import words
from adapter.views.load import CARDS, LABELS, MATRIX, Around, faults
from adapter.views.matrix import CLASSES, STRUCTURE
from adapter.views.words import CELLS, LANGS, when

if TYPE_CHECKING:
    from adapter.settings import Settings

Row = dict[str, Any]
WAYS = {
    "paper": ("rien par aucune porte : une lettre remise à la personne", "nothing through any door: a letter handed to the person"),
    "counts": ("des nombres seulement", "counts only"),
    "unit": ("la vue de son unité, sur les dossiers qui lui sont confiés", "the view of the unit, on files assigned to the trainee"),
}


def text_of(file: Path) -> str:
    """The text of a file. Raises SettingsError: not to be read, not UTF-8."""
    try:
        return house.document(file).decode("utf-8")
    except UnicodeDecodeError:
        raise SettingsError("expected text in UTF-8", variable=f"{file.name}:1", fix="save the file as UTF-8") from None


# ── list ─────────────────────────────────────────────────────────────────────────────────────────
def units(settings: Settings) -> dict[str, list[Row]]:
    """Recipient category -> the units of the network file that are of it, with their stage; none where there is no such file."""
    from adapter.network import load

    found: dict[str, list[Row]] = {}
    network = load(settings.network_file) if settings.network_file.exists() else None
    for organisation, unit in network.units() if network else ():
        if organisation.kind == "service":
            found.setdefault(organisation.category, []).append({"unit": unit.key, "stage": unit.stage})
    return found


def listed(view: View | Declared, units: list[Row]) -> Row:
    head = {"view": view.name, "version": view.version, "recipient": view.recipient, "title": dict(view.title)}
    if isinstance(view, Declared):
        return head | {"way": view.way, "classes": list(view.classes), "elements": 0, "writes": [], "units": []}
    shown = {rule.cls for _, rule in view.rules}
    classes = [cls for cls in CLASSES if cls in shown]
    return head | {"way": "view", "classes": classes, "elements": len(view.rules), "writes": list(view.writes), "units": units}


def list_lines(row: Row, lang: str) -> Iterator[str]:
    yield f"{row['view']}  version {row['version']}  {row['title'][lang]}"
    classes = ", ".join(row["classes"])
    if row["way"] != "view":
        yield f"  {WAYS[row['way']][LANGS.index(lang)]}{f' ({classes})' if classes else ''}"
        return
    stages = ", ".join(f"{each['unit']} ({each['stage']})" for each in row["units"]) or "-"
    yield f"  recipient {row['recipient']}; units {stages}"
    yield f"  {row['elements']} elements of {classes}; writes {', '.join(row['writes']) or '-'}"


# ── check ────────────────────────────────────────────────────────────────────────────────────────
def checked(files: list[Path]) -> list[Row]:
    """Of each file whether it loads, and each fault with its line; without files, of those in force."""
    from adapter.settings import mappings_folder

    home = mappings_folder(house.settings())
    folder, needs = home / "views", Terms.load(home / "terms").choosable("need")
    try:
        around = around_of(folder, needs=needs)
    except SettingsError as error:  # nothing can be judged without the matrix
        return [_row(str(error.variable).partition(":")[0], [error])]
    if files:
        return [_row(str(file), _faults(text_of(file), file.name, around)) for file in files]
    there = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return [_row(each.name, _faults(words(each), each.name, around, own=True)) for each in there]


def _faults(text: str, name: str, around: Around, *, own: bool = False) -> list[SettingsError]:
    """`own`: a file of the folder, which must bear its view's name."""
    shared = {MATRIX: load_matrix, LABELS: load_labels}.get(name)
    if name == CARDS:
        return []  # read with each view that takes a card of it
    if shared is None:
        found = faults(text, name=name, around=around)
        stem = name.removesuffix(".yaml")
        if own and not found and load_file(text, name=name, around=around).name != stem:
            return [SettingsError(f"expected the view {stem}", variable=f"{name}:1", fix="name the file as its view")]
        return found
    try:
        shared(text, name=name)
    except SettingsError as error:
        return [error]
    return []


def _row(file: str, found: list[SettingsError]) -> Row:
    return {"file": file, "ok": not found, "faults": [{"line": _line(each), "text": _text(each)} for each in found]}


def _line(error: SettingsError) -> int:
    number = error.variable.rpartition(":")[2]
    return int(number) if number.isdigit() else 1


def _text(error: SettingsError) -> str:
    return str(error).removeprefix(f"{error.variable}: ")


def check_lines(row: Row) -> Iterator[str]:
    if row["ok"]:
        yield f"{row['file']}: ok"
    for each in row["faults"]:
        yield f"{row['file']}:{each['line']}: {each['text']}"


# ── show ─────────────────────────────────────────────────────────────────────────────────────────
def described(view: View | Declared, around: Around, lang: str) -> Row:
    """A view as plain values, each condition in words."""
    at, matrix = LANGS.index(lang), around.matrix
    cells = matrix.rows.get(view.recipient, {})
    row = [{"class": cls, "what": matrix.words.get(cls, {}).get(lang, ""), "cell": cell, "means": CELLS[cell][at]} for cls, cell in cells.items()]
    found = listed(view, []) | {"matrix": row}
    found.pop("units")
    if isinstance(view, Declared):
        return found | {"means": WAYS[view.way][at], "elements": []}
    elements = [
        {"type": kind, "path": rule.path, "class": rule.cls, "cell": cells.get(rule.cls, ""), "line": rule.line, "rule": said(rule),
         "when": when(rule, view, lang)} for kind, rule in view.rules
    ]  # fmt: skip
    changed = {table: codes for table, codes in view.labels.items() if codes != around.labels.get(table)}
    own = {table: {code: texts.get(lang, "") for code, texts in codes.items()} for table, codes in changed.items()}
    return found | {
        "elements": elements, "needs_for": {cls: sorted(needs) for cls, needs in view.needs_for.items()}, "labels": own, "sensitivity": view.sensitivity,
        "telling": view.telling.get(lang, ""), "card": list(view.card), "list": list(view.line or view.card),
        "search": dict(view.search), "sort": list(view.sort),
    }  # fmt: skip


def show_lines(row: Row, lang: str) -> Iterator[str]:
    yield f"{row['view']}  version {row['version']}  {row['title'][lang]}"
    for each in row["matrix"]:
        yield f"  {each['class']:<4}{each['cell']:<5}{each['what']}: {each['means']}"
    if row["way"] != "view":
        yield f"{row['means']}{': ' + ', '.join(row['classes']) if row['classes'] else ''}"
        return
    for kind, elements in groupby(row["elements"], key=lambda each: each["type"]):
        yield kind
        for each in elements:
            cls = "" if each["class"] == STRUCTURE else each["class"]
            yield f"  {each['path']:<32}{cls:<5}{each['when']}"
    for table, codes in row["labels"].items():
        for code, text in codes.items():
            yield f"label   {table} {code}: {text}"
    yield f"telling names: {row['telling']}"
    if row["sensitivity"] is not None:
        yield f"needs   up to sensitivity {row['sensitivity']}"
    yield f"card    {', '.join(row['card'])}"
    yield f"list    {', '.join(row['list'])}"
    yield f"writes  {', '.join(row['writes']) or '-'}"
    yield f"search  {'; '.join(f'{kind}: ' + ', '.join(names) for kind, names in row['search'].items()) or '-'}"
    yield f"sort    {', '.join(row['sort']) or '-'}"


# ── try ──────────────────────────────────────────────────────────────────────────────────────────
def try_lines(told: Row) -> Iterator[str]:
    yield f"{'permit' if told['permit'] else 'deny'}  {told['why']} [{told['rule']}]{''.join(f', {each}' for each in told['consents'])}"
    who = " ".join(str(each) for each in told["as"].values() if each)
    stage = f", stage {told['stage']}, ground {told['basis']}" if told["stage"] else ""
    yield f"as      {who}, view {told['view']} version {told['version']}{stage}"
    if told["card"] is None:
        yield "card    none: every door answers 404"
    else:
        yield "card"
        yield from _card(told["card"], "  ")
    yield f"left out: {len(told['left_out'])} of {len(told['shown']) + len(told['left_out'])} elements"
    shown = {each["resource"] for each in told["shown"]}
    for resource, group in groupby(told["left_out"], key=lambda each: each["resource"]):
        left = list(group)
        if resource not in shown and len({each["text"] for each in left}) == 1:
            yield f"  {resource}  all of it ({len(left)}): {left[0]['text']}"
            continue
        yield f"  {resource}"
        for each in left:
            yield f"    {each['path']:<43} {each['class']:<4} {each['text']}"


def _card(value: Any, indent: str) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, dict) else (("-", each) for each in value):
        if isinstance(inner, dict) or (isinstance(inner, list) and any(isinstance(each, dict) for each in inner)):
            yield f"{indent}{key}"
            yield from _card(inner, indent + "  ")
        else:
            yield f"{indent}{key}: {', '.join(map(str, inner)) if isinstance(inner, list) else inner}"
