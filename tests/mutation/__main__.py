"""`python -m tests.mutation consent [--sample 40]`: how many small faults the tests find; who survives, and why it may.

Ends with 1 when fewer than 95 % are killed, or when a survivor has no reason in equivalents.yaml.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

import yaml

from tests.mutation.documents import of_yaml
from tests.mutation.hot import hotly
from tests.mutation.mutants import Mutant, of_python
from tests.mutation.targets import ROOT, TARGETS, Target
from tests.mutation.trial import Outcome, sound, tried
from tests.mutation.warm import warm

WANTED = 0.95
EQUIVALENTS = Path(__file__).parent / "equivalents.yaml"


def mutants(target: Target) -> list[Mutant]:
    """Every mutant of a target, in the order of its files."""
    found: list[Mutant] = []
    for path in target.paths():
        name = str(path.relative_to(ROOT))
        found += of_python(path, name) if path.suffix == ".py" else of_yaml(path, name)
    return [mutant for mutant in found if mutant.place.partition(".")[0] not in target.leave]


def equivalents() -> dict[str, str]:
    """Mutant -> why nobody could tell it from the original."""
    kept = yaml.safe_load(EQUIVALENTS.read_text("utf-8")) or []
    return {entry["mutant"]: entry["why"] for entry in kept}


def sampled(found: list[Mutant], count: int) -> list[Mutant]:
    """`count` of them, spread evenly: the same ones each time."""
    return found if not 0 < count < len(found) else [found[number * len(found) // count] for number in range(count)]


def every(chosen: Sequence[Mutant], target: Target, *, jobs: int, until: float) -> Generator[Outcome, None, None]:
    """The outcome of each: first of those whose function can be changed where all is imported, which is quicker."""
    rest = yield from hotly(chosen, target.stages, jobs=jobs, seconds=target.seconds, until=until)
    yield from tried(rest, target.stages, jobs=jobs, seconds=target.seconds, until=until)


def report(outcomes: list[Outcome], reasons: dict[str, str]) -> bool:
    """Prints the counts and the survivors; True when it is good enough."""
    survivors = sorted((one for one in outcomes if not one.killed), key=lambda one: one.mutant.key)
    for kind in ("code", "table"):
        of_kind = [one for one in outcomes if one.mutant.kind == kind]
        killed = sum(one.killed for one in of_kind)
        if of_kind:
            print(f"{kind:>6}  {killed} of {len(of_kind)} killed ({killed / len(of_kind):.1%})")
    stages = Counter(one.by for one in outcomes if one.killed)
    print("    by  " + ", ".join(f"{by}: {count}" for by, count in sorted(stages.items())))
    for one in survivors:
        print(f"survived  {one.mutant.key}\n    {reasons.get(one.mutant.key, 'NO REASON GIVEN')}")
    for key in sorted(reasons.keys() & {one.mutant.key for one in outcomes if one.killed}):
        print(f"killed, though equivalents.yaml says that it cannot be: {key}")
    share = 1 - len(survivors) / len(outcomes) if outcomes else 0.0
    print(f"{len(outcomes) - len(survivors)} of {len(outcomes)} killed: {share:.1%}")
    return share >= WANTED and all(one.mutant.key in reasons for one in survivors)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("target", choices=sorted(TARGETS), nargs="?")
    parser.add_argument("--targets", action="store_true", help="name the targets and end")
    parser.add_argument("--sample", type=int, default=0, help="only so many, spread evenly, of those that equivalents.yaml does not name")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin none after so long; what was tried until then is told")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only mutants whose key contains one of these, said with commas between")
    parser.add_argument("--trusting", action="store_true", help="the tests were just run on the code as it is: not again first")
    parser.add_argument("--list", action="store_true", help="name them and end")
    asked = parser.parse_args()
    if asked.targets:
        print(" ".join(sorted(TARGETS)))
        return 0
    if asked.target is None:
        parser.error(f"name a target: {', '.join(sorted(TARGETS))}")
    target = TARGETS[asked.target]
    known = equivalents() if asked.sample else {}  # they survive, and only after all stages: a whole run says so, no sample need
    chosen = sampled([one for one in mutants(target) if one.key not in known and any(part in one.key for part in asked.only.split(","))], asked.sample)
    if asked.list:
        print("\n".join(one.key for one in chosen))
        return 0
    begun = time.monotonic()
    warm(target.paths())
    if not asked.trusting and not sound(target.stages, seconds=target.seconds):
        print("the tests of this target fail on the code as it is: mend them first", file=sys.stderr)
        return 2
    outcomes = []
    for outcome in every(chosen, target, jobs=asked.jobs, until=begun + 60 * asked.minutes):
        outcomes.append(outcome)
        if len(outcomes) % 10 == 0:
            print(f"{len(outcomes)} of {len(chosen)}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        if not outcome.killed:
            print(f"survives {outcome.mutant.key}", file=sys.stderr, flush=True)
    good = report(outcomes, equivalents())
    if len(outcomes) < len(chosen):
        print(f"{len(chosen) - len(outcomes)} of {len(chosen)} were not tried: the time was over")
    print(f"{time.monotonic() - begun:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
