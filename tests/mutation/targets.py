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
VIEWS, WEB, E2E = "tests/unit/views", "tests/unit/web", "tests/e2e"
DECIDING = ("card", "cardspec", "declared", "document", "elements", "facts", "glass", "load", "matrix", "outward", "project", "r4", "shown", "view")
REVEAL, REFERRAL = "tests/unit/reveal", "tests/unit/referral"
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
        files=("adapter/web/auth.py", "adapter/web/oauth.py", "adapter/smart/*.py", "adapter/scopes.py", "adapter/who.py", "adapter/net/addresses.py"),
        stages=(
            (f"{WEB}/test_smart_assertion.py", f"{WEB}/test_smart_scopes.py", "tests/unit/net/test_addresses.py"),
            (f"{WEB}/test_smart_keys.py",),
            (f"{WEB}/test_tokens.py",),
            (f"{WEB}/test_smart_doors.py", f"{WEB}/test_smart_granted.py"),
            (f"{WEB}/test_doors.py", "tests/unit/cli/test_clients.py"),
        ),
        leave=("router", "T", "Why", "Jwk", "Fetch", "Limits"),
        seconds=60,
    ),
    "reveal": Target(
        files=tuple(f"adapter/{part}.py" for part in ("showing", "look", "lists", "subset", "sight", "followed")),
        stages=(
            (REVEAL, f"--ignore={REVEAL}/test_past.py", f"--ignore={REVEAL}/test_trail.py"),
            (f"{E2E}/test_subset.py", f"{E2E}/test_team.py"),
            (f"{E2E}/test_consent_life.py", f"{E2E}/test_consent_stead.py", f"{E2E}/test_france.py", f"{E2E}/test_due.py"),
            (f"{E2E}/test_enforcement.py", f"{E2E}/test_denials.py", f"{E2E}/test_demand.py"),
        ),
        seconds=120,
    ),
    # The doors of /fhir beside it: what was, the trail, what is taken of what a service writes, whose body is taken apart.
    "doors": Target(
        files=("adapter/past.py", "adapter/trail.py", "adapter/moving.py", "adapter/needless.py", "adapter/web/admitting.py"),
        stages=(
            (f"{REVEAL}/test_past.py", f"{REVEAL}/test_trail.py", f"{REFERRAL}/test_moving.py", f"{REFERRAL}/test_needless.py"),
            (f"{WEB}/test_admitting.py",),
            (f"{WEB}/test_moving.py", f"{WEB}/test_trail.py", f"{WEB}/test_sent.py", f"{WEB}/test_interactions.py"),
        ),
        seconds=60,
    ),
    # What is written, by whom, and what of it leaves for an EHR.
    "writing": Target(
        files=("adapter/writing.py", "adapter/bridge.py"),
        stages=(
            ("tests/unit/writing", "tests/unit/sync/test_bridge.py"),
            (f"{WEB}/test_sent.py", f"{WEB}/test_interactions.py", f"{WEB}/test_bundles.py"),
            (f"{E2E}/test_direct.py", f"{E2E}/test_sync_push_y.py", f"{E2E}/test_self_referral.py"),
            (f"{E2E}/test_enforcement.py", f"{E2E}/test_consent_life.py", f"{E2E}/test_subscriptions.py", f"{E2E}/test_ends_away.py", f"{E2E}/test_due_job.py"),
        ),
    ),
    # What decides and shows; `why`, `compare` and `words` only tell of it, to people.
    "views": Target(
        files=tuple(f"adapter/views/{part}.py" for part in DECIDING),
        stages=(
            (f"{VIEWS}/test_views_table.py", f"{VIEWS}/test_views_edges.py", f"{VIEWS}/test_views_files.py", f"{VIEWS}/test_views_outward.py"),
            tuple(f"{VIEWS}/test_views_{part}.py" for part in ("pairs", "card", "project", "project_more")),
            (f"{VIEWS}/test_load.py", f"{VIEWS}/test_load_strict.py", f"{VIEWS}/test_views_shown.py"),
            (f"{VIEWS}/test_why.py",),
        ),
        leave=("Stage", "Ground", "Way", "_TREES", "Check"),
        seconds=60,
    ),
    "view-files": Target(
        files=("mappings/views/*.yaml",),
        stages=((f"{VIEWS}/test_views_table.py",), (f"{VIEWS}/test_load.py",)),
        seconds=60,
    ),
}
