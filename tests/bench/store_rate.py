"""How many creates of a Task the store alone takes in a second, with full durability.

    python -m tests.bench.store_rate [URL] [--units 6000] [--callers 16]

One create is a version of 1.5 kB, 8 search rows, a letter and an audit event: what `receive` does in one unit of work.
Without URL an SQLite file in a temporary folder is used.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
from pathlib import Path

from adapter.clock import Clock, SystemClock
from adapter.ports import IndexRow, Letter, Uow, Version
from adapter.store import open_store, upgrade

BODY = b"x" * 1500
EVENT = {"resourceType": "AuditEvent", "type": {"code": "rest"}, "action": "C", "outcome": "0", "text": "x" * 900}
SHARED = [IndexRow("status", "token", "requested", "http://hl7.org/fhir/task-status"), IndexRow("intent", "token", "order", "sys"),
          IndexRow("owner", "reference", "HealthcareService/as-carsat")]


def create(uow: Uow, clock: Clock) -> None:
    id = clock.new_id()
    day = uow.at.date().isoformat()
    index = [
        *SHARED, IndexRow("patient", "reference", f"Patient/{id}"), IndexRow("focus", "reference", f"ServiceRequest/{id}"),
        IndexRow("identifier", "token", id, "https://liaison.example/sid/task", identifying=True),
        IndexRow("authored-on", "date", low=day, high=day), IndexRow("modified", "date", low=day, high=day),
    ]
    version = uow.save(Version("Task", id, 0, uow.at, "clinic", BODY, BODY), expected=0, index=index)
    uow.post(Letter("ehr", id, "Task", id, uow.at, number=version.number))
    uow.audit(EVENT | {"entity": version.cited})


async def load(url: str, units: int, callers: int) -> tuple[float, list[float]]:
    clock = SystemClock()
    # hashing and canonical JSON are the audit room's; here only their cheapest kind
    store = open_store(
        url, clock=clock, key=b"k" * 32, seal=lambda previous, event: hashlib.sha256(previous.encode() + event).hexdigest(),
        canonical=lambda event: str(event).encode(),
    )
    took: list[float] = []

    async def caller() -> None:
        for _ in range(units // callers):
            began = clock.monotonic()
            await store.write(lambda uow: create(uow, clock))
            took.append(clock.monotonic() - began)

    began = clock.monotonic()
    await asyncio.gather(*(caller() for _ in range(callers)))
    rate = len(took) / (clock.monotonic() - began)
    store.close()
    return rate, sorted(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?")
    parser.add_argument("--units", type=int, default=6000)
    parser.add_argument("--callers", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url or f"sqlite:///{Path(folder) / 'rate.db'}"
        upgrade(url)
        rate, took = asyncio.run(load(url, given.units, given.callers))
    print(f"{rate:8.0f} creates/s, {given.callers} callers, p50 {took[len(took) // 2] * 1e3:.1f} ms, p99 {took[len(took) * 99 // 100] * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
