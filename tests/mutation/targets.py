"""What is mutated and which tests must find it. To add a target: one entry, its tests in stages, the quickest first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Target:
    """`files`: globs from the root of the repository, Python or YAML. `stages`: arguments of pytest. `leave`: names of
    functions or tables that only speak (sentences, types), which no test has to hold to the letter."""

    files: tuple[str, ...]
    stages: tuple[tuple[str, ...], ...]
    leave: tuple[str, ...] = ()
    seconds: int = 120

    def paths(self) -> list[Path]:
        return sorted({path for pattern in self.files for path in ROOT.glob(pattern)})


UNIT = "tests/unit/consent"
TARGETS = {
    "consent": Target(
        files=("adapter/consent/*.py",),
        stages=(
            (f"{UNIT}/test_consent_vectors.py", "-k", "not broken"),
            (UNIT, "-k", "not broken and not whatever_the_json", f"--ignore={UNIT}/test_consent_explain_store.py"),
            (f"{UNIT}/test_consent_check.py", "-k", "whatever_the_json"),
            ("tests/property/test_consent_decide.py", "tests/property/test_consent_life.py"),
        ),
        leave=("WORDS", "REASONS", "Matcher", "Span", "T"),
    ),
    "tokens": Target(
        files=("adapter/web/auth.py",),
        stages=(("tests/unit/web/test_tokens.py",), ("tests/unit/web/test_doors.py",)),
        leave=("router",),
        seconds=60,
    ),
}
