"""The language itself, on documents of a few lines: what it makes, reads back and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.mapping import RecordRefused, compile_document
from adapter.names import Systems
from tests.unit.mapping.records import context
from tests.unit.mapping.small import HEAD, TERMS, both, document, make, problems


# ── templates ────────────────────────────────────────────────────────────────────────────────────
def test_template_leaves_out_an_object_whose_values_are_all_missing() -> None:
    mapping = document("tel: {type: line}", "telecom: [{system: phone, value: $tel}]")
    assert "telecom" not in make(mapping)
    assert make(mapping, tel="1")["telecom"] == [{"system": "phone", "value": "1"}]


def test_template_keeps_the_order_of_the_document() -> None:
    made = make(document("a: {type: line}", "status: x\nfirst: $a\nlast: {deep: [y]}"), a="1")
    assert list(made) == ["resourceType", "identifier", "status", "first", "last"]


def test_template_makes_fresh_objects_each_time() -> None:
    mapping = document(template="meta: {tag: [{code: x}]}")
    one = make(mapping)
    one["meta"]["tag"][0]["code"] = "changed"
    one["identifier"].append("more")
    assert make(mapping) == {"resourceType": "Basic", "identifier": [{"value": "r1"}], "meta": {"tag": [{"code": "x"}]}}


def test_template_reads_a_dollar_and_a_sentence() -> None:
    mapping = document("a: {type: line}", 'price: $$5\nsays: "<${a}>"')
    assert make(mapping, a="x") | {} == {"resourceType": "Basic", "identifier": [{"value": "r1"}], "price": "$5", "says": "<x>"}
    assert both(mapping, a="x") == {"a": "x"}
    assert "says" not in make(mapping)


def test_template_reads_two_names_of_a_sentence_apart_by_what_stands_between() -> None:
    mapping = document("a: {type: line}\nb: {type: line}", 'says: "${a}/${b}."')
    assert make(mapping, a="x", b="y")["says"] == "x/y."
    assert both(mapping, a="x", b="y") == {"a": "x", "b": "y"}


def test_template_reads_no_sentence_that_is_another() -> None:
    mapping = document("a: {type: line}", 'says: "Patient/${a}"')
    assert (
        mapping.from_fhir([{"resourceType": "Basic", "says": "Group/1"}, {"resourceType": "Other", "says": "Patient/2"}], context=context())
        == {}
    )


def test_template_names_systems_under_the_configured_base() -> None:
    mapping = document(template="a: $sid/request\nb: $code/fruit\nc: $url/snomed\nd: $profile/Task\ne: $mapping.source")
    made = mapping.to_fhir({"id": "r1"}, context=context(systems=Systems("https://x.example"))).resources[0]
    assert [made[key] for key in "abcde"] == [
        "https://x.example/sid/request", "https://x.example/CodeSystem/fruit", "http://snomed.info/sct",
        "http://hl7.org/fhir/us/sdoh-clinicalcare/StructureDefinition/SDOHCC-TaskForReferralManagement", "https://x.example/mapping/m/3",
    ]  # fmt: skip


def test_template_tells_entries_of_a_list_apart_by_their_constants_whatever_their_order() -> None:
    mapping = document("a: {type: line}\nb: {type: line}", "name: [{use: usual, family: $a}, {use: official, family: $b}]")
    resource = make(mapping, a="x", b="y")
    resource["name"].reverse()
    assert mapping.from_fhir([resource], context=context()) == {"id": "r1", "a": "x", "b": "y"}


def test_template_tells_entries_without_constants_apart_by_their_order() -> None:
    mapping = document("a: {type: line}\nb: {type: line}", "line: [$a, $b]")
    assert make(mapping, a="x", b="y")["line"] == ["x", "y"]
    assert both(mapping, a="x", b="y") == {"a": "x", "b": "y"}


def test_template_repeats_an_entry_for_each_value_and_gathers_them_again() -> None:
    mapping = document("a: {type: line, list: {max: 3}}", "code: [{system: other}, {$each: $a, system: mine, value: $it}]")
    assert make(mapping, a=["x", "y"])["code"] == [{"system": "other"}, {"system": "mine", "value": "x"}, {"system": "mine", "value": "y"}]
    assert both(mapping, a=["x", "y"]) == {"a": ["x", "y"]}
    assert both(mapping) == {}


def test_template_repeats_groups_with_their_fields() -> None:
    template = "part: [{$each: $g, $as: one, a: $one.a, b: $one.b}]"
    mapping = document("g: {list: {max: 3}, fields: {a: {type: line}, b: {type: line}}}", template)
    rows = [{"a": "x", "b": "y"}, {"b": "z"}]
    assert make(mapping, g=rows)["part"] == rows
    assert both(mapping, g=rows) == {"g": rows}


def test_template_when_makes_a_constant_only_then_and_reads_it_as_the_word() -> None:
    mapping = document("safe: {type: choice, of: [oui, non], default: oui}", "flag: [{$when: $safe = non, code: stop}]")
    assert "flag" not in make(mapping)
    assert make(mapping, safe="non")["flag"] == [{"code": "stop"}]
    assert both(mapping, safe="non") == {"safe": "non"}
    assert both(mapping) == {"safe": "oui"}


def test_template_codes_text_as_base64_and_its_sha1() -> None:
    mapping = document("a: {type: line, one_way: it is coded}", "x: {$base64: $a}\ny: {$sha1: $a}")
    made = make(mapping, a="é")
    assert (made["x"], made["y"]) == ("w6k=", "vxW+cXrBsIC08cRWaSgliR/1Bz0=")


# ── derived names ────────────────────────────────────────────────────────────────────────────────
def test_let_first_takes_the_first_that_is_there_and_goes_back_to_the_first_field() -> None:
    mapping = document("a: {type: line}", "x: $b", rest="let: {b: {first: [$a, plain]}}\n")
    assert make(mapping)["x"] == "plain"
    assert both(mapping, a="y") == {"a": "y"}


def test_let_choose_takes_the_first_line_that_holds() -> None:
    rest = "let: {b: {choose: [{when: $a = x and $c, is: both}, {when: not $a, is: none}, {when: $a != x}, {is: other}]}}\n"
    mapping = document("a: {type: line}\nc: {type: line}", "a: $a\nc: $c\nx: $b", rest=rest)
    assert [make(mapping, **record).get("x") for record in ({"a": "x", "c": "1"}, {}, {"a": "y"}, {"a": "x"})] == [
        "both",
        "none",
        None,
        "other",
    ]


def test_let_property_gives_distinct_values_and_the_highest() -> None:
    rest = "let: {k: {property: kind, table: fruit, of: $f}, s: {property: season, table: fruit, of: $f, highest: [printemps, automne]}}\n"
    template = "f: [{$each: $f, code: $it}]\nk: [{$each: $k, code: $it}]\ns: $s"
    mapping = document("f: {type: code, table: fruit, list: {max: 5}}", template, rest=rest)
    made = make(mapping, f=["fraise", "pomme", "poire"])
    assert ([each["code"] for each in made["k"]], made["s"]) == (["a", "b"], "automne")
    assert make(mapping, f=["fraise"]).keys() == {"resourceType", "identifier", "f", "s"}


def test_let_label_and_time_words() -> None:
    rest = "let: {l: {label: fruit, of: $f}, said: {french: $t}, end: {later: $t, minutes: 45}}\n"
    mapping = document("f: {type: code, table: fruit}\nt: {type: instant}", "f: $f\nt: $t\nl: $l\nsaid: $said\nend: $end", rest=rest)
    made = make(mapping, f="fraise", t="2026-03-01T23:30")
    assert (made["l"], made["said"], made["end"]) == ("Fraise des bois", "1er mars 2026 à 23 h 30", "2026-03-02T00:15:00+01:00")


def test_lookup_refuses_a_unit_that_the_network_does_not_know_at_the_field_it_came_from() -> None:
    mapping = document("u: {type: key}", "owner: $x.service", rest="let: {key: $u, x: {lookup: unit, of: $key}}\n")
    assert problems(mapping, u="nobody") == [("u", "expected the key of a unit of the network")]
    assert make(mapping, u="coursier-rouen")["owner"] == "HealthcareService/coursier-rouen"
    assert both(mapping, u="coursier-rouen") == {"u": "coursier-rouen"}


def test_repeated_resources_are_made_for_each_lot_and_read_back_together() -> None:
    text = (
        HEAD
        + """unmapped: refuse
