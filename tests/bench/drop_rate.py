"""A table of calls taken in by `liaison intake`: rows a second, CPU a row, and what the process holds after a tenth and at the end.

    python -m tests.bench.drop_rate [--rows 100000] [--kind csv|xlsx] [--agreeing 1]

`--agreeing 20`: in one row of twenty the person agreed, in the others said no, of which a count alone is kept: what a table costs beside
what becomes of it.

The process is a real one, with a database on disk and full durability; each row becomes a referral of some nine resources.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.load import BenchError

ROOT = Path(__file__).resolve().parents[2]
HEAD = ("N° d'appel", "Date", "Heure", "Médecin", "Téléphone du médecin", "RPPS", "Nom", "Prénom", "Né(e) le", "Sexe", "Téléphone", "Adresse",
        "Code postal", "Commune", "Besoins", "Urgence", "Accord du médecin", "Accord de la personne", "Remarques")  # fmt: skip
GROWTH = 1.2  # of memory, from a tenth of the rows to the end


@dataclass(frozen=True)
class Run:
    rows: int = 100_000
    kind: str = "csv"
    agreeing: int = 1


def calls(run: Run) -> Iterator[tuple[str, ...]]:
    """Invented calls, each of another person; one in a hundred with a post code that is none."""
    for i in range(run.rows):
        postcode, agreed = "7610A" if i % 100 == 99 else "76100.0", "x" if i % run.agreeing == 0 else "refus"
        yield (f"T-{i:06d}", "06/03/2026", "18h50", "Exemple", "02 61 91 00 11", "10000000009.0", f"Fictive{i:06d}", "Jeanne", f"{1 + i % 28:02d}/02/{1920 + i % 60}",
               "F", "06 39 98 00 01 / 06 39 98 00 02", f"{i} rue de l'Exemple", postcode, "Rouen", "repas, seul", "oui", "x", agreed, "Ne mange plus.")  # fmt: skip


def written(folder: Path, run: Run) -> Path:
    table = folder / f"calls.{run.kind}"
    if run.kind == "xlsx":
        from openpyxl import Workbook

        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in chain([HEAD], calls(run)):
            sheet.append(row)
        book.save(table)
        return table
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        file.writelines(";".join(row) + "\r\n" for row in chain([HEAD], calls(run)))
    return table


def measure(run: Run) -> Figure:
    """Raises BenchError when a row has no line, or memory grows with the rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = written(folder, run)
        kept = {key: text for key, text in os.environ.items() if not key.startswith("LIAISON_")} | {"PYTHONPATH": str(ROOT)}
        liaison = [sys.executable, "-m", "adapter.cli"]
        for words in (["init", "--demo"], ["db", "upgrade"], ["network", "apply"]):
            subprocess.run([*liaison, *words], cwd=folder, env=kept, check=True, stdout=subprocess.DEVNULL)
        began = time.perf_counter()
        process = subprocess.Popen(
            [*liaison, "intake", table.name, "--columns", "appels-tableur", "--as", "coursiers"], cwd=folder, env=kept,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        early = late = 0.0
        pause = threading.Event()
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            pause.wait(0.2)
            late = _held(process.pid) or late
            early = early or (late if _lines(folder / "calls.outcome.csv.part") * 10 >= run.rows else 0.0)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        took, cpu = time.perf_counter() - began, ended[2].ru_utime + ended[2].ru_stime
        told = _lines(folder / "calls.outcome.csv")
    if told != run.rows or process.returncode not in (0, 1):
        raise BenchError(f"{told} lines for {run.rows} rows, ended with {process.returncode}")
    if late > GROWTH * early:
        raise BenchError(f"{late:.0f} MB at the end, {early:.0f} MB after a tenth")
    note = f"{late:.0f} MB at the end, {early:.0f} MB after a tenth"
    return Figure("drop", f"a table of {run.rows} calls, {run.kind}, one of {run.agreeing} agreeing", "ours", run.rows / took, rss=late, cpu_ms=cpu * 1000 / run.rows, note=note)


def _held(pid: int) -> float:
    """MB of memory of that process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def _lines(outcome: Path) -> int:
    """Rows told in it."""
    try:
        return max(outcome.read_bytes().count(b"\r\n") - 1, 0)
    except OSError:
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=Run.rows)
    parser.add_argument("--agreeing", type=int, default=Run.agreeing)
    parser.add_argument("--kind", choices=("csv", "xlsx"), default=Run.kind)
    found = measure(Run(**vars(parser.parse_args())))
    print(f"{found.name}: {found.rate:.0f} rows/s, {found.cpu_ms:.2f} ms of CPU a row, {found.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
