"""How fast, and in how much memory, a directory is imported and searched: `python -m tests.bench.directory_rate [--services 50000]`.

Invented structures (two for each five services) and services as JSON, imported by `liaison directory import` in a process of its own: a
tenth of them first, then all (flat memory shows as the same peak), then all again, which changes nothing. Then `search` is asked
in process, by need, commune, distance and public.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from adapter.app import build
from adapter.directory import Wanted, search
from adapter.settings import load_settings
from adapter.store import upgrade
from tests.bench.figures import OURS, Figure

KEY = "k" * 40
THEMES = (
    "sante--acces-aux-soins", "remobilisation--lien-social", "equipement-et-alimentation--alimentation", "mobilite--etre-accompagne-dans-son-parcours-mobilite",
    "trouver-un-emploi--maintien-dans-lemploi", "difficultes-administratives-ou-juridiques--accompagnement-pour-lacces-aux-droits",
)  # fmt: skip
PUBLICS = ("tous-publics", "seniors", "familles", "jeunes", "personnes-en-situation-de-handicap", "demandeurs-emploi")
# The highest that the kernel saw of this program; ru_maxrss would be that of who began it, where that is more.
_RUN = """
import sys
from adapter.cli import main
try:
    main(sys.argv[1:])
finally:
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print("PEAK", int(line.split()[1]) / 1024, file=sys.stderr)
"""


def structures(count: int) -> list[dict[str, Any]]:
    chance = random.Random(1)
    return [
        {
            "source": "essai", "id": f"s{number}", "nom": f"Structure {number}", "date_maj": "2026-03-02", "siret": None, "commune": "Rouen", "code_postal": "76000",
            "adresse": f"{number} rue de l'Exemple", "code_insee": f"{chance.randint(1, 95):02d}{chance.randint(1, 700):03d}".replace("20", "76", 1),
            "latitude": chance.uniform(43, 50), "longitude": chance.uniform(-1, 7), "telephone": "02 61 91 00 00", "horaires_accueil": "Mo-Fr 09:00-12:00,14:00-17:30",
            "description": "Une structure inventée. " * 10, "reseaux_porteurs": ["ccas-cias"],
        }
        for number in range(count)
    ]  # fmt: skip


def services(count: int, among: int) -> list[dict[str, Any]]:
    chance = random.Random(2)
    return [
        {
            "source": "essai", "structure_id": f"s{number % among}", "id": f"v{number}", "nom": f"Service {number}", "date_maj": "2026-03-02",
            "description": "Un service inventé, décrit en quelques phrases. " * 12, "type": "accompagnement", "thematiques": chance.sample(THEMES, 2),
            "publics": chance.sample(PUBLICS, 2), "frais": "gratuit", "conditions_acces": "Habiter la commune.", "commune": "Rouen", "code_postal": "76000",
            "adresse": f"{number} avenue de l'Exemple", "code_insee": "76540", "latitude": chance.uniform(43, 50), "longitude": chance.uniform(-1, 7),
            "zone_eligibilite": [f"{chance.randint(1, 19):02d}", "76540"], "modes_accueil": ["en-presentiel"], "modes_mobilisation": ["telephoner"],
            "mobilisable_par": ["professionnels", "usagers"], "telephone": "02 61 91 00 01", "horaires_accueil": "Tu 09:00-12:00",
        }
        for number in range(count)
    ]  # fmt: skip


def imported(home: Path, file: Path) -> tuple[float, float, float, str]:
    """(seconds, of them on a processor, peak in MB, the last line) of `liaison directory import`."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([sys.executable, "-c", _RUN, "directory", "import", str(file), "--partial"], env=_env(home), capture_output=True, text=True, check=False)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, float(ran.stderr.rpartition("PEAK ")[2]), ran.stdout.splitlines()[-1]


def _env(home: Path) -> dict[str, str]:
    return os.environ | {"LIAISON_DATABASE_URL": f"sqlite:///{home / 'liaison.db'}", "LIAISON_SECRET_KEY": KEY}


def measure(count: int, home: Path) -> list[Figure]:
    upgrade(f"sqlite:///{home / 'liaison.db'}")
    figures: list[Figure] = []
    many = max(1, count * 2 // 5)
    for name, records in (("structures", structures(many)), ("services", services(count, many))):
        for part, told in ((records[: len(records) // 10], f"a tenth of the {name}"), (records, f"all {name}"), (records, f"all {name} again")):
            file = home / "records.json"
            file.write_text(json.dumps(part, ensure_ascii=False), encoding="utf-8")
            took, cpu, peak, line = imported(home, file)
            print(f"{told}: {len(part)} records, {took:.1f} s ({cpu:.1f} s of a processor), {len(part) / took:.0f}/s, peak {peak:.0f} MB; {line}", flush=True)
            figures.append(Figure("directory", f"import {told}", OURS, len(part) / took, rss=peak, cpu_ms=cpu / len(part) * 1000))
    app = build(load_settings({key: value for key, value in _env(home).items() if key.startswith("LIAISON_")}))
    asked = {
        "need": Wanted(needs=("isolement",)), "need and commune": Wanted(needs=("isolement",), commune="76540"),
        "need within 20 km": Wanted(needs=("isolement",), near=(48.0, 2.0), within=20), "need within 100 km": Wanted(needs=("isolement",), near=(48.0, 2.0), within=100),
        "all within 100 km": Wanted(near=(48.0, 2.0), within=100, most=200),
        "need, commune, public, 50 km": Wanted(needs=("isolement",), commune="76540", publics=("seniors",), near=(48.0, 2.0), within=50),
    }  # fmt: skip
    for name, wanted in asked.items():
        times = []
        for _ in range(5):
            began = time.perf_counter()
            hits = app.read_now(lambda _, uow, wanted=wanted: search(uow, wanted, terms=app.terms))
            times.append(time.perf_counter() - began)
        print(f"search by {name}: {sorted(times)[2] * 1000:.0f} ms, {len(hits)} found", flush=True)
        figures.append(Figure("directory", f"search by {name}", OURS, 1 / sorted(times)[2], p50=sorted(times)[2] * 1000))
    app.close()
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=50_000)
    with tempfile.TemporaryDirectory() as folder:
        measure(parser.parse_args().services, Path(folder))
