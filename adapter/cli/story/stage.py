"""The stage: a Liaison behind real HTTP on a free port of this machine, an EHR beside it, a clock that the story turns."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from adapter import network
from adapter.cli import house
from adapter.cli.story.account import Account
from adapter.cli.story.case import CLINIC, Case, default_case, own_case
from adapter.cli.story.doors import Doors
from adapter.cli.story.reasons import causes, decided
from adapter.cli.story.there import TYPES, Noting, There
from adapter.clock import Clock, FrozenClock, SystemClock
from adapter.errors import SettingsError
from adapter.network import Network, Secret
from adapter.ports import AuditRow
from adapter.settings import Settings, load_settings, mappings_folder
from adapter.views import pairwise

if TYPE_CHECKING:
    from adapter.app import App

FRIDAY = datetime(2026, 3, 6, 18, 50, tzinfo=ZoneInfo("Europe/Paris"))
LETTERS = "bcdfghjklmnpqrstvwxz"


@dataclass
class Stage:
    """What a step has in hand: the doors, the EHR, the case, the clock; `account` is the step being told."""

    app: App
    doors: Doors
    there: There
    noting: Noting
    case: Case
    clock: FrozenClock
    lang: str
    account: Account = field(init=False)
    referral: dict[str, Any] = field(default_factory=dict)  # the line of the receipt that is followed
    announced: str = ""  # the deadline that was said before anything was sent
    lines: list[dict[str, Any]] = field(default_factory=list)  # every line of that receipt
    second: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)  # the followed referral as its unit saw it last
    offer: dict[str, Any] = field(default_factory=dict)  # the further request as the pool saw it last
    before: dict[str, int] = field(default_factory=dict)  # how much the EHR held about the person before the story
    _heard: int = 0

    def push(self) -> int:
        """Sends what is due, as the job would; how many letters were taken."""
        return self.app.wiring.push.drain(1000)

    def pull(self) -> None:
        """Asks the EHR what changed, as the job would."""
        self.app.wiring.pulls[CLINIC].run(now=True)

    def audit_rows(self, after: int = 0) -> list[AuditRow]:
        return self.app.read_now(lambda _, uow: uow.audit_rows(after=after, limit=1_000_000))

    def begin(self, account: Account) -> None:
        rows = self.audit_rows(self._heard)
        self._heard = rows[-1].seq if rows else self._heard
        self.account = account
        self.doors.calls.clear()
        self.noting.sent.clear()

    def end(self) -> Account:
        """The step with what went over the wire and what was decided in it."""
        self.account.calls, self.account.travelled = list(self.doors.calls), list(self.noting.sent)
        rows = self.audit_rows(self._heard)
        self.account.decisions = list(dict.fromkeys(each for row in rows if (each := decided(orjson.loads(row.event)))))
        if not self.account.ok:
            self.account.causes = causes(self.account.calls, self.app.read_now(lambda _, uow: list(uow.letters())))
        return self.account

    def guessed(self, task: str) -> str:
        """Under which id the unit would know that Task: what nobody has told it yet."""
        return pairwise(self.app.settings.key(), self.case.unit, "Task", task)

    def label(self, table: str, code: str) -> str:
        """What the views call a code of FHIR."""
        found = self.app.views[self.case.view].labels.get(table, {}).get(code, {})
        return found.get(self.lang, code)


@contextmanager
def opened(*, ehr_url: str, folder: Path, lang: str, mapping: str, record: dict[str, Any] | None) -> Iterator[Stage]:
    """A stage in `folder`. On Friday 6 March 2026 at 18:50, or, with the user's record, now. Raises SettingsError, EhrError."""
    from adapter import ehr
    from adapter.app import build
    from adapter.ehr.fake import FakeEhr
    from adapter.store import upgrade

    real = SystemClock()
    run = "".join(LETTERS[byte % len(LETTERS)] for byte in real.secret().encode()[:8]) if ehr_url else ""
    clock = FrozenClock(real.now() if record else FRIDAY, seed=int.from_bytes(run.encode()))
    with ExitStack() as stack:
        listener = stack.enter_context(house.listening("127.0.0.1", 0))
        settings = _settings(folder, listener.getsockname()[1], real)
        upgrade(settings.database_url)
        url = ehr_url.rstrip("/") or stack.enter_context(FakeEhr(folder=folder, clock=clock)).base_url
        notings: list[Noting] = []

        def noted(entry: network.EhrEntry) -> Noting:
            notings.append(Noting(ehr.connect(entry, clock=clock)))
            return notings[-1]

        app = build(settings, clock=clock, ehrs=noted)
        stack.callback(app.close)
        net, secrets = _network(settings, folder, url, run, real)
        if record:
            case = own_case(app.documents, net, app.terms, clock, mapping=mapping, record=record)
        else:
            case = default_case(app.documents, net, app.terms, clock, run=run)
        app.apply_network(net)
        entry = next(each for each in net.ehrs() if each.name == CLINIC)
        there = There(ehr.connect(entry, clock=clock), app.systems)
        there.client.capability()  # an EHR that cannot be reached is said before the first step
        doors = Doors(settings.url, secrets, lang, clock, folder / "answers.ndjson")
        stack.enter_context(serving(app, listener))
        app.clients  # noqa: B018 - makes them now
        yield Stage(app, doors, there, notings[0], case, clock, lang)


