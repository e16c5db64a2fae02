"""`liaison consent check`: vectors on the command line; no JSON whatsoever makes it raise."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from adapter.cli.consent import printable
from adapter.cli.program import program
from adapter.consent import are_vectors, run_vectors

VECTORS = Path(__file__).parents[2] / "vectors" / "consent"
RULES: list[dict[str, Any]] = json.loads((VECTORS / "rules.json").read_text("utf-8"))
RUNNER = CliRunner()


def check(*files: Path | str, input: str | None = None) -> Any:
    return RUNNER.invoke(program(), ["consent", "check", *map(str, files)], input=input)


def written(folder: Path, content: Any, name: str = "vectors.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return folder / name


def test_consent_check_passes_every_vector_of_ours() -> None:
    every = sorted(VECTORS.glob("*.json"))
    result = check(*every)
    assert result.exit_code == 0, result.output
    total = sum(len(json.loads(file.read_text("utf-8"))) for file in every)
    assert result.stdout == f"{total} passed, 0 failed\n"


@pytest.mark.shared
def test_consent_check_passes_every_shared_vector(shared: Path) -> None:
    result = check(*sorted((shared / "data" / "consent").glob("*.json")))
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("54 passed, 0 failed\n")


def test_consent_check_names_the_failing_vector_with_what_was_visible_and_why(tmp_path: Path) -> None:
    wrong = {**RULES[1], "id": "wrong", "expect_visible": []}
    result = check(written(tmp_path, [RULES[0], wrong]))
    assert result.exit_code == 1
    assert result.stdout == "FAILED wrong: visible sr1; expected nothing\n  sr1: permit, S1 (permit), by Consent/c1\n1 passed, 1 failed\n"


def test_consent_check_ignores_other_keys_and_adds_up_files(tmp_path: Path) -> None:
    one = written(tmp_path, [{**RULES[0], "note": {"any": ["thing"]}, "source": 4}], "one.json")
    result = check(one, written(tmp_path, RULES[:3], "two.json"))
    assert (result.exit_code, result.stdout) == (0, "4 passed, 0 failed\n")


@pytest.mark.parametrize("content", ["", "{", "{}", "3", '"x"', "null", '{"id": "a"}', "[1]", "[[]]", '[{"id": "a"}]', "[" * 100_000, "1" * 6000])
def test_consent_check_exits_2_when_a_file_is_no_list_of_vectors(tmp_path: Path, content: str) -> None:
    result = check(written(tmp_path, content))
    assert result.exit_code == 2
    assert "expected a JSON list of vectors" in result.stderr
    assert result.stdout == "0 passed, 0 failed\n"


def test_consent_check_exits_2_when_one_file_of_several_is_no_list_and_tells_the_others(tmp_path: Path) -> None:
    result = check(written(tmp_path, "{}", "bad.json"), written(tmp_path, RULES[:2], "good.json"))
    assert (result.exit_code, result.stdout) == (2, "2 passed, 0 failed\n")


def test_consent_check_fails_a_vector_without_expectation_among_others(tmp_path: Path) -> None:
    result = check(written(tmp_path, [RULES[0], {"id": "bare"}]))
    assert result.exit_code == 1
    assert "Expected an object with a list expect_visible" in result.stdout


@pytest.mark.parametrize("entry", ["3", "null", '"x"', "[]", "[[{}]]", "1" * 6000, "[" * 3000 + "]" * 3000])
def test_consent_check_fails_an_entry_that_is_no_object_and_decides_the_others(tmp_path: Path, entry: str) -> None:
    good = json.dumps(RULES[0])
    result = check(written(tmp_path, f"[{good},{entry},{good}]"))
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == "FAILED #1: visible nothing; expected nothing\n  Expected an object with a list expect_visible\n2 passed, 1 failed\n"


@pytest.mark.parametrize("levels", [6, 489, 490, 1000, 50_000])
def test_consent_check_S16_refuses_a_vector_however_deep_and_decides_the_others(tmp_path: Path, levels: int) -> None:
    """The permit of another Consent does not help: what is not read may deny."""
    permit = next(one for one in RULES if one["id"] == "S1-permit-permits")
    deep = json.dumps({**permit["consents"][0], "id": "deep", "provision": "HERE"})
    rule = '{"type":"permit","provision":[' * levels + '{"type":"permit"}' + "]}" * levels
    consents = f"[{json.dumps(permit['consents'][0])},{deep}]".replace('"HERE"', rule)
    vector = json.dumps({**permit, "id": "deep", "consents": "HERE"}).replace('"HERE"', consents)
    result = check(written(tmp_path, f"[{json.dumps(permit)},{vector},{json.dumps(permit)}]"))
    assert result.exit_code == 1 and result.stdout.endswith("2 passed, 1 failed\n"), result.output
    assert "FAILED deep: visible nothing; expected sr1\n  sr1: deny, S16 (nesting), by Consent/deep\n" in result.stdout


def test_consent_check_passes_an_empty_list(tmp_path: Path) -> None:
    result = check(written(tmp_path, "[]"))
    assert (result.exit_code, result.stdout) == (0, "0 passed, 0 failed\n")


def test_consent_check_reads_standard_input() -> None:
    result = check("-", input=json.dumps(RULES[:2]))
    assert (result.exit_code, result.stdout) == (0, "2 passed, 0 failed\n")


def test_consent_check_takes_the_zone_of_dates(tmp_path: Path) -> None:
    vector = next(one for one in RULES if one["id"] == "S5-last-day-lasts-until-midnight")
    file = written(tmp_path, [vector])
    assert check(file).exit_code == 0
    assert RUNNER.invoke(program(), ["consent", "check", str(file), "--zone", "Europe/Paris"]).exit_code == 1


def test_consent_check_shows_no_control_character_of_a_vector(tmp_path: Path) -> None:
    result = check(written(tmp_path, [{"id": "a\x1b[31m\n\udcff", "expect_visible": ["b\u2028"]}]))
    assert result.exit_code == 1
    assert result.stdout.startswith("FAILED a\\x1b[31m\\n\\udcff: visible nothing; expected b\\u2028\n")


def test_printable_escapes_what_the_encoding_lacks() -> None:
    class Ascii:
        encoding = "ascii"

    assert printable("dû", Ascii()) == "d\\xfb"


@pytest.mark.parametrize(
    ("document", "expected"),
    [([], True), ([{"expect_visible": []}], True), ([{"expect_visible": []}, {}], True), ([{}], False), ([{"expect_visible": "x"}], False),
     ([{"expect_visible": []}, 3], True), ([3, []], False), ({"expect_visible": []}, False), (None, False)],
)  # fmt: skip
def test_are_vectors_tells_lists_of_vectors_from_other_json(document: Any, expected: bool) -> None:
    assert are_vectors(document) is expected


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A vector of ours with a few parts replaced, dropped, doubled or swapped."""
    root = [copy.deepcopy(draw(st.sampled_from(RULES)))]
    for _ in range(draw(st.integers(1, 5))):
        holders, rest = [], [root]
        while rest:
            node: Any = rest.pop()
            if isinstance(node, dict | list) and node:
                holders.append(node)
                rest += node.values() if isinstance(node, dict) else node
        if not holders:
            break
        holder: Any = draw(st.sampled_from(holders))
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        match draw(st.sampled_from(["replace", "drop", "double", "wrap"])):
            case "replace":
                holder[key] = draw(anything)
            case "drop":
                del holder[key]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case _:
                holder[key] = [holder[key]]
    return root