record:
  id: {type: id, required: true}
  f: {type: code, table: fruit, list: {max: 5}}
let: {lots: {split: $f, table: fruit, alone: {season: automne}}}
resources:
  lot:
    $each: $lots
    $let: {names: {label: fruit, of: $lot}}
    $resources:
      one:
        resourceType: Basic
        id: $one.id
        identifier: [{value: $id}]
        names: $names
        code: [{$each: $lot, code: $it}]
        text: [{$when: $lot.last, is: $id}]
"""
    )
    mapping = compile_document(text, name="m.yaml", terms=TERMS)
    made = mapping.to_fhir({"id": "r1", "f": ["pomme", "fraise", "poire"]}, context=context()).resources
    assert [(each["id"], each["names"], "text" in each) for each in made] == [
        ("id-1", "Fraise des bois", False), ("id-2", "Pomme", False), ("id-3", "Poire", True),
    ]  # fmt: skip
    assert mapping.from_fhir(made, context=context()) == {"id": "r1", "f": ["fraise", "pomme", "poire"]}


def test_answers_are_read_and_never_taken_from_a_record() -> None:
    text = (
        HEAD
        + """unmapped: refuse
record:
  id: {type: id, required: true}
  reply: {type: line, owner: liaison}
resources: {basic: {resourceType: Basic, identifier: [{value: $id}]}}
answer: {resources: {task: {resourceType: Task, status: $status}}, let: {reply: {choose: [{when: $status = done, is: finished}]}}}
"""
    )
    mapping = compile_document(text, name="m.yaml", terms=TERMS)
    mapped = mapping.to_fhir({"id": "r1", "reply": "mine"}, context=context())
    assert (mapped.dropped, [remark.record_path for remark in mapped.warnings]) == (["reply"], ["reply"])
    assert mapping.from_fhir([*mapped.resources, {"resourceType": "Task", "status": "done"}], context=context()) == {
        "id": "r1",
        "reply": "finished",
    }


# ── what a record may hold ───────────────────────────────────────────────────────────────────────
def test_record_refuses_a_field_it_does_not_know_naming_the_near_one_and_never_its_value() -> None:
    mapping = document("telephone: {type: phone}", "t: $telephone")
    ((path, text),) = problems(mapping, telefone="0639980001")
    assert path == "?" and "number 2 of its object" in text and "near: telephone" in text
    assert "telefone" not in text and "0639980001" not in text


@pytest.mark.parametrize("key", ["1 38 02 Dupont", "Zyxdurand", "zyx_durand", "telephone2", "Telephone", ""])
def test_record_does_not_repeat_a_key_that_it_does_not_know(key: str) -> None:
    """It may be somebody's name, whatever it looks like."""
    ((path, text),) = problems(document("telephone: {type: phone}", "t: $telephone"), **{key: "x"})
    assert path == "?" and (not key or key not in text)


