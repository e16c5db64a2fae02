"""The yardstick: what a careful engineer writes in a day with the usual parts, to see what Liaison's own parts are worth.

A typed FastAPI application on the R4B classes of fhir.resources: the body is parsed into the class and so validated, id and
meta are set, the model is written back. One SQLite file with the same durability as ours (WAL, synchronous=FULL): one
transaction, one commit, one flush to disk a request, as an ordinary careful handler does. The bearer's digest is looked up,
and the audit row is written in the same transaction: a BALP event of the same entries as ours, typed like every other resource, and
sealed by SHA-256 over the one before it, whose digest a head row keeps. uvicorn runs as it does for ours.

Two handlers, for there are two ways to write one: `yardstick` is `def` with the class as its parameter, which FastAPI runs in
its threads, a connection each (a lock keeps them out of SQLite's busy loop, where p99 is a second); `yardstick-inline` is
`async def`, reads the body itself and waits for the disk on the event loop. The second does more a second, and holds up
everything else meanwhile.

It is spared what ours does besides: search rows, the rules that the classes miss, invariants between resources, the network
file, the outbox, the canonical form and the salts of the chain. A read gives the stored text without making a model.

`python -m tests.bench.yardstick FOLDER` serves on a free port and says where.
"""

from __future__ import annotations

import hashlib
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.fhirresourcemodel import FHIRResourceModel
from fhir.resources.R4B.meta import Meta
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task
from pydantic import ValidationError
from starlette.responses import Response

TOKEN = "the-token-of-the-bench"
JSON = "application/fhir+json"
_TABLES = """
CREATE TABLE token (digest TEXT PRIMARY KEY, client TEXT NOT NULL, expires TEXT NOT NULL);
CREATE TABLE resource (type TEXT, id TEXT, version INTEGER, updated TEXT, content TEXT NOT NULL, PRIMARY KEY (type, id, version));
CREATE TABLE audit (key INTEGER PRIMARY KEY, at TEXT NOT NULL, event TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE head (digest TEXT NOT NULL);
INSERT INTO head VALUES ('');
"""


class Database:
    """One file, a connection for each thread."""

    def __init__(self, path: Path) -> None:
        self._path, self._turn, self._own = path, threading.Lock(), threading.local()
        with self.transaction() as connection:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute("INSERT INTO token VALUES (?, 'bench', '9999')", (digest(TOKEN),))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        if not hasattr(self._own, "connection"):
            self._own.connection = sqlite3.connect(self._path, isolation_level=None)
            self._own.connection.execute("PRAGMA journal_mode = WAL")
            self._own.connection.execute("PRAGMA synchronous = FULL")
        connection: sqlite3.Connection = self._own.connection
        with self._turn:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def client(connection: sqlite3.Connection, token: str) -> str:
    found = connection.execute("SELECT client FROM token WHERE digest = ? AND expires > ?", (digest(token), now())).fetchone()
    if found is None:
        raise HTTPException(401, "the token is unknown or has expired")
    return str(found[0])


def audited(connection: sqlite3.Connection, who: str, interaction: str, action: str, reference: str, at: str) -> None:
    """One more link of the chain: its event as FHIR, its digest over the one before."""
    role = {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110153"}]}
    event = AuditEvent.model_validate({
        "resourceType": "AuditEvent", "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": interaction}], "action": action, "recorded": at, "outcome": "0",
        "agent": [
            {"type": role, "who": {"identifier": {"value": who}}, "requestor": False, "network": {"address": "127.0.0.1", "type": "2"}},
            {"type": role, "who": {"display": "yardstick"}, "requestor": False, "network": {"address": "127.0.0.1", "type": "2"}},
        ],
        "source": {"observer": {"display": "yardstick"}},
        "entity": [
            {"type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"}, "what": {"reference": reference}},
            {"type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "4"}, "what": {"identifier": {"value": str(uuid4())}}},
        ],
    }).model_dump_json()  # fmt: skip
    (before,) = connection.execute("SELECT digest FROM head").fetchone()
    sealed = digest(before + event)
    connection.execute("INSERT INTO audit (at, event, digest) VALUES (?, ?, ?)", (at, event, sealed))
    connection.execute("UPDATE head SET digest = ?", (sealed,))


async def bearer(authorization: Annotated[str, Header()] = "") -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise HTTPException(401, "expected a bearer token")
    return token


Token = Annotated[str, Depends(bearer)]


def application(database: Database) -> FastAPI:
    app = FastAPI()

    def stored(resource: FHIRResourceModel, token: str) -> Response:
        at = now()
        type, id = resource.get_resource_type(), str(uuid4())
        resource.id = id
        resource.meta = (resource.meta or Meta()).model_copy(update={"versionId": "1", "lastUpdated": at})
        text = resource.model_dump_json()
        with database.transaction() as connection:
            who = client(connection, token)
            connection.execute("INSERT INTO resource VALUES (?, ?, 1, ?, ?)", (type, id, at, text))
            audited(connection, who, "create", "C", f"{type}/{id}/_history/1", at)
        return Response(text, 201, {"Location": f"/fhir/{type}/{id}/_history/1", "ETag": 'W/"1"'}, JSON)

    def given(type: str, id: str, token: str) -> Response:
        with database.transaction() as connection:
            who = client(connection, token)
            query = "SELECT version, content FROM resource WHERE type = ? AND id = ? ORDER BY version DESC LIMIT 1"
            found = connection.execute(query, (type, id)).fetchone()
            if found is None:
                raise HTTPException(404, "not found")
            audited(connection, who, "read", "R", f"{type}/{id}/_history/{found[0]}", now())
        return Response(found[1], 200, {"ETag": f'W/"{found[0]}"'}, JSON)

    @app.post("/fhir/ServiceRequest", status_code=201)
    def create_request(resource: ServiceRequest, token: Token) -> Response:
        return stored(resource, token)

    @app.post("/fhir/Task", status_code=201)
    def create_task(resource: Task, token: Token) -> Response:
        return stored(resource, token)

    @app.get("/fhir/{type}/{id}")
    def read(type: str, id: str, token: Token) -> Response:
        return given(type, id, token)

    @app.post("/inline/ServiceRequest", status_code=201)
    async def create_inline(request: Request, token: Token) -> Response:
        try:
            resource = ServiceRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise HTTPException(422, error.errors(include_url=False, include_input=False, include_context=False)) from None
        return stored(resource, token)

    @app.get("/inline/{type}/{id}")
    async def read_inline(type: str, id: str, token: Token) -> Response:
        return given(type, id, token)

    return app


def main() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = application(Database(Path(sys.argv[1]) / "yardstick.db"))
        print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, ws="none")).run(sockets=[listener])


if __name__ == "__main__":
    main()
