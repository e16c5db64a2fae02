"""How long a search of the store takes among 10,000 and among many more Tasks; `python -m tests.bench.search_rate`.

usage: python -m tests.bench.search_rate [COUNT]… [--postgres]

Tasks are written straight into the tables, with the codec and the search rows of a write. Half of them belong to one unit,
one in a hundred to each of fifty others, five to one; four in five are completed, one in fifty is requested, thirty are on hold.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from adapter import fhir
from adapter.clock import SystemClock
from adapter.ports import Clause, IndexRow, Query
from adapter.store import SqlStore, open_store, upgrade
from adapter.store.codec import identity
from adapter.store.moments import text
from adapter.store.tables import RECENT
from adapter.store.terms import Blind, terms
from tests.postgres import running
from tests.unit.fhir.specimens import specimen

KEY = b"k" * 32
COLUMNS = {
    "current": "type id number updated clinic deleted served received indexed", "search_value": "type param value id system",
    "search_date": "type param low high id", "search_recent": "type param value updated id",
}  # fmt: skip
START = datetime(2024, 1, 1, tzinfo=UTC)
OWNERS = {"half": "unit-half", "one in 100": "unit-7", "five": "unit-five"}
STATUSES = {"4 in 5": "completed", "1 in 50": "requested", "thirty": "on-hold"}
ROUNDS = 40
CHUNK = 20_000


def tasks(count: int) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """The rows of each table, for one Task after another."""
    chance, blind, base = random.Random(5), Blind(KEY), specimen("Task")
    five, thirty = set(chance.sample(range(count), 5)), set(chance.sample(range(count), 30))
    for n in range(count):
        id, at = f"{chance.getrandbits(64):016x}", START + timedelta(seconds=60 * n)
        owner = "unit-five" if n in five else "unit-half" if chance.random() < 0.5 else f"unit-{chance.randrange(50)}"
        status = "on-hold" if n in thirty else chance.choices(["completed", "requested", "accepted", "in-progress"], [80, 2, 8, 10])[0]
        moment = at.isoformat(timespec="seconds")
        task = base | {
            "id": id, "status": status, "owner": {"reference": f"HealthcareService/{owner}"}, "authoredOn": moment, "lastModified": moment,
            "identifier": [{"system": "urn:bench", "value": id}], "focus": {"reference": f"ServiceRequest/{id}"},
            "for": {"reference": f"Patient/{n // 3}"}, "groupIdentifier": {"system": "urn:bench:call", "value": id},
            "executionPeriod": {"start": moment[:10]}, "requester": {"reference": f"PractitionerRole/{n % 40}"},
        }  # fmt: skip
        author = IndexRow("_author", "token", "clinic" if chance.random() < 0.9 else "another")
        found = sorted(terms("Task", [*fhir.rows(task), author], blind))
        body = identity.encode(fhir.dumps(task), f"Task/{id}")
        yield {
            "current": [("Task", id, 1, text(at), "clinic", 0, body, body, orjson.dumps(found))],
            "search_value": [("Task", param, value, id, system) for kind, param, value, system in found if kind == "value"],
            "search_date": [("Task", param, low, high, id) for kind, param, low, high in found if kind == "date"],
            "search_recent": [("Task", param, value, text(at), id) for kind, param, value, _ in found if kind == "value" and param in RECENT],
        }


def chunks(count: int) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """The same, of many Tasks at a time."""
    waiting = tasks(count)
    while some := list(islice(waiting, CHUNK)):
        yield {table: sorted({row for task in some for row in task[table]}) for table in COLUMNS}


def load(url: str, count: int) -> None:
    """Fills the empty database at `url`."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        for pragma in ("synchronous = OFF", "journal_mode = MEMORY", "cache_size = -4000000"):  # the loading is not what is measured
            connection.execute(f"PRAGMA {pragma}")
        for rows in chunks(count):
            for table, columns in COLUMNS.items():
                names = columns.split()
                connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows[table])
            connection.commit()
        connection.close()
        return
    import psycopg

    with psycopg.connect(url) as server, server.cursor() as cursor:
        for rows in chunks(count):
            for table, columns in COLUMNS.items():
                with cursor.copy(f"COPY {table} ({columns.replace(' ', ', ')}) FROM STDIN") as copy:
                    for row in rows[table]:
                        copy.write_row(row)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("VACUUM ANALYZE")


def asked(owner: str, status: str, sort: str) -> Query:
    params = [("owner", f"HealthcareService/{owner}"), ("status", status), ("_count", "20"), *([("_sort", sort)] if sort else [])]
    query = fhir.query("Task", params)
    return replace(query, clauses=(*query.clauses, Clause("_author", "token", ("clinic",))))


def timed(store: SqlStore, query: Query) -> tuple[float, int]:
    """(median milliseconds of one search, how many it found)."""
    clock, took, found = SystemClock(), [], 0
    for _ in range(ROUNDS):
        began = clock.monotonic()
        found = len(store.read_now(lambda uow: uow.search(query)))
        took.append((clock.monotonic() - began) * 1e3)
        if sum(took) > 4000:
            break
    return statistics.median(took), found


def measured(url: str, count: int) -> dict[str, tuple[float, int]]:
    upgrade(url)
    load(url, count)
    store = open_store(url, clock=SystemClock(), key=KEY, seal=lambda previous, event: previous)
    found = {}
    for sort in ("", "-_lastUpdated"):
        for owner, unit in OWNERS.items():
            for status, code in STATUSES.items():
                found[f"owner {owner:10} status {status:7} {sort:13}"] = timed(store, asked(unit, code, sort))
    store.close()
    return found


def main(arguments: list[str]) -> int:
    counts = [int(each) for each in arguments if each.isdigit()] or [10_000, 100_000]
    found = []
    for count in counts:
        if "--postgres" in arguments:
            with running("-c listen_addresses='' -c shared_buffers=256MB") as cluster:
                found.append(measured(cluster.database(), count))
        else:
            with tempfile.TemporaryDirectory() as folder:
                found.append(measured(f"sqlite:///{Path(folder) / 'search.db'}", count))
    print("milliseconds (found) among".ljust(52), *(f"{count:>16,}" for count in counts))
    for name in found[0]:
        print(name.ljust(52), *(f"{each[name][0]:>10.2f} ({each[name][1]:>3})" for each in found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
