"""How long one resource takes to parse and check: `python -m tests.bench.validate_rate [--rounds N]`.

Prints µs per resource (best of interleaved rounds), ours beside `model_validate_json` of fhir.resources R4B, for the
recommended shape of a referral, compact and indented.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from fhir.resources.R4B import get_fhir_model_class

from adapter import fhir

SHARED = Path(os.environ.get("LIAISON_SHARED", Path(__file__).resolve().parents[2].parent / "shared"))
FILES = ("shape/Task-t1.json", "shape/ServiceRequest-sr1.json", "shape/Consent-c1.json", "shape/Patient-p1.json")


def microseconds(act: Callable[[], Any], times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - begin) / times * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{'':24}{'bytes':>7}{'ours':>9}{'indented':>10}{'R4B':>9}{'ratio':>8}")
    subjects = {Path(name).stem: orjson.loads((SHARED / "data" / name).read_bytes()) for name in FILES}
    task = subjects["Task-t1"]
    subjects["Bundle of 100 Tasks"] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": task}] * 100}
    for name, resource in subjects.items():
        body, spaced = orjson.dumps(resource), json.dumps(resource, indent=1).encode()
        model = get_fhir_model_class(resource["resourceType"])
        times = 4 if len(body) > 10_000 else 200
        fhir.parse(body)
        ours, indented, theirs = [], [], []
        for _ in range(rounds):
            ours.append(microseconds(lambda body=body: fhir.parse(body), times))
            indented.append(microseconds(lambda body=spaced: fhir.parse(body), times))
            theirs.append(microseconds(lambda body=body, model=model: model.model_validate_json(body), max(1, times // 4)))
        best = min(ours)
        print(f"{name:24}{len(body):>7}{best:>9.1f}{min(indented):>10.1f}{min(theirs):>9.1f}{min(theirs) / best:>8.1f}")


if __name__ == "__main__":
    main()