def test_record_drops_what_it_does_not_know_with_a_warning_when_unmapped_says_drop() -> None:
    mapped = document(unmapped="drop").to_fhir({"id": "r1", "more": 1}, context=context())
    assert (mapped.dropped, mapped.warnings[0].record_path, mapped.warnings[0].document_place) == (["?"], "?", "m.yaml:7")


def test_record_collects_every_problem_with_both_paths() -> None:
    group = "g: {b: {type: line, required: true}, c: {type: line, required: here}}"
    fields = f"a: {{type: date}}\n{group}\nl: {{type: line, list: {{min: 1, max: 2}}}}"
    mapping = document(fields, "a: $a\nb: $g.b\nc: $g.c\nl: [{$each: $l, v: $it}]")
    with pytest.raises(RecordRefused) as refused:
        mapping.to_fhir({"a": "2026-02-30", "l": ["x", 3]}, context=context())
    found = {(error.path, error.document) for error in refused.value.problems}
    assert found == {("id", "m.yaml:7"), ("a", "m.yaml:8"), ("g.b", "m.yaml:9"), ("l[1]", "m.yaml:10")}
    assert {issue.expression for issue in refused.value.issues} == {"id", "a", "g.b", "l[1]"}
    assert refused.value.status == 422


def test_record_wants_here_fields_only_when_their_group_is_given() -> None:
    mapping = document("g: {c: {type: line, required: here}, d: {type: line}}", "c: $g.c\nd: $g.d")
    assert both(mapping) == {}
    assert problems(mapping, g={"d": "x"}) == [("g.c", "required")]


def test_record_wants_a_group_that_says_so() -> None:
    assert problems(document("g: {$required: true, c: {type: line}}", "c: $g.c")) == [("g", "required")]


@pytest.mark.parametrize("value", [3, "x", [], None, True])
def test_record_refuses_what_is_no_object(value: Any) -> None:
    with pytest.raises(RecordRefused, match="1 problem"):
        document().to_fhir(value, context=context())


def test_record_refuses_lists_beyond_their_bounds_without_reading_them() -> None:
    mapping = document("l: {type: date, list: {max: 2}}", "l: [{$each: $l, v: $it}]")
    assert problems(mapping, l=["x"] * 1000) == [("l", "expected 0 to 2 entries")]
    assert problems(mapping, l={"a": 1}) == [("l", "expected a list")]


