"""A Liaison that is killed, doubled and lied to (sync.md Y-45): a door and two workers, each an App of its own, on one database
beside a FakeEhr; and a place at which each worker can be stopped: before and after every unit of work and every call to the EHR.

All of it in one thread and on a clock that stands, so that what was drawn happens again the same way.
"""

from __future__ import annotations

import copy
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar
from unittest import mock

from adapter import audit, net, network
from adapter.app import App, build
from adapter.clock import Clock, FrozenClock
from adapter.ehr import HttpEhrClient, connect
from adapter.ehr.fake import FakeEhr
from adapter.errors import EhrError, Unavailable
from adapter.look import Revealed
from adapter.network import EhrEntry, Limits, Network
from adapter.ports import Capability, EhrClient, Remote, Resource, Store, Uow
from adapter.settings import load_settings
from adapter.store import open_store
from tests.e2e.records import VIEW
from tests.e2e.stage import CLINIC, COURSIER, FRIDAY, PATIENT, ROOT, Stage

T = TypeVar("T")
KEY = "k" * 40


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no handler, no `finally` that reaches anybody."""


class Points:
    """The places at which a worker meets the world. `arm(n, act)`: at the n-th from now `act()` happens there; `die` for the
    end of the worker, after which every further place is the end too."""

    def __init__(self) -> None:
        self.passed, self.dead, self.calling = 0, False, False
        self._left: int | None = None
        self._act: Callable[[], object] = lambda: None

    def arm(self, n: int, act: Callable[[], object]) -> None:
        self._left, self._act = n, act

    def disarm(self) -> None:
        self._left = None

    def die(self) -> None:
        self.dead = True

    def around(self, call: Callable[[], T]) -> T:
        self._reach()
        found = call()
        self._reach()
        return found

    def _reach(self) -> None:
        self.passed += 1
        if self._left is not None and not self.dead:
            self._left -= 1
            if self._left < 0:
                self._left = None
                self._act()
        if self.dead:
            raise Killed


class WatchedStore:
    """The store of a worker."""

    def __init__(self, store: Store, points: Points) -> None:
        self._store, self._points = store, points

    def read_now(self, fn: Callable[[Uow], T]) -> T:
        return self._points.around(lambda: self._store.read_now(fn))

    def write_now(self, fn: Callable[[Uow], T]) -> T:
        return self._points.around(lambda: self._store.write_now(fn))

    async def read(self, fn: Callable[[Uow], T]) -> T:
        return await self._store.read(fn)

    async def write(self, fn: Callable[[Uow], T]) -> T:
        return await self._store.write(fn)

    def on_commit(self, wake: Callable[[], None], *, letters: bool = False) -> None:
        self._store.on_commit(wake, letters=letters)

    def close(self) -> None:
        self._store.close()


class WatchedEhr:
    """The client of a worker. While its points are `calling`, what was decided is already on its way."""

    def __init__(self, client: EhrClient, points: Points) -> None:
        self.name, self._client, self._points = client.name, client, points

    def _call(self, call: Callable[[], T]) -> T:
        self._points.calling = True
        try:
            return self._points.around(call)
        finally:
            self._points.calling = False

    def capability(self) -> Capability:
        return self._call(self._client.capability)

    def read(self, type: str, id: str) -> Remote | None:
        return self._call(lambda: self._client.read(type, id))

    def search(self, type: str, params: Sequence[tuple[str, str]]) -> Iterable[list[Remote]]:
        pages = iter(self._call(lambda: self._client.search(type, params)))

        def each() -> Iterator[list[Remote]]:
            while (page := self._call(lambda: next(pages, None))) is not None:
                yield page

        return each()

    def create(self, resource: Resource, *, if_none_exist: tuple[str, str] | None = None) -> Remote:
        return self._call(lambda: self._client.create(resource, if_none_exist=if_none_exist))

    def update(self, resource: Resource, *, if_match: str) -> Remote:
        return self._call(lambda: self._client.update(resource, if_match=if_match))

    def patch(self, type: str, id: str, operations: list[dict[str, Any]], *, if_match: str) -> Remote:
        return self._call(lambda: self._client.patch(type, id, operations, if_match=if_match))

    def transaction(self, bundle: Resource) -> Resource:
        return self._call(lambda: self._client.transaction(bundle))


def connected(entry: EhrEntry, clock: Clock, *, limits: net.Limits | None = None) -> HttpEhrClient:
    """A client. Nothing here speaks TLS: to read the certificates of this machine takes longer than all else of a start."""
    with mock.patch.object(ssl.SSLContext, "load_default_certs"):
        return connect(entry, clock=clock, limits=limits)


def process(url: str, clock: FrozenClock, *, points: Points | None = None) -> App:
    """A process of Liaison; a worker's, where it has points."""
    settings = load_settings({"LIAISON_SECRET_KEY": KEY, "LIAISON_DATABASE_URL": url})
    store = open_store(url, clock=clock, seal=audit.seal, canonical=audit.canonical, key=settings.key())
    if points is None:
        return build(settings, store=store, clock=clock, ehrs=lambda entry: connected(entry, clock))
    return build(settings, store=WatchedStore(store, points), clock=clock, ehrs=lambda entry: WatchedEhr(connected(entry, clock), points))


