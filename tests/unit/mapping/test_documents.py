"""Documents that are refused, each naming its file and line; parts; and the documents of this repository line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.errors import MappingError
from adapter.mapping import Mapping, Terms, check, compile_document, load
from tests.unit.mapping.records import DOCUMENTS, MAPPINGS, context
from tests.unit.mapping.small import TERMS, document, make


@pytest.mark.parametrize(("record", "template", "rest", "line", "says"), [
    ("a: {type: lin}", "", "", 8, "unknown type 'lin'; near: line"),
    ("a: {type: line, requird: true}", "", "", 8, "near: required"),
    ("a: {type: line, table: fruit}", "", "", 8, "does not take 'table'"),
    ("a: {type: code, table: fruits}", "", "", 8, "near: fruit"),
    ("a: {type: code, table: fruit, map: {x: pome}}", "", "", 8, "near: pomme"),
    ("a: {type: code, table: fruit, default: tout}", "", "", 8, "default"),
    ("a: {type: date, latest: soon}", "", "", 8, "only `now`"),
    ("a: {type: date, precision: hour}", "", "", 8, "year, month or day"),
    ("a: {type: choice}", "", "", 8, "`of` or `map`"),
    ("a: {type: line, required: maybe}", "", "", 8, "required"),
    ("a: {type: line, list: {min: 3, max: 2}}", "", "", 8, "min ≤ max"),
    ("g: {fields: {a: {type: line}}}", "", "", 8, "list: {max: …}"),
    ("a: {type: line, unless: nir_authorised}", "", "", 8, "beside never"),
    ("a: {type: line}", "", "", 8, "does not come back"),
    ("a: {type: line, one_way: so}", "a: $a", "", 8, "one_way is not true"),
    ("a: {type: line, owner: liaison}", "", "", 8, "nothing under `answer`"),
    ("a: {type: line, owner: both}", "a: $a", "", 8, "nothing under `answer`"),
    ("a: {type: choice, of: [x, y], default: x, given_back: $id}", "a: $a", "", 8, "not beside a default"),
    ("a: {type: line, given_back: $b}", "a: $a", "", 8, "unknown name $b"),
    ("a: {type: line, instead_of: idd}", "a: $a", "", 8, "near: id"),
    ("a: {type: code, table: fruit, map: sason}", "a: $a", "", 8, "near: season"),
    ("", "", "about: {reference: $id, outcomes: {of: $id, need: a, outcome: b, result: c}, ends: $id}\n", 6, "no field 'a'"),
    ("", "a: $b", "", 12, "unknown name $b"),
    ("", "a: $nothing/x", "", 12, "expected $name"),
    ("", "a: $url/snomd", "", 12, "near: snomed"),
    ("", "a: {$wen: $id, b: c}", "", 12, "near: $when"),
    ("", "a: [{$each: 3, b: c}]", "", 12, "$each"),
    ("", "a: {$each: $id, b: $it}", "", 12, "in an entry of a list"),
    ("", "a: []", "", 12, "empty list"),
    ("", "a: {}", "", 12, "without elements"),
    ("", "a: null", "", 12, "expected a value"),
    ("", "a: {$base64: $id, b: c}", "", 12, "stands alone"),
    ("", "$key: status", "", 12, "no element with constants"),
    ("", "a: [{$when: $id or $id, b: c}]", "", 12, "a condition is"),
    ("", "", "let: {x: $id}\n", 6, "nothing uses the name 'x'"),
    ("", "x: $x", "let: {x: {frist: [$id]}}\n", 6, "expected one of"),
    ("", "x: $id.given", "let: {id: {first: [$id]}}\n", 6, "is taken"),
    ("", "", "parts: [nothing]\n", 6, "no part 'nothing'"),
    ("", "", "rules: [{when: $id, path: idd, text: x}]\n", 6, "near: id"),
    ("", "", "sections: 3\n", 6, "does not know 'sections'"),
])  # fmt: skip
def test_document_is_refused_naming_file_and_line(record: str, template: str, rest: str, line: int, says: str) -> None:
    with pytest.raises(MappingError) as refused:
        document(record, template, rest=rest)
    assert says in str(refused.value)
    assert refused.value.document == f"m.yaml:{line + (1 if rest and line > 6 else 0)}"


@pytest.mark.parametrize(("text", "says"), [
    ("", "empty"), ("a: 1\na: 2\n", "twice"), ("a: &x 1\nb: *x\n", "anchors"), ("a: [", "YAML"), ("- a\n", "keys and values"),
    ("[a]: 1\n", "plain key"), ("a: " + "[" * 70 + "]" * 70, "deeper"), ("a: " + "x" * 1_000_001, "at most"),
])  # fmt: skip
def test_document_is_refused_when_it_is_no_plain_yaml(text: str, says: str) -> None:
    with pytest.raises(MappingError, match=says):
        compile_document(text, name="m.yaml", terms=TERMS)


def test_document_keeps_words_as_they_are_written() -> None:
    assert make(document(template='a: no\nb: 2026-03-06\nc: 07\nd: 12\ne: true\nf: "12"\ng: 1.10')) | {} == {
        "resourceType": "Basic", "identifier": [{"value": "r1"}],
        "a": "no", "b": "2026-03-06", "c": "07", "d": 12, "e": True, "f": "12", "g": "1.10",
    }  # fmt: skip


PART = """part: p
expects: {who: required, more: optional}
resources:
  other: {resourceType: Other, who: $who, more: [{$each: $more, a: $it.b}]}
