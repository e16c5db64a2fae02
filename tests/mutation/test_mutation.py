"""The mutator itself, and a short sample of each target: every mutant of it is found, or has a reason in equivalents.yaml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.mutation.__main__ import EQUIVALENTS, equivalents, mutants, report, sampled
from tests.mutation.documents import of_yaml
from tests.mutation.hot import changed
from tests.mutation.killers import Killers
from tests.mutation.mutants import Mutant, of_python
from tests.mutation.targets import ROOT, TARGETS
from tests.mutation.trial import Outcome

CODE = '''"""Docs stay."""
TABLE = {"a": 1, "b": "TREAT COC"}
Alias = int


def f(x: int, y: str = "n") -> bool:
    """Docs stay."""
    if x < 3 and not y:
        return x == 1
    raise ValueError(f"said {x} is 4")
'''


def made(tmp_path: Path, source: str = CODE) -> list[Mutant]:
    file = tmp_path / "m.py"
    file.write_text(source, "utf-8")
    return list(of_python(file, "m.py"))


def test_of_python_changes_one_thing_at_a_time_and_nothing_that_only_speaks(tmp_path: Path) -> None:
    found = {(one.kind, one.place, one.before, one.after) for one in made(tmp_path)}
    assert found == {
        ("table", "TABLE", "'a'", "(dropped)"), ("table", "TABLE", "'b'", "(dropped)"), ("table", "TABLE", "'a'", "'XXa'"),
        ("table", "TABLE", "'b'", "'XXb'"), ("table", "TABLE", "1", "2"), ("table", "TABLE", "TREAT", "(dropped)"),
        ("table", "TABLE", "COC", "(dropped)"), ("table", "TABLE", "TREAT misspelt", "(dropped)"), ("table", "TABLE", "COC misspelt", "(dropped)"),
        ("code", "f", "'n'", "'XXn'"), ("code", "f", "x < 3 and (not y)", "x < 3 or not y"), ("code", "f", "x < 3", "x <= 3"),
        ("code", "f", "x < 3", "x >= 3"), ("code", "f", "3", "4"), ("code", "f", "not y", "y"), ("code", "f", "return x == 1", "return None"),
        ("code", "f", "x == 1", "x != 1"), ("code", "f", "1", "2"),
    }  # fmt: skip


def test_of_python_leaves_the_rest_of_the_text_as_it_is(tmp_path: Path) -> None:
    for one in made(tmp_path):
        compile(one.text, "m.py", "exec")
        assert one.text != CODE
        assert sum(a != b for a, b in zip(one.text.splitlines(), CODE.splitlines(), strict=True)) == 1


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("def f(a):\n    return [x for x in a if x]\n", "[x for x in a if x]", "[x for x in a]"),
        ("def f(a):\n    return any(x for x in a if x > 1)\n", "(x for x in a if x > 1)", "x for x in a"),
        ("def f(a):\n    return min(a)\n", "min(a)", "max(a)"),
        ("def f(a):\n    return a.startswith('x')\n", "a.startswith('x')", "a.endswith('x')"),
        ("def f(a):\n    return 1 if a else 2\n", "1 if a else 2", "2 if a else 1"),
        ("def f(a):\n    for x in a:\n        continue\n", "continue", "break"),
        ("def f(a):\n    a += 1\n", "a += 1", "pass"),
        ("def f(a):\n    a.append(1)\n", "a.append(1)", "pass"),
        ("def f(a):\n    if a:\n        return a\n    return b\n", "if a: return a", "if not a: return a"),
        ("def f(a, b):\n    return a | b\n", "a | b", "a & b"),
        ("X = ('a', 'b')\n", "'b'", "(dropped)"),
    ],
)
def test_of_python_has_this_fault(tmp_path: Path, source: str, before: str, after: str) -> None:
    found = made(tmp_path, source)
    assert (before, after) in {(one.before, one.after) for one in found}
    for one in found:
        compile(one.text, "m.py", "exec")


def test_of_python_leaves_the_bases_and_decorators_of_a_class_alone(tmp_path: Path) -> None:
    assert {one.before for one in made(tmp_path, "@d(3)\nclass A(dict[str, int]):\n    a: int = 1\n")} == {"1"}


def test_of_python_numbers_twins(tmp_path: Path) -> None:
    keys = [one.key for one in made(tmp_path, "def f(a):\n    return (a == 1, a == 1)\n")]
    assert "m.py f: a == 1 => a != 1" in keys
    assert "m.py f: a == 1 => a != 1 #2" in keys
    assert len(keys) == len(set(keys))


def test_of_yaml_drops_every_entry_and_flips_every_value(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("# said\nshow:\n  - {path: a, need: true}\nversion: 1\n", "utf-8")
    found = list(of_yaml(file, "t.yaml"))
    whole: dict[str, Any] = {"show": [{"path": "a", "need": True}], "version": 1}
    loaded = [yaml.safe_load(one.text) for one in found]
    assert all(one != whole for one in loaded)
    assert {"show": [], "version": 1} in loaded
    assert {"show": [{"path": "XXa", "need": True}], "version": 1} in loaded
    assert {"show": [{"path": "a", "need": False}], "version": 1} in loaded
    assert {"show": [{"path": "a"}], "version": 1} in loaded
    assert {"show": [{"path": "a", "need": True}], "version": 2} in loaded
    assert len(loaded) == 9 - 1
    assert len({one.key for one in found}) == len(found)


def test_sampled_is_spread_evenly_and_the_same_each_time() -> None:
    those = [Mutant("f", "p", str(number), "", "") for number in range(10)]
    assert [one.before for one in sampled(those, 3)] == ["0", "3", "6"]
    assert sampled(those, 0) == sampled(those, 10) == sampled(those, 99) == those


def test_report_wants_95_percent_and_a_reason_for_each_survivor(capsys: pytest.CaptureFixture[str]) -> None:
    those = [Mutant("f", "p", str(number), "x", "") for number in range(40)]
    killed = [Outcome(one, True, "stage 1") for one in those]
    assert report(killed, {})
    one, two, three = (Outcome(those[number], False, "") for number in range(3))
    assert not report([one, *killed[1:]], {})
    assert report([one, *killed[1:]], {those[0].key: "why"})
    assert report([one, two, *killed[2:]], {those[0].key: "a", those[1].key: "b"})
    assert not report([one, two, three, *killed[3:]], {those[number].key: "why" for number in range(3)})
    assert "NO REASON GIVEN" in capsys.readouterr().out


def test_equivalents_name_mutants_that_exist_with_a_reason() -> None:
    there = {one.key for target in TARGETS.values() for one in mutants(target)}
    entries = yaml.safe_load(EQUIVALENTS.read_text("utf-8"))
    assert [entry["mutant"] for entry in entries if entry["mutant"] not in there] == []
    assert len(equivalents()) == len(entries)
    assert all(len(why) > 10 for why in equivalents().values())


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_targets_have_files_and_stages_that_exist(name: str) -> None:
    target = TARGETS[name]
    assert target.paths()
    assert all((ROOT / part).exists() for stage in target.stages for part in stage if part.startswith("tests/"))
    for one in mutants(target)[::7]:
        if one.file.endswith(".py"):
            compile(one.text, one.file, "exec")


def test_tried_tells_who_was_killed_and_by_what(tmp_path: Path) -> None:
    """In a process of its own: what is forked must not have imported the code under test."""
    script = """
