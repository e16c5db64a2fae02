"""`liaison serve` says that it answers when it does, and not before; what it needs is looked at before it listens."""

from __future__ import annotations

import os
import select
import shutil
import signal
from pathlib import Path

import pytest

from tests.bench.processes import family
from tests.e2e.serving import PATIENCE, settled
from tests.e2e.stage import ROOT


@pytest.mark.parametrize("processes", ["1", "2"])
def test_serve_answers_at_once_after_it_said_so(tmp_path: Path, processes: str) -> None:
    folder = settled(tmp_path)
    with folder.serving("--processes", processes, fresh=True) as running:
        assert running.get("/health/live").status == 200  # no second try: it said that it answers
        assert running.token("coursiers").status == 200
        assert running.stop() in (0, -15)
    assert "serve-started" in running.log.read_text()


def test_nobody_answers_or_sends_for_a_server_that_was_killed(tmp_path: Path) -> None:
    with settled(tmp_path).serving("--processes", "2", fresh=True) as running:
        others = family(running.process.pid)[1:]
        assert len(others) >= 3  # two that answer, and the worker
        running.kill()
        ended = [each for each in others if _ends(each)]
    assert ended == others


def _ends(pid: int) -> bool:
    """Whether it ends by itself, or only by us."""
    handle = os.pidfd_open(pid) if Path(f"/proc/{pid}").exists() else None
    if handle is None:
        return True
    try:
        if select.select([handle], [], [], PATIENCE)[0]:
            return True
        os.kill(pid, signal.SIGKILL)
        return False
    finally:
        os.close(handle)


@pytest.mark.parametrize("lacking", ["saad", "dossier-clinique"])
def test_nothing_starts_while_the_view_of_a_category_in_the_network_is_missing(tmp_path: Path, lacking: str) -> None:
    folder = settled(tmp_path / "house")
    views = shutil.copytree(ROOT / "mappings", tmp_path / "mappings") / "views" / f"{lacking}.yaml"
    views.unlink()
    said = "no view saad (of saad-seine)" if lacking == "saad" else "no view dossier-clinique (of msp-saint-eloi)"
    for command in (["serve", "--port", "0"], ["serve", "--port", "0", "--processes", "2"], ["worker"], ["network", "apply"]):
        done = folder.run(*command, mappings_dir=str(tmp_path / "mappings"))
        assert done.returncode == 2 and done.stdout == "", command
        assert said in done.stderr and "mend:" in done.stderr and "Traceback" not in done.stderr
