"""Which test found the last mutants of a place: the next one's is most often the same, so it is asked first."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

from tests.mutation.mutants import Mutant

FIRST = 3  # tests asked before the stages


class Killers:
    """`vouched(test)`: whether the test passes on the code as it is when it is run alone; else its failing would prove nothing."""

    def __init__(self, vouched: Callable[[str], bool]) -> None:
        self._vouched = vouched
        self._known: dict[str, bool] = {}
        self._of: dict[str, list[str]] = {}

    def first(self, mutant: Mutant) -> list[str]:
        """The node ids to run first: those of the same function or table, the latest before, then those of the file."""
        own, others = (self._of.get(name, []) for name in (f"{mutant.file} {mutant.place}", mutant.file))
        return list(dict.fromkeys([*own[:FIRST], *others[:FIRST]]))[:FIRST]

    def found(self, mutant: Mutant, test: str) -> None:
        """Remembers that `test` found it; "" where nobody said which."""
        if test and test not in self._known:
            self._known[test] = self._vouched(test)
        for name in (f"{mutant.file} {mutant.place}", mutant.file) if self._known.get(test) else ():
            those = self._of.setdefault(name, [])
            self._of[name] = [test, *(each for each in those if each != test)][:FIRST]


class Teller:
    """A plugin of pytest: the first test that fails ends the process with `code`, its node id written into a pipe. Nothing is
    tidied up: that takes as long as many a test."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self.code = pipe, 1

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            os.write(self._pipe, report.nodeid.encode()[: select.PIPE_BUF])
            os._exit(self.code)