import sys
from tests.mutation.mutants import Mutant
from tests.mutation.trial import ROOT, sound, tried
from tests.mutation.warm import warm
path = "adapter/consent/codes.py"
text = (ROOT / path).read_text("utf-8")
stage = [("tests/unit/consent/test_consent_vectors.py", "-k", "all_pass_ours")]
warm([ROOT / path])
assert sound(stage, seconds=60)
said = {one.mutant.place: (one.killed, one.by) for one in tried([
    Mutant(path, "same", "", "", text),
    Mutant(path, "broken", "", "", text.replace('"TREAT": "CLINTRL COC', '"TREAT": "CLINTRL')),
    Mutant(path, "loops", "", "", text + "\\nwhile True: pass\\n"),
], stage, jobs=2, seconds=5)}
print(said)
assert said == {"same": (False, ""), "broken": (True, "stage 1"), "loops": (True, "time")}
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [("def f():\n    return 1\n\ndef g():\n    return 2\n", "def f(): return 3\n\ndef g():\n    return 2\n", "f"),  # all below moves up a line
     ("class A:\n    def f(self):\n        return [x for x in self if x]\n", "class A:\n    def f(self):\n        return [x for x in self]\n", "A.f"),
     ("@d\ndef f():\n    return True\n", "@d\ndef f():\n    return 1\n", "f"), ("X = 1\n", "X = 2\n", None), ("def f(a=1): ...\n", "def f(a=2): ...\n", None),
     ("class A:\n    x = 1\n", "class A:\n    x = 2\n", None), ("X = 1\n", "X = 1\n\n", None), ("@d(1)\ndef f(): ...\n", "@d(2)\ndef f(): ...\n", None),
     ("def f(): return 1\ndef g(): return 1\n", "def f(): return 2\ndef g(): return 2\n", None)],
)  # fmt: skip
def test_changed_is_the_one_function_in_which_two_modules_differ(old: str, new: str, name: str | None) -> None:
    found = changed(compile(old, "m.py", "exec"), compile(new, "m.py", "exec"))
    assert (found and found[0].co_qualname) == name


