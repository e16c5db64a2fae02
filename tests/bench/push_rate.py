"""B7: queued letters into an EHR that answers after a while, against a bare loader: `python -m tests.bench.push_rate [--letters 10000]`.

The EHR is a stub in a process of its own that stores by identifier, waits `--latency` ms before each answer, and in one request of
a hundred (`--faults`) does what was asked and never says so. The bare loader sends the identical requests, as the stub wrote them
down, with as many open as ours may have. Exactly once is counted at the stub.
"""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapter import network
from adapter.app import App, build
from adapter.clock import SystemClock
from adapter.network.model import Limits
from adapter.settings import load_settings
from adapter.store import upgrade
from tests.bench.figures import Figure
from tests.e2e.stage import CALL, COURSIER, ROOT

_STUB = r"""
import json, random, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
latency, faults, chance, lock = float(sys.argv[1]) / 1000, float(sys.argv[2]) / 100, random.Random(7), threading.Lock()
there, made, asked, count = {}, {}, [], [0]

class Ehr(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    def log_message(self, *a): pass
    def say(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status); self.send_header("Content-Type", "application/fhir+json"); self.send_header("Content-Length", str(len(text)))
        self.end_headers(); self.wfile.write(text)
    def bundle(self, found):
        self.say(200, {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": [{"resource": each} for each in found]})
    def do_GET(self):
        if self.path == "/_asked": return self.say(200, {"asked": asked, "doubled": sum(n > 1 for n in made.values()), "made": len(made)})
        if self.path == "/_reset":
            for each in (there, made, asked): each.clear()
            return self.say(200, {})
        self.noted(b""); time.sleep(latency)
        value = self.path.partition("identifier=")[2].rpartition("%7C")[2].partition("&")[0]
        found = there.get((self.path.split("/")[-1].partition("?")[0], value))
        self.bundle([found] if found else [])
    def noted(self, body):
        with lock: asked.append([self.command, self.path, {name: self.headers[name] for name in self.headers if name in ("If-None-Exist", "Content-Type", "Accept", "Prefer")}, body.decode()])
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.noted(body); time.sleep(latency)
        if self.path.endswith("_search"): return self.bundle([{"resourceType": "Patient", "id": "zyx", "meta": {"versionId": "1"}, "name": [{"family": "Zyxdurand", "given": ["Jeannezyx"]}], "gender": "female", "birthDate": "1938-02-03"}])
        found = json.loads(body)
        entries = [(each["resource"], each["request"]["ifNoneExist"]) for each in found["entry"]] if "entry" in found else [(found, self.headers["If-None-Exist"])]
        kept, places, full = [], {}, [each.get("fullUrl", "") for each in found.get("entry", [{}])]
        with lock:
            for resource, condition in entries:
                key = (resource["resourceType"], condition.rpartition("|")[2])
                if key not in there:
                    text = json.dumps(resource)
                    for place, where in places.items(): text = text.replace(place, where) if place else text
                    resource = json.loads(text)
                    count[0] += 1; made[key] = made.get(key, 0) + 1
                    there[key] = resource | {"id": f"s{count[0]}", "meta": resource.get("meta", {}) | {"versionId": "1"}}
                kept.append(there[key])
                places[full.pop(0)] = f"{key[0]}/{there[key]['id']}"
            silent = chance.random() < faults
        if silent: self.close_connection = True; return self.connection.shutdown(2)
        if len(entries) > 1: return self.say(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"resource": each, "response": {"status": "201"}} for each in kept]})
        self.say(201, kept[0])

class Many(ThreadingHTTPServer): request_queue_size = 256
server = Many(("127.0.0.1", 0), Ehr); print(server.server_port, flush=True); server.serve_forever()
"""


