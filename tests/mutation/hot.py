"""Mutants tried where everything is imported already: the code of the one function that a mutant changes is put into its place.

It is as good as an import of the faulty file where nothing has called that function before: what ran while modules were imported and
tests collected is watched, and its mutants are left to `trial`, as are those that change a table, a default or a class.
"""

from __future__ import annotations

import ast
import builtins
import gc
import json
import math
import os
import resource
import sys
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

from tests.mutation.mutants import Mutant
from tests.mutation.trial import QUIET, ROOT, Outcome, tried

READERS = ("adapter/views/", "adapter/mapping/", "adapter/network/", "adapter/sync/ownership.py", "mappings/")  # what reads the documents, and these
WORTH, WATCHED = 50, 30  # so many mutants are worth watching the tests for so many seconds of the processor
ASKED, CASES = 16, 3  # of the tests that call a function, as many are asked first, and of one test so many cases
MAPPINGS = ROOT / "mappings"
Name = tuple[str, str, int]  # of a function: file, qualified name, line


def hotly(
    mutants: Sequence[Mutant], stages: Sequence[Sequence[str]], *, jobs: int, seconds: int, until: float = math.inf
) -> Generator[Outcome, None, list[Mutant]]:
    """The outcomes of those that can be tried so, as they come in, as `tried` has it; returns the others. To be called before any of their files is
    imported: that is done in a process of its own, so that the others find none."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(reading)
        code = 1
        try:
            with os.fdopen(writing, "w") as told:
                _told(mutants, stages, told, jobs=jobs, seconds=seconds, until=until)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    rest = set(range(len(mutants)))
    with os.fdopen(reading) as heard:
        for line in heard:
            number, killed, by = json.loads(line)
            rest.discard(number)
            yield Outcome(mutants[number], killed, by)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise RuntimeError("the process in which everything is imported failed")
    return [mutants[number] for number in sorted(rest)]


def _told(mutants: Sequence[Mutant], stages: Sequence[Sequence[str]], told: Any, *, jobs: int, seconds: int, until: float) -> None:
    house = House.entered(stages, {str(ROOT / each.file) for each in mutants})
    numbers = {id(mutant): number for number, mutant in enumerate(mutants)}
    fitting = [mutant for mutant in mutants if house.change(mutant)]
    house.watch(stages, seconds=WATCHED if len(fitting) >= WORTH else 0)
    for outcome in tried(fitting, stages, jobs=jobs, seconds=seconds, put=house.put, callers=house.callers, until=until):
        print(json.dumps([numbers[id(outcome.mutant)], outcome.killed, outcome.by]), file=told, flush=True)


@dataclass(frozen=True, slots=True)
class House:
    """A process with all modules and tests imported: its functions by name, and which of them ran by now."""

    functions: dict[Name, list[FunctionType]]
    ran: frozenset[Name]
    plain: dict[str, CodeType] = field(default_factory=dict)
    calling: dict[tuple[str, int], list[str]] = field(default_factory=dict)  # (file, line) of a function -> tests, the narrowest first

    @classmethod
    def entered(cls, stages: Sequence[Sequence[str]], files: set[str]) -> House:
        ran: set[Name] = set()

        def watched(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename in files:
                ran.add(_name(frame.f_code))

        sys.setprofile(watched)
        try:
            _collected(stages)
            if not any(each.startswith(tuple(str(ROOT / part) for part in READERS)) for each in files):
                _read()
        finally:
            sys.setprofile(None)
        functions: dict[Name, list[FunctionType]] = {}
        gc.unfreeze()  # what is frozen (by a collection of tests too) is not told of
        for each in gc.get_objects():
            if type(each) is FunctionType and each.__code__.co_filename in files:
                functions.setdefault(_name(each.__code__), []).append(each)
        gc.freeze()
        return cls(functions, frozenset(ran))

    def change(self, mutant: Mutant) -> tuple[list[FunctionType], CodeType] | None:
        """The functions that a mutant changes and what their code is then; None: it changes something else, or they ran."""
        path = str(ROOT / mutant.file)
        if not path.endswith(".py"):
            return None
        if path not in self.plain:
            self.plain[path] = compile(Path(path).read_text("utf-8"), path, "exec", dont_inherit=True)
        found = changed(self.plain[path], compile(mutant.text, path, "exec", dont_inherit=True))
        if found is None or found[0].co_freevars != found[1].co_freevars or _name(found[0]) in self.ran:
            return None
        functions = self.functions.get(_name(found[0]), [])
        same = functions and all(_whole(each.__code__) == _whole(found[0]) for each in functions)  # not two of one name and line
        return (functions, found[1]) if same else None

    def put(self, mutant: Mutant) -> None:
        if not mutant.file:
            return
        found = self.change(mutant)
        assert found is not None
        for function in found[0]:
            function.__code__ = found[1]


    def callers(self, mutant: Mutant) -> list[str]:
        """Tests that call the function that it changes: those that call little else first, and not all cases of one."""
        found = self.change(mutant)
        if found is None:
            return []
        cases: Counter[str] = Counter()
        chosen = []
        for test in self.calling.get((found[1].co_filename, found[0][0].__code__.co_firstlineno), ()):
            cases[name := test.partition("[")[0]] += 1
            chosen += [test] if cases[name] <= CASES else []
        return chosen[:ASKED]

    def watch(self, stages: Sequence[Sequence[str]], *, seconds: int) -> None:
        """Learns which tests call which functions, in a process of its own and for so long; then what it knows by then."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                resource.setrlimit(resource.RLIMIT_CPU, (max(1, seconds), seconds + 5))
                os.close(reading)
                self._marked(builtins.__dict__.setdefault("__called__", set()))
                for stage in stages if seconds else ():
                    _run(stage, Watching(writing, builtins.__dict__["__called__"]))
            finally:
                os._exit(0)
        os.close(writing)
        tests: list[tuple[int, str, list[tuple[str, int]]]] = []
        with os.fdopen(reading) as heard:
            for line in heard:
                if not line.endswith("\n"):  # its time was over
                    break
                test, called = json.loads(line)
                tests.append((len(called), test, [(file, number) for file, number in called]))
        os.waitpid(child, 0)
        for _, test, called in sorted(tests):
            for name in called:
                self.calling.setdefault(name, []).append(test)

    def _marked(self, called: set[tuple[str, int]]) -> None:
        """Every function says when it is called."""
        for path in {name[0] for name in self.functions}:
            tree = ast.parse(Path(path).read_text("utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                    said = ast.parse(f"__called__.add(({path!r}, {line}))").body[0]
                    node.body.insert(1 if ast.get_docstring(node) is not None else 0, ast.copy_location(said, node.body[0]))
            rest = [compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)]
            for code in rest:  # which grows meanwhile
                rest += _inner(code)
                for function in self.functions.get(_name(code), ()):
                    if function.__code__.co_freevars == code.co_freevars:
                        function.__code__ = code


class Watching:
    """A plugin of pytest: writes each test that passes, and what it called by itself, as a line."""

    def __init__(self, pipe: int, called: set[tuple[str, int]]) -> None:
        self._pipe, self._called = pipe, called

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        self._called.clear()
        outcome = yield
        if outcome.excinfo is None:
            os.write(self._pipe, json.dumps([item.nodeid, sorted(self._called)]).encode() + b"\n")


def changed(old: CodeType, new: CodeType) -> tuple[CodeType, CodeType] | None:
    """The one function, of a module or a class, in which two compiled modules differ; None: they differ elsewhere, or nowhere."""
    if _shell(old) != _shell(new):
        return None
    pairs = [(one, other) for one, other in zip(_inner(old), _inner(new), strict=True) if _whole(one) != _whole(other)]
    if len(pairs) != 1:
        return None
    one, other = pairs[0]
    return (one, other) if one.co_flags & CO_OPTIMIZED else changed(one, other)


def _name(code: CodeType) -> Name:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _inner(code: CodeType) -> list[CodeType]:
    return [each for each in code.co_consts if isinstance(each, CodeType)]


def _shell(code: CodeType) -> tuple[Any, ...]:
    """What a piece of code does by itself, wherever it stands."""
    consts = tuple(None if isinstance(each, CodeType) else (type(each), each) for each in code.co_consts)
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_code, consts, names, code.co_flags, code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_exceptiontable


def _whole(code: CodeType) -> tuple[Any, ...]:
    return _shell(code), tuple(map(_whole, _inner(code)))


def _read() -> None:
    """The documents that every App reads: kept from here on for all that is forked (`tests.compiled`)."""
    from adapter import mapping, network, views
    from adapter.sync import ownership

    terms = mapping.Terms.load(MAPPINGS / "terms")
    mapping.load(MAPPINGS)
    views.load_views(MAPPINGS / "views", needs=terms.choosable("need"))
    ownership.load(MAPPINGS / "ownership.yaml")
    network.load(MAPPINGS / "demo" / "network.yaml")


def _collected(stages: Sequence[Sequence[str]]) -> None:
    for stage in stages:
        _run(["--collect-only", *stage])


def _run(arguments: Sequence[str], *plugins: object) -> None:
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    quiet = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1), os.dup(2)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        pytest.main([*QUIET, *arguments], plugins=plugins)
    finally:
        for place, file in zip((1, 2), kept, strict=True):
            os.dup2(file, place)
            os.close(file)
        os.close(quiet)