def test_record_names_no_more_than_a_hundred_problems() -> None:
    assert len(problems(document(), **{f"k{chr(97 + at % 26)}{'x' * (at // 26)}": 1 for at in range(300)})) == 100


def test_declined_makes_nothing_and_checks_nothing_else() -> None:
    mapping = document("a: {type: choice, of: [oui, non], one_way: only asked}\nb: {type: date}", "b: $b", rest="declined: $a = non\n")
    mapped = mapping.to_fhir({"id": "r1", "a": "non", "b": "never"}, context=context())
    assert (mapped.refused, mapped.resources, mapped.record_id) == (True, [], "r1")
    assert problems(mapping, a="oui", b="never")


def test_rule_refuses_the_record_at_its_path() -> None:
    rule = "rules: [{when: $a and not $b, path: b, text: b goes with a}]\n"
    mapping = document("a: {type: line}\nb: {type: line}", "a: $a\nb: $b", rest=rule)
    assert problems(mapping, a="x") == [("b", "b goes with a")]
    assert both(mapping, a="x", b="y") == {"a": "x", "b": "y"}


def test_never_drops_and_warns_without_the_value() -> None:
    mapped = document("n: {never: drop, why: nobody needs it}").to_fhir({"id": "r1", "n": {"secret": 1}}, context=context())
    assert mapped.dropped == ["n"] and "nobody needs it" in mapped.warnings[0].text and "secret" not in repr(mapped)


# ── what the tools' records ask for ──────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("typed", "kept"), [(320, 320), (99.5, 99.5), ("99,50", 99.5), ("320", 320), (0, 0), (12.0, 12)])
def test_number_is_read_as_typed_or_as_a_french_form_writes_it(typed: Any, kept: float) -> None:
    assert both(document("a: {type: number, most: 1000}", "a: $a"), a=typed) == {"a": kept}


@pytest.mark.parametrize("typed", [-1, 1001, 1.234, "beaucoup", "1e3", True, [1], float("nan")])
def test_number_that_is_none_is_refused(typed: Any) -> None:
    assert [path for path, _ in problems(document("a: {type: number, most: 1000}", "a: $a"), a=typed)] == ["a"]


def test_count_is_whole() -> None:
    assert [path for path, _ in problems(document("a: {type: count}", "a: $a"), a=1.5)] == ["a"]
    assert both(document("a: {type: count}", "a: $a"), a=3) == {"a": 3}


@pytest.mark.parametrize("typed", [True, False])
def test_bool_comes_back_false_as_well(typed: bool) -> None:
    assert both(document("a: {type: bool}", "a: $a"), a=typed) == {"a": typed}
    assert [path for path, _ in problems(document("a: {type: bool}", "a: $a"), a="oui")] == ["a"]


def test_words_of_a_code_may_be_a_property_of_its_table() -> None:
    mapping = document("a: {type: code, table: fruit, map: season}", "a: $a")
    assert make(mapping, a="automne")["a"] == "pomme" and both(mapping, a="fraise") == {"a": "printemps"} and both(mapping, a="poire") == {"a": "poire"}


def test_value_is_given_back_only_while_its_condition_holds() -> None:
    mapping = document("a: {type: line, given_back: $b = oui}\nb: {type: choice, of: [oui, non]}", "a: $a\nb: $b")
    assert both(mapping, a="x", b="non") == {"b": "non"} and both(mapping, a="x", b="oui") == {"a": "x", "b": "oui"}
    resources = mapping.to_fhir({"id": "r1", "a": "x"}, context=context()).resources
    assert mapping.from_fhir(resources, context=context(), whole=True) == {"id": "r1", "a": "x"}


def test_field_comes_back_instead_of_another() -> None:
    mapping = document("a: {type: line}\nb: {type: line, instead_of: a}", "a: $a\nb: $b")
    assert both(mapping, a="x", b="y") == {"b": "y"} and both(mapping, a="x") == {"a": "x"}


def test_value_becomes_a_list_of_it_alone_and_comes_back() -> None:
    mapping = document("a: {type: line}", "a: [{$each: $all, b: $it}]", rest="let: {all: {listed: $a}}\n")
    assert make(mapping, a="x")["a"] == [{"b": "x"}] and both(mapping, a="x") == {"a": "x"} and "a" not in make(mapping)


def test_required_fields_may_be_lacking_in_a_record_that_came_back() -> None:
    mapping = document("a: {type: line, required: true}", "a: $a")
    assert mapping.to_fhir({"id": "r1"}, context=context(), lacking=True).resources[0] == {"resourceType": "Basic", "identifier": [{"value": "r1"}]}
