"""An EHR that answers after a while, in a process of its own: `python -m tests.bench.slow_ehr LATENCY_MS FAULTS_PERCENT`; says its port.

It creates by identifier and by nothing else, in transactions too, keeps what it was asked, and has every patient it is asked for. In
one write of a hundred (`FAULTS_PERCENT`) it does what was asked and never says so. `/_asked` gives the requests, `/_made` what is there how often.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEPT = ("If-None-Exist", "Content-Type", "Accept", "Prefer")
Key = tuple[str, str]


class SlowEhr(ThreadingHTTPServer):
    request_queue_size = 256

    def __init__(self, latency: float, faults: float) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.latency, self.faults = latency / 1000, faults / 100
        self.reset()

    def reset(self) -> None:
        self.lock, self.chance = threading.Lock(), random.Random(7)
        self.there: dict[Key, dict[str, Any]] = {}
        self.made: dict[Key, int] = {}
        self.asked: list[Any] = []

    def created(self, entries: list[tuple[str, dict[str, Any], str]]) -> tuple[list[dict[str, Any]], bool]:
        """What stands there of each (place, resource, condition) now, and whether nobody hears of it."""
        kept: list[dict[str, Any]] = []
        places: dict[str, str] = {}
        with self.lock:
            for place, resource, condition in entries:
                key = (resource["resourceType"], condition.rpartition("|")[2])
                if key not in self.there:
                    self.made[key] = self.made.get(key, 0) + 1
                    self.there[key] = _moved(resource, places) | {"id": f"s{len(self.there) + 1}", "meta": resource.get("meta", {}) | {"versionId": "1"}}
                kept.append(self.there[key])
                places[place] = f"{key[0]}/{kept[-1]['id']}"
            return kept, self.chance.random() < self.faults


def _moved(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: places.get(part, part) if name == "reference" else _moved(part, places) for name, part in value.items()} if places else value
    return [_moved(part, places) for part in value] if isinstance(value, list) else value


class _Answers(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    server: SlowEhr

    def log_message(self, *_: Any) -> None:
        pass

    def _say(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _found(self, found: list[dict[str, Any]]) -> None:
        self._say(200, {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": [{"resource": each} for each in found]})

    def _came(self, body: bytes) -> None:
        with self.server.lock:
            self.server.asked.append([self.command, self.path, {name: self.headers[name] for name in KEPT if name in self.headers}, body.decode()])
        time.sleep(self.server.latency)

    def do_GET(self) -> None:
        if self.path == "/_asked":
            return self._say(200, self.server.asked)
        if self.path == "/_made":
            return self._say(200, list(self.server.made.values()))
        if self.path == "/_reset":
            self.server.reset()
            return self._say(200, {})
        self._came(b"")
        asked = urlsplit(self.path)
        value = parse_qs(asked.query).get("identifier", [""])[0].rpartition("|")[2]
        there = self.server.there.get((asked.path.rpartition("/")[2], value))
        return self._found([there] if there else [])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._came(body)
        if self.path.endswith("_search"):
            asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            return self._found([_patient(asked)] if "family" in asked else [])
        sent = json.loads(body)
        entries = [(each["fullUrl"], each["resource"], each["request"]["ifNoneExist"]) for each in sent.get("entry", ())]
        kept, silent = self.server.created(entries or [("", sent, self.headers["If-None-Exist"])])
        if silent:
            self.close_connection = True
            self.connection.shutdown(2)
            return None
        if not entries:
            return self._say(201, kept[0])
        done = [{"resource": each, "response": {"status": "201"}} for each in kept]
        return self._say(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": done})


def _patient(asked: dict[str, str]) -> dict[str, Any]:
    return {
        "resourceType": "Patient", "id": f"p-{asked['family'].lower()}", "meta": {"versionId": "1"}, "gender": asked["gender"],
        "birthDate": asked["birthdate"], "name": [{"use": "official", "family": asked["family"], "given": ["Jeannezyx"]}],
    }  # fmt: skip


if __name__ == "__main__":
    server = SlowEhr(float(sys.argv[1]), float(sys.argv[2]))
    print(server.server_port, flush=True)
    server.serve_forever()
