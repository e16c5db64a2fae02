"""An EHR with many Tasks, in a process of its own: `python -m tests.bench.paging_ehr TASKS LATE LATENCY_MS`; says its port.

Each Task is shown in its second version. A search is a snapshot, paged; `LATE` Tasks, whose times lie among the newest, are committed
only once the first search began: no page of that one has them.
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

STEP = timedelta(milliseconds=100)  # between two Tasks
AMONG = 2000  # of the newest, where late ones lie: within the overlap
SYSTEM = "https://liaison.example/sid/task"


def task(n: int, *, version: int, updated: str) -> dict[str, Any]:
    """The nth Task as that EHR has it; every hundredth says something new in its second version."""
    news = {"note": [{"text": "vu au cabinet"}]} if version > 1 and n % 100 == 0 else {}
    return {
        "resourceType": "Task", "id": f"r{n}", "meta": {"versionId": str(version), "lastUpdated": updated},
        "identifier": [{"system": SYSTEM, "value": f"t{n}"}], "status": "requested", "intent": "order", "priority": "routine",
        "focus": {"reference": f"ServiceRequest/q{n}"}, "for": {"reference": f"Patient/p{n}"}, "authoredOn": "2026-03-02T18:00:00+01:00",
        "requester": {"reference": "Organization/clinic"}, "restriction": {"period": {"end": "2026-03-04T18:00:00+01:00"}}, **news,
    }  # fmt: skip


def moments(tasks: int, late: int, newest: datetime) -> list[str]:
    """When each was changed last; the late ones are the last of the list."""
    times = [newest - STEP * (tasks - 1 - n) for n in range(tasks)]
    times += [newest - STEP * (1 + n * min(AMONG, tasks) // max(1, late)) for n in range(late)]
    return [each.isoformat(timespec="milliseconds").replace("+00:00", "Z") for each in times]


class PagingEhr(ThreadingHTTPServer):
    def __init__(self, tasks: int, late: int, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        times = moments(tasks, late, datetime.now(UTC) - timedelta(seconds=10))
        entries = [(at, json.dumps({"resource": task(n, version=2, updated=at)})) for n, at in enumerate(times)]
        self.early, self.whole = sorted(entries[:tasks]), sorted(entries)
        self.latency, self.searches = latency / 1000, 0

    def began(self) -> int:
        self.searches += 1
        return self.searches

    def shown(self, search: int, since: str, offset: int, count: int) -> tuple[list[str], bool]:
        there = self.early if search == 1 else self.whole
        start = offset + bisect_left(there, (since,))
        return [entry for _, entry in there[start : start + count]], start + count < len(there)


class _Pages(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    server: PagingEhr

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        time.sleep(self.server.latency)
        place = urlsplit(self.path)
        if place.path == "/_reset":
            self.server.searches = 0
        if not place.path.endswith("/Task"):
            return self._say('{"resourceType": "Bundle", "type": "searchset", "total": 0}')
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        search = int(asked.get("_search") or self.server.began())
        since, offset, count = asked.get("_lastUpdated", "").removeprefix("ge"), int(asked.get("_offset", 0)), int(asked["_count"])
        entries, more = self.server.shown(search, since, offset, count)
        following = f"{place.path}?_search={search}&_lastUpdated=ge{since}&_offset={offset + count}&_count={count}"
        links = f'"link": [{{"relation": "next", "url": "http://{self.headers["Host"]}{following}"}}],' if more else ""
        return self._say(f'{{"resourceType": "Bundle", "type": "searchset", {links} "entry": [{", ".join(entries)}]}}')

    def _say(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = PagingEhr(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    print(server.server_port, flush=True)
    server.serve_forever()