@cache
def _demonstration() -> Network:
    return network.load(ROOT / "mappings" / "demo" / "network.yaml")


class Worker:
    """A process that runs the jobs. Killed, it comes back as another one."""

    def __init__(self, url: str, clock: FrozenClock, faults: list[str]) -> None:
        self._url, self._clock, self._faults = url, clock, faults
        self.points, self.app, self.deaths = Points(), None, 0

    @property
    def alive(self) -> App:
        if self.app is None:
            self.points = Points()
            self.app = process(self._url, self._clock, points=self.points)
            self.app.wiring.push._failed = lambda code, error: self._faults.append(f"{code}: {error!r}")
        return self.app

    def run(self, job: Callable[[App], T], *, at: int = 0, act: Callable[[Points], object] | None = None) -> T | None:
        """What `job` gives; None where the EHR or its own end kept it from that. `act` happens at its `at`-th point."""
        app, points = self.alive, self.points
        if act is not None:
            points.arm(at, lambda: act(points))
        try:
            return job(app)
        except Killed:
            self.deaths += 1
            self.end()
        except (EhrError, Unavailable):
            pass
        finally:
            points.disarm()
        return None

    def end(self) -> None:
        if self.app is not None:
            self.app.close()
            self.app = None


@dataclass
class Referral:
    """What was acknowledged to people about one referral. `sent`, `back`: the first request to the EHR that it may be told in,
    and that it may not be told in but for its end."""

    record: str
    task: str
    request: str
    consent: str
    reference: str
    card: str = ""
    agreed: set[str] = field(default_factory=set)
    sent: int | None = None
    back: int | None = None
    notes: list[str] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)

    def id(self, type: str) -> str:
        return {"Task": self.task, "ServiceRequest": self.request, "Consent": self.consent}[type]


class World:
    """All of it. `entry`: how the clinic's EHR is declared."""

    def __init__(self, url: str, **entry: Any) -> None:
        self.clock = FrozenClock(FRIDAY)
        self.faults: list[str] = []
        self.ehr = FakeEhr(clock=self.clock).start()
        self.door = process(url, self.clock)
        self.workers = {name: Worker(url, self.clock, self.faults) for name in "ab"}
        self.stage = Stage(self.door, self.ehr, self.clock)
        self.referrals: dict[str, Referral] = {}
        declared = {"url": self.ehr.base_url, "limits": Limits(parallel=1, page=3)} | entry
        found = _demonstration()
        organisations = tuple(replace(each, ehr=_declared(each.ehr, declared)) if each.ehr else each for each in found.organisations)
        self.door.apply_network(replace(found, organisations=organisations))
        self.ehr.plant(copy.deepcopy(PATIENT))

    def close(self) -> None:
        for worker in self.workers.values():
            worker.end()
        self.door.close()
        self.ehr.stop()

    def shown(self, referral: Referral) -> Revealed | None:
        """What its recipient sees of it now."""
        if not referral.card:
            cards = self.stage.cards(COURSIER, VIEW)
            referral.card = next((each.id for each in cards if each.card["reference"] == referral.reference), "")
        return self.stage.see(COURSIER, VIEW, referral.card) if referral.card else None

    def copies(self, type: str, id: str) -> list[Resource]:
        """What of ours is there, by our identifier."""
        return [each for each in self.ehr.all(type) if id in {one.get("value") for one in each.get("identifier", ())}]


def _declared(entry: EhrEntry, elements: dict[str, Any]) -> EhrEntry:
    return replace(entry, **elements)


__all__ = ["CLINIC", "Killed", "Points", "Referral", "Worker", "World"]