def _settings(folder: Path, port: int, chance: Clock) -> Settings:
    key = folder / "liaison.key"
    key.touch(mode=0o600)
    key.write_text(chance.secret())
    return load_settings({}, {"database_url": f"sqlite:///{folder / 'liaison.db'}", "secret_key_file": key, "port": port})


def _network(settings: Settings, folder: Path, url: str, run: str, chance: Clock) -> tuple[Network, dict[str, str]]:
    """The demonstration's network with this EHR's address and secrets made for this run: (network, secret by client).
    On a server that remembers, the clinic's identifiers are this run's own."""
    found = network.parse((mappings_folder(settings) / "demo" / "network.yaml").read_text(encoding="utf-8"), file="demo/network.yaml")
    secrets = {client.id: chance.secret() for client in found.clients}
    for name, secret in secrets.items():
        file = folder / "secrets" / name
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secret)

    def placed(each: network.Organisation) -> network.Organisation:
        if each.ehr is None:
            return each
        own = tuple(replace(one, value=f"{one.value}-{run}") for one in each.identifiers) if run else each.identifiers
        return replace(each, ehr=replace(each.ehr, url=url), identifiers=own)

    clients = tuple(replace(each, secret=Secret(file=str(folder / "secrets" / each.id))) for each in found.clients)
    return replace(found, organisations=tuple(map(placed, found.organisations)), clients=clients), secrets


@contextmanager
def serving(app: App, listener: socket.socket) -> Iterator[None]:
    """The doors on that socket, in a thread, until the block ends."""
    import uvicorn

    from adapter.web import create

    server = uvicorn.Server(uvicorn.Config(create(app), log_config=None, access_log=False, server_header=False, lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.02)
            if not thread.is_alive():
                raise SettingsError("the server of the demonstration could not start", fix="run `liaison db check`, or report it")
        yield
    finally:
        server.should_exit = True
        thread.join()


def emitted(stage: Stage, folder: Path) -> dict[str, int]:
    """Reads back from the EHR what is there about the person, writes it under `folder`/emitted, counts it by type."""
    place = folder / "emitted"
    place.mkdir(exist_ok=True)
    counts = {"Patient": len(stage.there.patients(stage.case.patient))}
    for type in TYPES:
        found = stage.there.of_patient(type)
        counts[type] = len(found)
        for resource in found:
            (place / f"{type}-{resource['id']}.json").write_bytes(orjson.dumps(resource, option=orjson.OPT_INDENT_2))
    return counts