def _filled(folder: Path, base: str, given: argparse.Namespace) -> App:
    """A Liaison with as many referrals of one person as make the letters, none sent."""
    url = f"sqlite:///{folder / 'liaison.db'}"
    upgrade(url)
    app = build(load_settings({"LIAISON_SECRET_KEY": "k" * 40, "LIAISON_DATABASE_URL": url}), clock=SystemClock())
    found = network.load(ROOT / "mappings" / "demo" / "network.yaml")
    limits = Limits(parallel=given.parallel)
    moved = tuple(replace(each, ehr=replace(each.ehr, url=base, limits=limits, transactions=given.together)) if each.ehr else each for each in found.organisations)
    app.apply_network(replace(found, organisations=moved))
    agreed = {"accord": "oui", "par": "coursier-lea", "le": CALL["appel"], "comment": "telephone"}
    for n in range(given.letters // 3):
        record = {**CALL, "id": f"appel-{n}", "accord_medecin": agreed, "accord_patient": agreed}
        app.write_now(lambda story, uow, record=record: story.refer(uow, COURSIER, "appel-coursier", record))  # type: ignore[misc]
    return app


def _ours(app: App) -> tuple[float, float]:
    """Seconds, and seconds of CPU."""
    push, began, worked = app.wiring.push, time.perf_counter(), time.process_time()
    while not app.store.read_now(lambda uow: uow.letters(states=("parked", "conflict"), limit=1)) and app.store.read_now(lambda uow: uow.letters(states=("queued", "unknown"), limit=1)):
        push.drain(1_000_000)
        threading.Event().wait(0.02)
    return time.perf_counter() - began, time.process_time() - worked


def _bare(base: str, asked: list[Any], parallel: int) -> float:
    """The same requests, each sent once."""
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for each in asked:
        waiting.put(each)

    def send() -> None:
        connection = http.client.HTTPConnection(urlsplit(base).netloc)
        while True:
            try:
                method, path, headers, body = waiting.get_nowait()
            except queue.Empty:
                return connection.close()
            try:
                connection.request(method, path, body.encode() or None, headers)
                connection.getresponse().read()
            except (http.client.HTTPException, OSError):
                connection.close()

    threads = [threading.Thread(target=send) for _ in range(parallel)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _got(base: str, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(base).netloc)
    connection.request("GET", path)
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


def measure(given: argparse.Namespace) -> list[Figure]:
    """Ours and the bare loader, in letters a second. Raises SystemExit when something is there twice or not at all."""
    stub = subprocess.Popen([sys.executable, "-c", _STUB, str(given.latency), str(given.faults)], stdout=subprocess.PIPE, text=True)
    assert stub.stdout
    base = f"http://127.0.0.1:{int(stub.stdout.readline())}/fhir"
    try:
        with tempfile.TemporaryDirectory() as folder:
            app = _filled(Path(folder), base, given)
            letters = len(app.store.read_now(lambda uow: uow.letters(limit=1_000_000)))
            took, cpu = _ours(app)
            found = _got(base, "/_asked")
            why = {each.reason for each in app.store.read_now(lambda uow: uow.letters(states=("parked", "conflict"), limit=100))}
            left = {each.state for each in app.store.read_now(lambda uow: uow.letters(limit=1_000_000))}
            app.close()
        if {"parked", "conflict"} & left:
            raise SystemExit(f"letters wait for a person: {why}")
        if found["doubled"] or found["made"] != letters or left != {"done"}:
            raise SystemExit(f"{found['made']} of {letters} are there, {found['doubled']} twice; letters are {left}")
        _got(base, "/_reset")
        bare = _bare(base, found["asked"], given.parallel)
    finally:
        stub.kill()
        stub.wait()
    name = f"letters at {given.latency:g} ms, {given.parallel} open, {given.faults:g} % never answered{', a referral at once' if given.together else ''}"
    note = f"{letters} letters in {len(found['asked'])} requests, each there once"
    return [Figure("B7", name, "ours", letters / took, cpu_ms=cpu * 1000 / letters, note=note), Figure("B7", name, "bare loader", letters / bare, note="the same requests")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=50, help="ms before each answer")
    parser.add_argument("--faults", type=float, default=1, help="percent of requests done and never answered")
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--together", action="store_true", help="the letters of a referral in one transaction")
    ours, bare = measure(parser.parse_args())
    print(f"{ours.name}: ours {ours.rate:.1f}/s, bare {bare.rate:.1f}/s, {ours.rate / bare.rate:.0%}, {ours.cpu_ms:.1f} ms of CPU a letter ({ours.note})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
