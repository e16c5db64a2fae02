"""Mappings: compiled documents, used both ways."""

from __future__ import annotations

from collections.abc import Mapping as ReadOnly
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from adapter.errors import MappingError
from adapter.mapping.compiling import compile_program
from adapter.mapping.context import MapContext, Mapped, RecordRefused, Run
from adapter.mapping.document import Tree, as_list, as_text, as_tree, fault, parse, words
from adapter.mapping.gaps import GAP, gaps
from adapter.mapping.program import Program
from adapter.mapping.record import write
from adapter.mapping.shape import Field
from adapter.mapping.terms import Terms
from adapter.names import Systems
from adapter.ports import Resource

Record = dict[str, Any]


class Mapping:
    """One record kind. Immutable; safe to share between threads.

    `name`, `version`, `title` ({"fr", "en"}), `file`; `fields` the declared fields.
    """

    def __init__(self, tree: Tree, *, parts: ReadOnly[str, Tree], terms: Terms) -> None:
        self.tree, self.terms = tree, terms
        if left := list(gaps(tree)):
            more = f", and {len(left) - 1} more" if len(left) > 1 else ""
            raise fault(left[0], f"a gap to fill{more}: {GAP} stands where only you can say what belongs there")
        wanted = [as_text(node, "parts") for node in as_list(tree.need("parts"), "parts")] if "parts" in tree.entries else []
        answer = tree.get("answer")
        wanted += [as_text(answer.entries["part"], "part")] if isinstance(answer, Tree) and "part" in answer.entries else []
        self.parts = {part: parts[part] for part in parts if part in wanted}
        self._programs: dict[Systems, Program] = {}
        program = self.program(Systems())
        self.name, self.version = program.name, program.version
        self.id_field = program.id_field  # the path of the record's own id
        title = as_tree(tree.need("title"), "title")
        self.title = {lang: as_text(title.need(lang), f"title.{lang}") for lang in ("fr", "en")}
        self.file = tree.place.rpartition(":")[0]
        self.fields: tuple[Field, ...] = tuple(program.shape.fields())

    def program(self, systems: Systems) -> Program:
        """The closures for one base of systems, compiled the first time it is asked for."""
        found = self._programs.get(systems)
        if found is None:
            found = self._programs[systems] = compile_program(self.tree, self.parts, self.terms, systems)
        return found

    def to_fhir(self, record: Record, *, context: MapContext, lacking: bool = False) -> Mapped:
        """The resources of one record, or `refused` when the person said no. `lacking`: fields that are required may be missing, as in a
        record that came back from resources which do not tell them.

        `record` is parsed JSON. Raises RecordRefused (422) with every problem at once: the path in the record,
        the place in the document, what was expected, never a value.
        """
        return run_record(self.program(context.systems), record, context, lacking=lacking)

    @property
    def is_about(self) -> bool:
        """Whether its records tell about a referral that is here already."""
        return "about" in self.tree.entries

    def about(self, record: Record) -> str:
        """The reference of the referral that the record tells about, as it is written there; "" where it says none."""
        found = record.get(as_text(as_tree(self.tree.need("about"), "about").need("reference"), "reference").removeprefix("$"))
        return found if isinstance(found, str) else ""

    def from_fhir(self, resources: Sequence[Resource], *, context: MapContext, whole: bool = False) -> Record:
        """The record as far as these resources tell it: what is not found is left out, and what is not given back as things stand
        (`whole`: that too). Pass the resources of one record: its Patient, requests, tasks, consents, provenances (and outcomes, for
        the answer). Pure; raises nothing for valid resources."""
        program, run = self.program(context.systems), Run(context)
        return write(program.shape, program.read(list(resources), run, whole=whole), run)[0]


def run_record(program: Program, record: Record, context: MapContext, *, lacking: bool = False) -> Mapped:
    """One record through one program: read, derive, check the rules, make."""
    run = Run(context)
    env = program.facts(run)
    program.take(record, env, run, "")
    record_id = str(env.get(program.id_field, ""))
    if program.declined and program.declined(env):
        return Mapped([], [], [], record_id, refused=True)
    program.give_ids(env, run)
    for step in program.steps:
        step.run(env, run)
    for rule in program.rules:
        if rule.broken(env):
            run.problem(rule.path, rule.place, rule.text, "business-rule")
    if problems := [each for each in run.problems if not (lacking and each.code == "required")]:
        raise RecordRefused(problems, name=program.name)
    about = program.about.told(env) if program.about else None
    return Mapped(program.make(env, run), run.remarks, run.dropped, record_id, about=about)


def compile_document(text: str, *, name: str, terms: Terms, parts: ReadOnly[str, str] | None = None) -> Mapping:
    """The mapping of one document. `name` is the file name for places; `parts`: texts of shared templates by
    name. Raises MappingError with the file and line at fault."""
    trees = {part: _part(part, body) for part, body in (parts or {}).items()}
    return Mapping(parse(text, name=name), parts=trees, terms=terms)


def _part(part: str, text: str) -> Tree:
    tree = parse(text, name=f"parts/{part}.yaml")
    if as_text(tree.need("part"), "part") != part:
        raise fault(tree, f"expected `part: {part}`, as the file is called")
    return tree


def load_one(folder: Path | Traversable, file: Path) -> Mapping:
    """The document in `file`, whatever the file is called, with the tables and templates of the folder. Raises MappingError."""
    return compile_document(words(file), name=file.name, terms=Terms.load(folder / "terms"), parts=_parts(folder))


def _parts(folder: Path | Traversable) -> dict[str, str]:
    return {each.name.removesuffix(".yaml"): words(each, name=f"parts/{each.name}") for each in _yaml(folder / "parts")}


def load(folder: Path | Traversable) -> dict[str, Mapping]:
    """Every `*.yaml` of the folder that is a mapping document, by its name; code tables from `terms/`, shared
    templates from `parts/`. Raises MappingError with file and line, or for a missing folder."""
    terms, parts = Terms.load(folder / "terms"), _parts(folder)
    found: dict[str, Mapping] = {}
    for each in _yaml(folder):
        text = words(each)
        if not any(line.startswith("mapping:") for line in text.splitlines()):
            continue  # ownership.yaml and the like belong to other rooms
        mapping = compile_document(text, name=each.name, terms=terms, parts=parts)
        if f"{mapping.name}.yaml" != each.name:
            raise MappingError(f"expected the name of the file, {each.name.removesuffix('.yaml')}", document=mapping.tree.places["mapping"])
        found[mapping.name] = mapping
    return found


def _yaml(folder: Path | Traversable) -> list[Path | Traversable]:
    if not folder.is_dir():
        return []
    return sorted((each for each in folder.iterdir() if each.name.endswith(".yaml") and each.is_file()), key=lambda each: each.name)
