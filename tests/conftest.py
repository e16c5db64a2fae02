"""What every test shares: the tiers (which ran, which did not, and why) and the hypothesis profiles."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import compiled, emitting

if TYPE_CHECKING:
    from tests.e2e.desk import Desk

pytest_plugins = ["tests.postgres", "tests.hapi_server", "tests.validator"]

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("LIAISON_SHARED", ROOT.parent / "shared"))
REQUIRED = os.environ.get("LIAISON_TEST_REQUIRE", "") == "all"
TIERS = ("postgres", "hapi", "profiles", "shared", "image", "clients")
SLOW = ("hapi", "profiles", "image", "clients")
LONG = ("test_noninterference", "test_matrix", "test_mutation", "test_exits", "test_demo_kept", "test_documents", "test_serve")  # the longest first

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("nightly", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("LIAISON_TEST_PROFILE", "ci"))

compiled.keep()
if os.environ.get(emitting.FOLDER):
    emitting.watch()
gc.set_threshold(20_000, 20, 20)  # looked through less often, as `house.settled` has it for a server

_ran: Counter[str] = Counter()
_left: Counter[tuple[str, str]] = Counter()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of material of others (never committed); the tier `shared` needs it."""
    return SHARED


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A whole Liaison on disk and the command line beside it."""
    from adapter.store import upgrade
    from tests.e2e.desk import Desk
    from tests.e2e.stage import staged

    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        yield Desk(stage, tmp_path)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs Java runs in one process, first, since it takes longest, and the image in the other, so that the one's waiting is the
    other's time; other files are kept whole, unless they say how to part them. What begins last must be short, or one process waits
    for the other."""
    items.sort(key=_turn)
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            tier = _tier(item)
            item.add_marker(pytest.mark.xdist_group(tier if tier == "image" else "slow" if tier in SLOW else item.path.stem))
    if SHARED.is_dir() or REQUIRED:
        return
    for item in items:
        if item.get_closest_marker("shared") or item.get_closest_marker("profiles"):
            item.add_marker(pytest.mark.skip(reason=f"no shared material at {SHARED.name}/ beside the repository (LIAISON_SHARED names another place)"))


def pytest_collection_finish() -> None:
    """What was collected is never garbage."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if REQUIRED and not SHARED.is_dir() and item.get_closest_marker("shared"):
        pytest.fail("LIAISON_TEST_REQUIRE=all, and the shared material is missing")


def _turn(item: pytest.Item) -> int:
    return -1 if _tier(item) in SLOW else LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG)


def _tier(item: pytest.Item) -> str:
    return next((name for name in TIERS if item.get_closest_marker(name)), "main")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.skipped and REQUIRED:
        report.outcome, report.longrepr = "failed", f"LIAISON_TEST_REQUIRE=all, and this was skipped: {report.longrepr}"
    report.user_properties.append(("tier", _tier(item)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counted where the run is led from, whichever process ran the test."""
    tier = dict(report.user_properties).get("tier", "main")
    if report.skipped:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _left[(tier, why.removeprefix("Skipped: "))] += 1
    elif report.when == "call":
        _ran[tier] += 1


def pytest_terminal_summary(terminalreporter) -> None:  # type: ignore[no-untyped-def]
    write = terminalreporter.write_line
    terminalreporter.section("tiers")
    for tier in ("main", *TIERS):
        reasons = [f"{count} left out: {why}" for (name, why), count in sorted(_left.items()) if name == tier]
        write(f"{tier:>9}  {_ran[tier]} ran" + ("" if not reasons else "; " + "; ".join(reasons)))