"""


def test_part_makes_its_resources_with_the_names_it_is_handed() -> None:
    mapping = document(rest="parts: [p]\nlet: {who: $id}\n", parts={"p": PART})
    assert mapping.to_fhir({"id": "r1"}, context=context()).resources[1] == {"resourceType": "Other", "who": "r1"}


@pytest.mark.parametrize(("rest", "part", "place", "says"), [
    ("parts: [p]\n", PART, "parts/p.yaml:2", "derive it under `let`"),
    ("parts: [p]\nlet: {who: $id}\n", PART.replace("more: opt", "less: optional, more: opt"), "parts/p.yaml:2", "does not use $less"),
    ("parts: [p]\nlet: {who: $id}\n", PART.replace("who: $who", "who: $id"), "parts/p.yaml:2", "the part uses $id"),
    ("parts: [p]\nlet: {who: $id}\n", PART.replace("part: p", "part: q"), "parts/p.yaml:1", "part: p"),
])  # fmt: skip
def test_part_is_refused_with_its_own_file_and_line(rest: str, part: str, place: str, says: str) -> None:
    with pytest.raises(MappingError) as refused:
        document(rest=rest, parts={"p": part})
    assert says in str(refused.value) and refused.value.document == place


# ── the documents of this repository ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_does_what_its_examples_say(name: str) -> None:
    assert check(DOCUMENTS[name]) == []


def _without(text: str, at: int) -> str:
    """The text without line `at` and what is nested under it."""
    lines = text.splitlines(keepends=True)
    depth = len(lines[at]) - len(lines[at].lstrip())
    end = at + 1
    while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > depth:
        end += 1
    return "".join(lines[:at] + lines[end:])


def _lines(text: str) -> list[int]:
    """The lines that say something, up to the examples."""
    lines = text.splitlines()
    last = next((at for at, line in enumerate(lines) if line.startswith("examples:")), len(lines))
    return [at for at in range(last) if lines[at].strip() and not lines[at].lstrip().startswith("#")]


def _fails(texts: dict[str, str], parts: dict[str, str], terms: Terms) -> bool:
    try:
        return any(check(compile_document(text, name=name, terms=terms, parts=parts)) for name, text in texts.items())
    except MappingError as error:
        return bool(error.document)


PARTS = {each.stem: each.read_text(encoding="utf-8") for each in sorted((MAPPINGS / "parts").glob("*.yaml"))}


@pytest.mark.parametrize("name", [*DOCUMENTS, *(f"parts/{part}" for part in PARTS)])
def test_document_line_cannot_be_taken_out_without_a_check_that_fails(name: str) -> None:
    terms = Terms.load(MAPPINGS / "terms")
    texts = {each: (MAPPINGS / f"{each}.yaml").read_text(encoding="utf-8") for each in DOCUMENTS}
    assert not _fails(texts, PARTS, terms)
    part = name.removeprefix("parts/")
    broken, idle = texts.get(name) or PARTS[part], []
    for at in _lines(broken):
        less = _without(broken, at)
        if not (_fails({name: less}, PARTS, terms) if name in texts else _fails(texts, PARTS | {part: less}, terms)):
            idle.append(f"{name}:{at + 1}: {broken.splitlines()[at]}")
    assert idle == []


def test_load_names_a_file_that_is_called_otherwise(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "terms").mkdir()
    (tmp_path / "other.yaml").write_text(document().tree.place and SMALL, encoding="utf-8")
    with pytest.raises(MappingError, match="other"):
        load(tmp_path)


@pytest.mark.parametrize(("name", "place"), [("m.yaml", "m.yaml:2"), ("parts/p.yaml", "parts/p.yaml:2"), ("terms/t.yaml", "terms/t.yaml:2")])
def test_load_names_the_line_that_is_not_utf8_in_documents_parts_and_tables(tmp_path: Path, name: str, place: str) -> None:
    for folder in ("terms", "parts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "m.yaml").write_text(SMALL, encoding="utf-8")
    (tmp_path / name).write_bytes(b"mapping: m\ntitle: \xe9t\xe9\n")
    with pytest.raises(MappingError, match="expected text in UTF-8") as caught:
        load(tmp_path)
    assert caught.value.document == place


def test_load_leaves_files_of_other_rooms_alone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "terms").mkdir()
    (tmp_path / "ownership.yaml").write_text("rules: []\n", encoding="utf-8")
    assert load(tmp_path) == {}


SMALL = """mapping: m
version: 1
title: {fr: M, en: M}
unmapped: drop
id: id
record: {id: {type: id, required: true}}
resources: {basic: {resourceType: Basic, identifier: [{value: $id}]}}
"""


def test_check_asks_for_examples() -> None:
    (failure,) = check(compile_document(SMALL, name="m.yaml", terms=TERMS))
    assert "examples" in failure.text


@pytest.mark.parametrize(
    ("example", "says"),
    [
        ("record: {id: a}, resources: [{resourceType: Basic, identifier: [{value: b}]}]", "resources[0] differs at .identifier[0].value"),
        ("record: {id: a}, resources: []", "expected 0 resources"),
        ("record: {id: a}, holds: [{resourceType: Basic, status: x}]", "no Basic has all of this"),
        ("record: {id: a}, types: [Task]", "other types than ['Basic']"),
        ("record: {id: a}, back: {id: b}", "the way back differs at .id"),
        ("record: {id: a, more: 1}", "expected warnings at [], but found ['?']"),
        ("record: {id: a}, refused: true", "opposite of refused"),
        ("record: {}", "expected problems at []"),
        ("record: {id: a}, problems: [id]", "expected problems at ['id']"),
        ("record: {id: a}, answers: [{resources: [{resourceType: Task}], record: {id: b}}]", "answers[0] differs at .id"),
    ],
)
def test_check_says_where_an_example_and_the_document_differ(example: str, says: str) -> None:
    mapping: Mapping = compile_document(f"{SMALL}examples:\n  - {{name: one, {example}}}\n", name="m.yaml", terms=TERMS)
    failure, *_ = check(mapping)
    assert says in failure.text and failure.place == "m.yaml:9" and failure.example == "one"


def test_check_names_a_value_that_no_example_makes() -> None:
    text = SMALL.replace("record: {", "record: {a: {type: line}, ").replace("[{value: $id}]", "[{value: $id}], code: $a")
    (failure,) = check(compile_document(f"{text}examples: [{{name: one, record: {{id: a}}}}]\n", name="m.yaml", terms=TERMS))
    assert (failure.text, failure.place) == ("no example makes basic.code", "m.yaml:7")
