"""A whole Liaison in memory, made by a script of acts. Ids and times follow from the name of the act alone, so that an
act more, before or between the others, moves no id of theirs."""

from __future__ import annotations

import copy
import hashlib
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import orjson

from adapter import network
from adapter.app import App, build
from adapter.clock import FrozenClock
from adapter.look import Revealed
from adapter.network import Network
from adapter.ports import Change, Principal, Query, Resource, Version
from adapter.settings import load_settings
from tests.e2e.stage import CALL, COURSIER, FRIDAY, GP, ROOT

VIEWS = {"coursier-rouen": "coursier-dac-asso", "saad-portage": "saad", "permanence-saint-eloi": "as-carsat"}
CLIENTS = {"coursier-rouen": "coursiers", "saad-portage": "saad", "permanence-saint-eloi": "carsat"}
NEEDS = {"coursier-rouen": ["denutrition", "isolement"], "saad-portage": ["denutrition"], "permanence-saint-eloi": ["acces-droits", "budget"]}
BESIDE = "-beside"  # each client has a twin of the same unit: what it asked for itself, each may see in the trail
TAKER = replace(COURSIER, client=f"{COURSIER.client}{BESIDE}")
YES = {"accord": "oui", "par": "coursier-lea", "comment": "telephone"}


class NamedClock(FrozenClock):
    """Ids follow from the act that is running and how many it took before."""

    def __init__(self) -> None:
        super().__init__(FRIDAY)
        self.turn("start", FRIDAY)

    def turn(self, act: str, at: datetime) -> None:
        self._act, self._count = act, 0
        self.set(at)

    def new_id(self) -> str:
        self._count += 1
        digest = hashlib.sha256(f"{self._act}/{self._count}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


class World:
    """Acts by name; each runs at a time of its own."""

    def __init__(self, app: App, clock: NamedClock) -> None:
        self.app, self.clock = app, clock

    def act(self, name: str, minutes: int) -> None:
        self.clock.turn(name, FRIDAY + timedelta(hours=1, minutes=minutes))

    def persons(self) -> None:
        """The clinic knows everybody from the start: a referral more of the same person makes no Patient more."""
        self.act("persons", -30)
        for person in range(8):
            family = _family(person)
            self.create({
                "resourceType": "Patient", "id": self.clock.new_id(), "birthDate": f"19{40 + person}-02-03", "gender": "female",
                "name": [{"use": "official", "family": family, "given": ["Jeannezyx"]}, {"use": "maiden", "family": family}],
                "telecom": [{"system": "phone", "value": f"+3363998000{person}", "use": "mobile"}],
                "address": [{"use": "home", "line": [f"{person} rue Zyxexemple"], "postalCode": "76100", "city": "Rouen"}],
                "managingOrganization": {"reference": "Organization/msp-saint-eloi"},
            })  # fmt: skip

    def refer(self, unit: str, person: int, *, agreed: bool = True, **more: Any) -> Any:
        record = copy.deepcopy(CALL) | {"id": f"{self.clock._act}-{unit}-{person}", "destinataire": unit, "besoins": NEEDS[unit]} | more
        record["personne"] |= {"nom": _family(person), "nom_naissance": _family(person), "naissance": f"19{40 + person}-02-03"}
        if agreed:
            record |= {"accord_medecin": YES, "accord_patient": YES}
        return self.app.write_now(lambda story, uow: story.refer(uow, TAKER, "appel-coursier", record))

    def cards(self, who: Principal, view: str) -> list[Revealed]:
        listed = self.app.write_now(lambda story, uow: story.worklist(uow, who, view)) or []
        opened = (self.app.write_now(lambda story, uow, line=line: story.reveal(uow, who, view, line.id)) for line in listed)
        return [each for each in opened if each]

    def do(self, who: Principal, view: str, shown: Revealed, verb: str, **arguments: Any) -> Revealed | None:
        return self.app.write_now(lambda story, uow: story.advance(uow, who, view, shown.id, verb, arguments, if_match=shown.etag))

    def stored(self, type: str) -> list[Resource]:
        found: list[Version] = self.app.read_now(lambda _, uow: uow.search(Query(type)))
        return [orjson.loads(each.served) for each in found]

    def edit(self, resource: Resource, **elements: Any) -> None:
        changed = {**resource, **elements}
        change = Change("update", resource["resourceType"], resource["id"], changed, origin="device")
        self.app.write_now(lambda story, uow: story.receive(uow, GP, [change]))

    def create(self, resource: Resource) -> None:
        change = Change("create", resource["resourceType"], resource["id"], resource, origin="device")
        self.app.write_now(lambda story, uow: story.receive(uow, GP, [change]))


def _family(person: int) -> str:
    return f"Zyxdurand{'abcdefgh'[person]}"


@cache
def _network() -> Network:
    found = network.load(ROOT / "mappings" / "demo" / "network.yaml")
    silent = tuple(replace(each, ehr=None) if each.ehr else each for each in found.organisations)
    clients = [replace(each, scopes=tuple(scope.replace(".rs", ".rus") for scope in each.scopes)) for each in found.clients]
    twins = [replace(each, id=f"{each.id}{BESIDE}") for each in clients if each.id in CLIENTS.values()]
    return replace(found, organisations=silent, clients=(*clients, *twins))


_begun: list[sqlite3.Connection] = []  # the database with which each begins: made once a process, then copied


@contextmanager
def world() -> Iterator[World]:
    """One in which nothing has happened but that the demonstration's network was applied and the clinic knows its persons."""
    clock = NamedClock()
    settings = load_settings({"LIAISON_SECRET_KEY": "k" * 40, "LIAISON_DATABASE_URL": "sqlite://"})
    app = build(settings, clock=clock)
    try:
        made = World(app, clock)
        if not _begun:
            app.apply_network(_network())
            made.persons()
            _begun.append(sqlite3.connect(":memory:", check_same_thread=False))
            with app.store._database.session(writing=True) as (connection, _):  # type: ignore[attr-defined]
                connection.backup(_begun[0])
        else:
            with app.store._database.session(writing=True) as (connection, _):  # type: ignore[attr-defined]
                _begun[0].backup(connection)
        yield made
    finally:
        app.close()
