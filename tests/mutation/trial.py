"""Tries mutants: each in a forked process whose imports and reads see the faulty file, against stages of tests."""

from __future__ import annotations

import builtins
import io
import math
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from tests.mutation.killers import Killers, Teller
from tests.mutation.mutants import Mutant

ROOT = Path(__file__).resolve().parents[2]
SURVIVED, NEIGHBOUR, BROKEN = 0, 98, 99
# One process, no plugins but our own, assertions as they are written: a mutant is judged by whether a test fails, not by what it says.
QUIET = ["-x", "-q", "--no-header", "--no-summary", "--assert=plain", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib",
         "-W", "ignore::pytest.PytestUnknownMarkWarning"]  # fmt: skip
MEMORY = 4 << 30  # a mutant that loops may fill a list meanwhile
WAITS = 10  # times its seconds: how long one may stand still


@dataclass(frozen=True, slots=True)
class Outcome:
    mutant: Mutant
    killed: bool
    by: str  # the stage that found it, or how the process ended


def replaced(mutant: Mutant) -> None:
    """From here on its file reads as it has it, whether it is imported or opened."""
    if mutant.file:
        _replaced(ROOT / mutant.file, mutant.text)


def tried(
    mutants: Sequence[Mutant], stages: Sequence[Sequence[str]], *, jobs: int, seconds: int, put: Callable[[Mutant], None] = replaced,
    callers: Callable[[Mutant], Sequence[str]] = lambda mutant: (), until: float = math.inf,
) -> Iterator[Outcome]:  # fmt: skip
    """Every mutant's outcome, as they come in. `stages`: arguments of pytest, the quickest first; `seconds` of the processor
    for one mutant. `warm` before makes each of them cheap. Before the stages come the tests that found its neighbours. `put`: how
    a mutant is put into a process; `callers`: as for `Killers`; `until`: none is begun after that
    (`time.monotonic`)."""
    killers = Killers(lambda test: _alone(test, seconds, put), callers)
    running: dict[int, tuple[Mutant, int]] = {}
    rest = list(reversed(mutants))
    while (rest and time.monotonic() < until) or running:
        while rest and len(running) < jobs and time.monotonic() < until:
            mutant = rest.pop()
            child, told = _started(mutant, [killers.first(mutant), *stages], seconds, put)
            running[child] = mutant, told
        done, status = os.wait()
        if done not in running:
            continue
        ended, told = running.pop(done)
        test = os.read(told, select.PIPE_BUF).decode()
        os.close(told)
        if (code := os.waitstatus_to_exitcode(status)) == BROKEN:
            raise RuntimeError(f"{ended.key}: the trial itself failed, no test did")
        if not killers.found(ended, test) and code == NEIGHBOUR:  # that test fails by itself: asked again, without it
            rest.append(ended)
            continue
        yield Outcome(ended, code != SURVIVED, _by(code))


def _alone(test: str, seconds: int, put: Callable[[Mutant], None]) -> bool:
    child, told = _started(Mutant("", "", "", "", ""), [[test]], seconds, put)
    os.close(told)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == SURVIVED


def _by(code: int) -> str:
    """The stage that failed; negative is the signal that ended the process."""
    if code >= 0:
        return {SURVIVED: "", NEIGHBOUR: "its neighbours' tests"}.get(code, f"stage {code}")
    return "time" if -code in (signal.SIGALRM, signal.SIGXCPU) else f"signal {-code}"


def sound(stages: Sequence[Sequence[str]], *, seconds: int) -> bool:
    """Whether the tests pass on the code as it is: without that nothing is proven."""
    return all(not one.killed for one in tried([Mutant("", "", "", "", "")], stages, jobs=1, seconds=seconds))


def _started(mutant: Mutant, stages: Sequence[Sequence[str]], seconds: int, put: Callable[[Mutant], None]) -> tuple[int, int]:
    """The child, and the pipe in which it says what test failed. The first of `stages` is that of the neighbours, which may be empty."""
    sys.stdout.flush()
    told, telling = os.pipe()
    child = os.fork()
    if child:
        os.close(telling)
        return child, told
    code = BROKEN
    try:
        _bounded(seconds)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        put(mutant)
        code = _first_failing(stages, Teller(telling))
    finally:
        os._exit(code)


def _bounded(seconds: int) -> None:
    """By the processor's time, which is the same on a busy machine; by the clock only where it stands still."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(WAITS * seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _first_failing(stages: Sequence[Sequence[str]], teller: Teller) -> int:
    """The number of the first stage that fails, from 1; NEIGHBOUR: the one before it; 0: none does."""
    import pytest

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for number, arguments in enumerate(stages):
        teller.code = number or NEIGHBOUR
        code = pytest.main([*QUIET, *arguments], plugins=[teller]) if arguments else 0
        if code == 1 or (number and code):  # a neighbours' test that is not there is no finding
            return number or NEIGHBOUR
    return SURVIVED


def _replaced(path: Path, text: str) -> None:
    """From here on the file at `path` reads as `text`, whether it is imported or opened."""
    assert not any(getattr(module, "__file__", None) == str(path) for module in sys.modules.values()), f"{path} was imported before its mutant"
    if path.suffix == ".py":
        plain = SourceFileLoader.get_code

        def get_code(self: SourceFileLoader, fullname: str) -> Any:
            return compile(text, str(path), "exec", dont_inherit=True) if self.path == str(path) else plain(self, fullname)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        return
    opening = io.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if isinstance(file, str | os.PathLike) and os.path.realpath(file) == str(path) and not set(mode) & set("wax+"):
            return io.BytesIO(text.encode()) if "b" in mode else io.StringIO(text)
        return opening(file, mode, *arguments, **named)

    io.open = builtins.open = opened  # type: ignore[assignment]