@given(mutated() | anything)
@settings(max_examples=300)
def test_consent_P7_check_never_raises_whatever_the_json(document: Any) -> None:
    passed, failures = run_vectors(document)
    assert passed + len(failures) == (len(document) if isinstance(document, list) else 1)
    assert all(isinstance(line, str) for failure in failures for line in (failure.id, *failure.why, *failure.visible, *failure.expected))


@given(mutated() | anything)
@settings(max_examples=15)
def test_consent_check_ends_by_itself_whatever_the_json(tmp_path_factory: pytest.TempPathFactory, document: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "any.json"
    file.write_text(json.dumps(document), "utf-8")
    result = check(file)
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code in (0, 1, 2)
    assert result.stdout.splitlines()[-1].endswith("failed")


def test_run_vectors_fails_ids_that_are_no_text_when_expected() -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    passed, [failure] = run_vectors([{"id": deep, "expect_visible": [deep]}])
    assert (passed, failure.id, failure.why) == (0, "#0", ("Expected ids, as text, in expect_visible",))


def test_run_vectors_takes_a_purpose_it_cannot_read_as_one_that_nothing_covers() -> None:
    vector = copy.deepcopy(next(one for one in RULES if one["id"] == "S8-permit-covers-each-by-another"))
    vector["request"]["purpose"].append(3)
    assert run_vectors([{**vector, "expect_visible": []}])[0] == 1


def test_run_vectors_knows_no_tree_for_a_purpose_of_no_system() -> None:
    vector = copy.deepcopy(next(one for one in RULES if one["id"] == "S8-deny-leaves-other-branches"))
    vector["request"]["purpose"], vector["expect_visible"] = ["OWN"], []
    assert run_vectors([vector])[0] == 1
