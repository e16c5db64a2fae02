"""Reads view files. What is not in R4, not in the matrix or said twice is refused, with file and line (M-20)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from adapter.errors import SettingsError
from adapter.network import CATEGORIES, PRESCRIBER
from adapter.views import outward
from adapter.views.cardspec import Entry, Unlisted, compile_entry, compile_shared
from adapter.views.declared import Declared, declared, declares, titled
from adapter.views.document import Mapped, fault, read, words
from adapter.views.elements import Leaf, Step, leaves
from adapter.views.matrix import CLASSES, SHOWN, STRUCTURE, Matrix, exists, load_matrix
from adapter.views.view import CONDITIONS, STAGES, Branch, Rule, View

MATRIX, LABELS, CARDS = "matrix.yaml", "labels.yaml", "cards.yaml"
NEEDED = (("telling", "care-service"), ("notice", "closed"))  # labels that every view speaks
OFFERED_TO = frozenset(CATEGORIES) - {PRESCRIBER}  # whose units may have an offer in hand (workflow.md 6)
VERBS = (
    "accept", "decline", "start", "progress", "complete", "cancel", "ask", "answer", "message", "conclude", "refer", "reorient", "withdraw",
    "inform", "confirm", "narrow", "oppose", "urgency", "recognise", "leave",  # the life of an agreement (workflow.md 4 and 5)
)  # fmt: skip
SEARCHED = {
    "Task": {"_id": "id", "status": "status", "business-status": "businessStatus", "priority": "priority", "focus": "focus",
             "patient": "for"},
    "ServiceRequest": {"_id": "id", "status": "status", "priority": "priority", "authored": "authoredOn"},
}  # fmt: skip
SORTED = {"due": "restriction.period.end", "authored": "authoredOn", "status": "status", "priority": "priority"}  # of the Task
_KEYS = ("view", "version", "recipient", "title", "profile", "subsetted", "ids", "sensitivity", "needs_for", "resources", "labels",
         "card", "list", "writes", "search", "sort")  # fmt: skip
_TREES = dict[str, list[Branch]]


def default_folder() -> Traversable:
    """The view files shipped with the package, or in a clone those of the repository."""
    package = files("adapter")
    packaged = package / "_mappings" / "views"
    return packaged if packaged.is_dir() else Path(str(package)).parent / "mappings" / "views"


def load_views(folder: Traversable | None = None, *, needs: Collection[str] = ()) -> dict[str, View]:
    """Every view of a folder by its name, each of which some door may serve; matrix.yaml, labels.yaml and cards.yaml are
    there too. `needs`: see `Around`. Raises SettingsError."""
    return {name: found for name, found in load_folder(folder, needs=needs).items() if isinstance(found, View)}


def load_declared(folder: Traversable | None = None) -> dict[str, Declared]:
    """The recipients that no door serves by a view of their own, by name. Raises SettingsError."""
    return {name: found for name, found in load_folder(folder).items() if isinstance(found, Declared)}


def load_folder(folder: Traversable | None = None, *, needs: Collection[str] = ()) -> dict[str, View | Declared]:
    """Every file of a folder by the name it gives. `needs`: see `Around`. Raises SettingsError."""
    where = default_folder() if folder is None else folder
    around = around_of(where, needs=needs)
    found: dict[str, View | Declared] = {}
    for file in sorted(where.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml") and file.name not in (MATRIX, LABELS, CARDS):
            one = load_file(words(file), name=file.name, around=around)
            if file.name != f"{one.name}.yaml":
                raise fault(file.name, 1, f"expected the view {file.name.removesuffix('.yaml')}, but found {one.name}")
            found[one.name] = one
    return found


@dataclass(frozen=True, slots=True)
class Around:
    """What the files of a folder share: the matrix, labels, cards, and the codes of needs that a record may choose (none: any
    code may open a class)."""

    matrix: Matrix
    labels: Mapping[str, Any]
    cards: Mapped
    needs: Collection[str] = ()


def around_of(folder: Traversable | None = None, *, needs: Collection[str] = ()) -> Around:
    """What the files of this folder share. Raises SettingsError."""
    where = default_folder() if folder is None else folder
    matrix, labels = (words(where / name) for name in (MATRIX, LABELS))
    cards = words(where / CARDS) if (where / CARDS).is_file() else "{}"
    found = load_labels(labels)
    for table, code in NEEDED:
        if code not in found.get(table, {}):
            raise fault(LABELS, 1, f"expected the label {code} of {table}")
    return Around(load_matrix(matrix), found, read(cards, name=CARDS), needs)


@cache
def _shipped() -> Around:
    return around_of()


def load_file(text: str, *, name: str, around: Around) -> View | Declared:
    """A view, or the declaration that there is none. Raises SettingsError(variable="name.yaml:LINE")."""
    document = read(text, name=name)
    return declared(document, name, around.matrix) if declares(document) else _Loader(document, name, around).view()


def faults(text: str, *, name: str, around: Around) -> list[SettingsError]:
    """What is wrong with a file: each of its lines that lists an element wrongly, else the first thing besides; none: it loads."""
    loader: _Loader | None = None
    try:
        document = read(text, name=name)
        if declares(document):
            declared(document, name, around.matrix)
        else:
            loader = _Loader(document, name, around)
            loader.view()
    except SettingsError as error:
        return loader.faults if loader and loader.faults else [error]
    return []


def load_labels(text: str, *, name: str = LABELS) -> dict[str, Any]:
    """Labels that every view shares: table -> code -> language -> label. Raises SettingsError."""
    return _labels(read(text, name=name), name)


def load_view(text: str, *, name: str, matrix: Matrix | None = None, labels: Mapping[str, Any] | None = None) -> View:
    """One view file, checked. `name` is the file's, for messages; `matrix` and `labels` default to the shipped ones.

    Raises SettingsError(variable="name.yaml:LINE") for an unknown key, a path that R4 does not have, a wildcard, an
    element listed twice, a class that is not the element's or that the matrix does not allow, a condition missing.
    """
    shipped = _shipped()
    around = Around(shipped.matrix if matrix is None else matrix, shipped.labels if labels is None else labels, shipped.cards)
    return _Loader(read(text, name=name), name, around).view()


def _labels(tables: Mapped, name: str) -> dict[str, Any]:
    for table, codes in tables.items():
        for code, texts in codes.items() if isinstance(codes, Mapped) else [("", None)]:
            if not isinstance(texts, Mapped) or not texts.get("fr") or not all(isinstance(text, str) for text in texts.values()):
                line = codes.lines[code] if isinstance(codes, Mapped) else tables.lines[table]
                raise fault(name, line, f"expected labels of {table} by language, fr first")
    return dict(tables)


def _beside(leaf: Leaf) -> str:
    """What stands beside a link or a code and says in words or numbers whom or what it means: no view may list it (M-04)."""
    if leaf.steps[-1].name == "display":
        return "a display is what somebody wrote beside a code or link: list what it points to, or the label of the code"
    inside = any(type == "Reference" and step.name == "identifier" for type, step in zip(leaf.types, leaf.steps[1:], strict=False))
    return "of a Reference only the link itself may be listed" if inside else ""


class _Loader:
    def __init__(self, document: Mapped, name: str, around: Around) -> None:
        self.document, self.name, self.matrix, self.shared, self.cards = document, name, around.matrix, around.labels, around.cards
        self.needs = around.needs
        self.trees: dict[str, _TREES] = {}
        self.rules: list[tuple[str, Rule]] = []
        self.faults: list[SettingsError] = []  # of single elements; the first is raised when all were read

    def view(self) -> View:
        document = self.document
        for key in document:
            if key not in _KEYS:
                raise fault(self.name, document.lines[key], f"expected one of {', '.join(_KEYS)}, but found {key}")
        recipient = self._text("recipient")
        if recipient not in self.matrix.rows:
            raise fault(self.name, self._line("recipient"), f"the matrix has no recipient {recipient}")
        if self._text("view") in self.matrix.rows and document["view"] != recipient:
            raise fault(self.name, self._line("recipient"), f"expected the recipient {document['view']}, whose view this is")
        for kind, paths in self._section("resources").items():
            if not isinstance(paths, Mapped):
                raise fault(self.name, document["resources"].lines[kind], "expected a mapping of element paths")
            self.trees[kind] = {}
            for path, said in paths.items():
                try:
                    self._element(kind, path, said, paths.lines[path], self.matrix.rows[recipient])
                except SettingsError as error:
                    self.faults.append(error)
        if self.faults:
            raise self.faults[0]
        for key, expected in outward.head(document) if recipient in OFFERED_TO else ():
            raise fault(self.name, self._line(key), expected)
        labels = {**self.shared, **_labels(self._section("labels"), self.name)}
        return View(
            name=self._text("view"), version=self._version(), recipient=recipient, title=self._title(),
            profile=self._choice("profile", ("keep", "drop")) == "keep", subsetted=self._switch("subsetted"),
            ids="local" if self._choice("ids", ("pairwise", "local")) == "local" else "pairwise", sensitivity=self._number("sensitivity"),
            needs_for=self._needs(),
            unsafe_contact=self.matrix.unsafe_contact, trees=self.trees, rules=tuple(self.rules), labels=labels,
            card=self._arranged("card"), line=self._arranged("list"),
            writes=self._known("writes", document.get("writes"), VERBS, self._line("writes")),
            search=self._searches(),
            sort=self._sorted(),
        )  # fmt: skip

    # ── plain values ─────────────────────────────────────────────────────────────────────────────
    def _line(self, key: str) -> int:
        return self.document.lines.get(key, 1)

    def _text(self, key: str) -> str:
        value = self.document.get(key)
        if not isinstance(value, str) or not value:
            raise fault(self.name, self._line(key), f"expected {key}")
        return value

    def _title(self) -> dict[str, str]:
        return titled(self._section("title"), self.name, self._line("title"))

    def _version(self) -> int:
        if (found := self._number("version")) is None:
            raise fault(self.name, 1, "expected version")
        return found

    def _number(self, key: str) -> int | None:
        value = self.document.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise fault(self.name, self._line(key), f"expected {key} as a whole number")
        return value

    def _switch(self, key: str) -> bool:
        value = self.document.get(key, False)
        if not isinstance(value, bool):
            raise fault(self.name, self._line(key), f"expected {key} as true or false, but found {value}")
        return value

    def _choice(self, key: str, choices: tuple[str, ...]) -> str:
        if (value := self._text(key)) not in choices:
            raise fault(self.name, self._line(key), f"expected {key} as {' or '.join(choices)}, but found {value}")
        return value

    def _section(self, key: str) -> Mapped:
        value = self.document.get(key)
        if value is None:
            value = Mapped()
            value.lines = {}
        if not isinstance(value, Mapped):
            raise fault(self.name, self._line(key), f"expected {key} as a mapping")
        return value

    def _known(self, key: str, names: Any, known: Any, line: int) -> tuple[str, ...]:
        if names is not None and not isinstance(names, list):
            raise fault(self.name, line, f"expected {key} as a list")
        found = tuple(map(str, names or ()))
        for each in found:
            if each not in known or found.count(each) > 1:
                raise fault(self.name, line, f"expected each once of {', '.join(known)}, but found {each}")
        return found

    def _needs(self) -> dict[str, frozenset[str]]:
        section = self._section("needs_for")
        for cls, needs in section.items():
            if cls not in CLASSES or not isinstance(needs, list) or not all(isinstance(need, str) and needs.count(need) == 1 for need in needs):
                raise fault(self.name, section.lines[cls], f"{cls}: expected a data class (D1 to D13) and the list of its needs, each once")
            if unknown := [need for need in needs if self.needs and need not in self.needs]:
                near = get_close_matches(unknown[0], self.needs, n=1)
                text = f"{cls}: no record may choose the need {unknown[0]}" + (f"; did you mean {near[0]}?" if near else "")
                raise fault(self.name, section.lines[cls], text)
        return {cls: frozenset(needs) for cls, needs in section.items()}

    # ── elements ─────────────────────────────────────────────────────────────────────────────────
    def _element(self, kind: str, path: str, said: Any, line: int, row: Mapping[str, str]) -> None:
        try:
            found = leaves(kind, path)
            known = self.matrix.class_of(kind, path)
        except ValueError as error:
            raise fault(self.name, line, str(error)) from error
        words = str(said or "").split()
        if beside := next(filter(None, map(_beside, found)), ""):
            raise fault(self.name, line, f"{kind}.{path}: {beside}")
        if known is None:
            raise fault(self.name, line, f"{kind}.{path}: matrix.yaml gives this element no data class")
        cls, status = known
        if cls == STRUCTURE and found[0].types[-1] == "Extension" and path not in self.matrix.elements[kind]:
            raise fault(self.name, line, f"{kind}.{path}: an extension is not the {STRUCTURE} it hangs on: matrix.yaml gives it no data class")
        if not words or words[0] != cls:
            raise fault(self.name, line, f"{kind}.{path} is {cls}, but found {words[0] if words else 'nothing'}")
        made = any(leaf.steps[-1].name == "text" and leaf.types[-2:-1] == ("CodeableConcept",) for leaf in found)
        rule = self._rule(path, cls, words[1:], made, line)
        self._cell(rule, row, status, f"{kind}.{path}")
        if self.document["recipient"] in OFFERED_TO and (why := outward.element(kind, rule)):
            raise fault(self.name, line, why)
        self.rules.append((kind, rule))
        for leaf in found:
            self._plant(kind, leaf, rule)

    def _rule(self, path: str, cls: str, words: list[str], made: bool, line: int) -> Rule:
        stages = set(STAGES) if "always" in words else {word for word in words if word in STAGES} or {"open"}
        conditions = {word for word in words if word in CONDITIONS}
        if stray := [word for word in words if word not in (*STAGES, *CONDITIONS, "always")]:
            raise fault(self.name, line, f"expected stages or conditions, but found {stray[0]}")
        if ("label" in conditions) != made:
            raise fault(self.name, line, "the text of a code is only ever its label: expected the condition label there, and only there")
        consent = cls != STRUCTURE and self.matrix.rows[str(self.document["recipient"])][cls] in ("C", "c")
        return Rule(path, cls, frozenset(stages), frozenset(conditions), consent, line)

    def _cell(self, rule: Rule, row: Mapping[str, str], status: bool, what: str) -> None:
        if rule.cls == STRUCTURE:
            return
        if "offer" in rule.stages and self.document["recipient"] in OFFERED_TO and not (rule.cls in ("D4", "D5") or status):
            text = f"{what}: an offer shows the need, its deadline and where it stands; {rule.cls} comes with acceptance, open or closed"
            raise fault(self.name, rule.line, text)
        cell = row[rule.cls]
        if cell not in SHOWN or (cell == "s" and not status):
            raise fault(self.name, rule.line, f"{what}: the matrix does not give {rule.cls} to this recipient ({cell})")
        for demanded, condition in (("c", "need"), ("y", "demand")):
            if cell == demanded and condition not in rule.conditions:
                raise fault(self.name, rule.line, f"{what}: the matrix gives {rule.cls} as {cell}, expected the condition {condition}")

    def _plant(self, kind: str, leaf: Leaf, rule: Rule) -> None:
        children = self.trees[kind]
        branch = None
        for step, type_ in zip(leaf.steps, leaf.types, strict=True):
            options = children.setdefault(step.name, [])
            branch = next((option for option in options if option.selector == step.selector), None)
            if branch is None:
                branch = Branch(step.selector, type_)
                options.append(branch)
            children = branch.children
        assert branch is not None
        if branch.rule is not None:
            raise fault(self.name, rule.line, f"{kind}.{rule.path} is listed twice, first on line {branch.rule.line}")
        branch.rule = rule
        if leaf.types[-2:-1] == ("Reference",) and leaf.steps[-1].name == "reference":
            branch.type = "reference"

    # ── card, search, sort ───────────────────────────────────────────────────────────────────────
    def shows(self, kind: str, steps: tuple[Step, ...]) -> bool:
        """Does the allow-list have this path, something in it, or all of what is above it?"""
        options = [Branch("", kind, self.trees.get(kind, {}))]
        for step in steps:
            options = [
                child for option in options for child in option.children.get(step.name, [])
                if not step.selector or child.selector in ("", step.selector)
            ]  # fmt: skip
        return bool(options)

    def _check(self, kind: str, steps: tuple[Step, ...]) -> None:
        exists(kind, ".".join(f"{step.name}[{step.selector}]" if step.selector else step.name for step in steps))
        if not self.shows(kind, steps):
            raise Unlisted(f"{kind}.{'.'.join(step.name for step in steps)} is not listed in resources")

    def _arranged(self, kind: str) -> dict[str, Entry]:
        """The view's own card or line of a list, every path of it listed; or a shared one, as far as this view lists its paths."""
        said = self.document.get(kind)
        shared = self.cards.get(said) if isinstance(said, str) else None
        if isinstance(said, str) and not isinstance(shared, Mapped):
            raise fault(self.name, self._line(kind), f"expected a card of {CARDS} ({', '.join(self.cards)}), but found {said}")
        section, name = (self._section(kind), self.name) if shared is None else (shared, CARDS)
        entries = {}
        for key, value in section.items():
            try:
                entry = compile_entry(value, self._check) if shared is None else compile_shared(value, self._check)
            except ValueError as error:
                raise fault(name, section.lines[key], f"{kind} {key}: {error}") from error
            if entry is not None:
                entries[key] = entry
        return entries

    def _searches(self) -> dict[str, tuple[str, ...]]:
        section = self._section("search")
        return {kind: self._searched(kind, names, section.lines[kind]) for kind, names in section.items()}

    def _searched(self, kind: str, names: Any, line: int) -> tuple[str, ...]:
        known = {param: path for param, path in SEARCHED.get(kind, {}).items() if self.shows(kind, tuple(map(Step, path.split("."))))}
        return self._known(f"search of {kind}", names, known, line)

    def _sorted(self) -> tuple[str, ...]:
        known = [key for key, path in SORTED.items() if self.shows("Task", tuple(map(Step, path.split("."))))]
        return self._known("sort", self.document.get("sort"), known, self._line("sort"))
