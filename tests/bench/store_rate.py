"""How many creates of a Task the store alone takes in a second, with full durability and 16 callers.

One create is a version of 1.5 kB, 8 search rows, a letter and an audit event: what `receive` does in one unit of work.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from pathlib import Path

from adapter.clock import Clock, SystemClock
from adapter.ports import IndexRow, Letter, Uow, Version
from adapter.store import open_store, upgrade
from tests.bench.figures import Figure, Round, figure
from tests.bench.load import CONNECTIONS

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


async def _load(url: str, seconds: float) -> Round:
    clock = SystemClock()
    # hashing and canonical JSON are the audit room's; here only their cheapest kind
    store = open_store(
        url, clock=clock, key=b"k" * 32, seal=lambda previous, event: hashlib.sha256(previous.encode() + event).hexdigest(),
        canonical=lambda event: str(event).encode(),
    )
    took: list[float] = []

    async def caller() -> None:
        while clock.monotonic() - start < seconds:
            began = clock.monotonic()
            await store.write(lambda uow: create(uow, clock))
            took.append((clock.monotonic() - began) * 1e3)

    start, cpu = clock.monotonic(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    found = Round(len(took), clock.monotonic() - start, took, time.process_time() - cpu)
    store.close()
    return found


def measure(rounds: int, seconds: float, database: str = "") -> Figure:
    """`database`: URL of an empty one in place of an SQLite file. Callers and store share one process."""
    with tempfile.TemporaryDirectory() as folder:
        url = database or f"sqlite:///{Path(folder) / 'rate.db'}"
        upgrade(url)
        done = [asyncio.run(_load(url, seconds)) for _ in range(rounds + 1)]
    return figure("store", "create a Task: version, 8 search rows, letter, audit", "ours", done[1:], note=url.partition(":")[0])
