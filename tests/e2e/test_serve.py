"""`liaison serve` says that it answers when it does, and not before; what it needs is looked at before it listens."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.serving import settled
from tests.e2e.stage import ROOT


@pytest.mark.parametrize("processes", ["1", "2"])
def test_serve_answers_at_once_after_it_said_so(tmp_path: Path, processes: str) -> None:
    folder = settled(tmp_path)
    with folder.serving("--processes", processes) as running:
        assert running.get("/health/live").status == 200  # no second try: it said that it answers
        assert running.token("coursiers").status == 200
        assert running.stop() in (0, -15)
    assert "serve-started" in running.log.read_text()


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
