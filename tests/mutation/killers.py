"""Which test found the last mutants of a place: the next one's is most often the same, so it is asked first."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from typing import Any

from tests.mutation.mutants import Mutant

FIRST = 3  # tests asked before the stages


class Killers:
    """`vouched(test)`: whether the test passes on the code as it is when it is run alone; else its failing would prove nothing.
    `callers(mutant)`: tests that call what it changes, as far as somebody watched."""

    def __init__(self, vouched: Callable[[str], bool], callers: Callable[[Mutant], Sequence[str]]) -> None:
        self._vouched, self._callers = vouched, callers
        self._known: dict[str, bool] = {}
        self._of: dict[str, list[str]] = {}

    def first(self, mutant: Mutant) -> list[str]:
        """The node ids to run first: those that found the same function's or table's, the latest before, then those that call it, then
        those of the file; of one file of tests together, so that what they share is made once."""
        own, others = (self._of.get(name, []) for name in (f"{mutant.file} {mutant.place}", mutant.file))
        callers = [test for test in self._callers(mutant) if self._known.get(test, True)]
        found = list(dict.fromkeys([*own[:FIRST], *callers, *others[: FIRST - len(own[:FIRST])]]))
        files = list(dict.fromkeys(test.partition("::")[0] for test in found))
        return sorted(found, key=lambda test: files.index(test.partition("::")[0]))

    def found(self, mutant: Mutant, test: str) -> bool:
        """Remembers that `test` found it ("" where nobody said which); whether that proves it."""
        if test and test not in self._known:
            self._known[test] = self._vouched(test)
        for name in (f"{mutant.file} {mutant.place}", mutant.file) if self._known.get(test) else ():
            those = self._of.setdefault(name, [])
            self._of[name] = [test, *(each for each in those if each != test)][:FIRST]
        return self._known.get(test, False)


class Teller:
    """A plugin of pytest: the first test that fails ends the process with `code`, its node id written into a pipe. Nothing is
    tidied up: that takes as long as many a test."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self.code = pipe, 1

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            os.write(self._pipe, report.nodeid.encode()[: select.PIPE_BUF])
            os._exit(self.code)
