"""How fast, and in how much memory, the whole audit chain is verified: `python -m tests.bench.audit_rate [--events 1000000]`.

A chain of disclosures as the house writes them is made on an SQLite file, then followed from the first link to the last by
`liaison audit verify` in a process of its own, once over a tenth of it and once over all: flat memory shows as the same peak.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from adapter.audit import canonical, events, seal
from adapter.clock import SystemClock
from adapter.ports import Principal, Uow
from adapter.store import open_store, upgrade
from tests.bench.figures import Figure

KEY = "k" * 40
PERSONS, UNIT = 5000, 500
WHO = Principal("coursiers", "asso-coursiers", "coursier-rouen", "service", person="coursier-lea")
_VERIFY = """
import json, resource, sys, time
from adapter.audit import canonical, seal
from adapter.audit.verifying import verified
from adapter.clock import SystemClock
from adapter.store import open_store
store = open_store(sys.argv[1], clock=SystemClock(), seal=seal, canonical=canonical, key=sys.argv[2].encode())
began = time.perf_counter()
verdict = store.read_now(verified)
took = time.perf_counter() - began
store.close()
print(json.dumps({"ok": verdict.ok, "events": verdict.count, "seconds": took, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def _written(uow: Uow, first: int, count: int) -> None:
    for number in range(first, first + count):
        person = number % PERSONS
        uow.audit(
            events.disclosed(
                WHO, [f"Task/{person:036d}/_history/2", f"ServiceRequest/{person:036d}/_history/2"], patient=f"Patient/{person:036d}",
                recipient="Organization/asso-coursiers", view="coursier-dac-asso", view_version="1", consents=[f"Consent/{person:036d}/_history/2"],
                rule="S1", classes=("D1", "D4", "D5", "D10"), stage="open", custodian="msp-saint-eloi", at=uow.at, request_id=f"{number:032d}",
            )
        )  # fmt: skip


def _chain(url: str, count: int) -> float:
    """Makes a chain that long; µs an event."""
    upgrade(url)
    store = open_store(url, clock=SystemClock(), seal=seal, canonical=canonical, key=KEY.encode())
    began = time.perf_counter()
    for first in range(0, count, UNIT):
        store.write_now(lambda uow, first=first: _written(uow, first, min(UNIT, count - first)))
    took = (time.perf_counter() - began) / count * 1e6
    store.close()
    return took


def verified(url: str) -> dict[str, Any]:
    """{ok, events, seconds, peak_mb} of verifying in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _VERIFY, url, KEY], capture_output=True, text=True, check=True, env={**os.environ})
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(count: int = 100_000) -> list[Figure]:
    """The rate of verifying, with the peak memory of its process, over a tenth of `count` events and over all of them."""
    found = []
    for events_of in (count // 10, count):
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'audit.db'}"
            wrote = _chain(url, events_of)
            told = verified(url)
        assert told["ok"] and told["events"] == events_of
        rate = events_of / told["seconds"]
        note = f"{events_of:,} events, {1e6 / rate:.1f} µs each, peak {told['peak_mb']:.0f} MB; written at {wrote:.0f} µs each"
        found.append(Figure("audit", f"verify the audit chain, {events_of:,} events", "ours", rate, rss=told["peak_mb"], note=note))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    for each in measure(parser.parse_args().events):
        print(each.note)


if __name__ == "__main__":
    main()