def test_killers_are_asked_first_that_found_the_function_then_who_calls_it_and_never_who_fails_alone() -> None:
    killers = Killers(lambda test: test != "b.py::broken", lambda mutant: ["a.py::calls", "b.py::broken", "a.py::also"])
    one, other = (Mutant("f.py", place, "1", "2", "") for place in "gh")
    assert killers.first(one) == ["a.py::calls", "a.py::also", "b.py::broken"]
    assert not killers.found(one, "b.py::broken") and killers.first(one) == ["a.py::calls", "a.py::also"]
    assert killers.found(one, "c.py::found") and not killers.found(one, "")
    assert killers.first(one) == ["c.py::found", "a.py::calls", "a.py::also"]
    assert killers.first(other) == ["a.py::calls", "a.py::also", "c.py::found"]


def test_hotly_tells_of_functions_what_an_import_of_the_faulty_file_does_and_leaves_the_rest() -> None:
    script = """
from tests.mutation.hot import hotly
from tests.mutation.mutants import of_python
from tests.mutation.trial import ROOT, tried
from tests.mutation.warm import warm
path = "adapter/moving.py"
mutants = [one for one in of_python(ROOT / path, path)][::7]
stage = [("tests/unit/referral/test_moving.py", "-k", "the_act_of_that_move")]
warm([ROOT / path])
hot = hotly(mutants, stage, jobs=2, seconds=60)
said = {}
while True:
    try:
        outcome = next(hot)
        said[outcome.mutant.key] = outcome.killed
    except StopIteration as ended:
        rest = ended.value
        break
cold = {one.mutant.key: one.killed for one in tried([one for one in mutants if one.key in said], stage, jobs=2, seconds=60)}
assert said == cold and set(cold.values()) == {True, False}, [key for key in cold if cold[key] != said.get(key)]
assert {one.key for one in rest} | said.keys() == {one.key for one in mutants} and rest
assert all(one.place in ("VERBS", "_REASONED", "_SERVERS", "_MOVING") for one in rest), rest
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_mutation_sample_of_the_target_is_found(name: str) -> None:
    command = [sys.executable, "-m", "tests.mutation", name, "--sample", "4", "--jobs", "1", "--trusting"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    lines = run.stdout.splitlines()
    assert run.returncode in (0, 1) and "NO REASON GIVEN" not in run.stdout, "\n".join([*lines, run.stderr])
