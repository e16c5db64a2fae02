"""Joins the synchronisation engine to the story: what may leave, what a pulled change does, how references are rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from adapter.bridge import Bridge, Story
from adapter.clock import Clock
from adapter.ehr import match_identified, matching_patients
from adapter.ehr.match import Matched
from adapter.errors import EhrRejected
from adapter.names import Systems
from adapter.network import Network
from adapter.ports import EhrClient, Letter, Link, Resource, Store, Uow
from adapter.referral.due import Calendar, Patience
from adapter.retaining import Retention
from adapter.settings import Settings
from adapter.subscribed import subscribing_at
from adapter.sync import heard
from adapter.sync.acts import What
from adapter.sync.cursors import Cursor, cursor_name
from adapter.sync.delivery import Delivery
from adapter.sync.doubles import Doubles
from adapter.sync.drafts import Drafts
from adapter.sync.due import Due, sent_at
from adapter.sync.due import Report as Done
from adapter.sync.inbound import Inbound
from adapter.sync.jobs import Jobs
from adapter.sync.overdue import overdue
from adapter.sync.ownership import Ownership
from adapter.sync.patients import Patients
from adapter.sync.people import People
from adapter.sync.presence import Presence
from adapter.sync.probe import Mode, mode_of, probe
from adapter.sync.proof import Proofs
from adapter.sync.pull import Pull, Report
from adapter.sync.push import Push
from adapter.sync.reach import Reach
from adapter.sync.reading import Readings
from adapter.sync.reconcile import Difference, reconcile
from adapter.sync.schedule import Schedule
from adapter.sync.searches import Search
from adapter.sync.subscribing import Subscribing
from adapter.sync.together import Together

NETWORK_NUMBER = "network-number"  # the value kept under it counts the network files applied
RETENTION = timedelta(hours=1)  # between looks at what is past its age
LISTEN, WATCH = timedelta(seconds=5), timedelta(minutes=5)  # between looks at what an EHR said, and at our Subscriptions there
ELAPSED = timedelta(minutes=5)  # between looks at what time has brought
HOURLY, DAILY = timedelta(hours=1), timedelta(days=1)
PERIOD = 0.9  # of a chore's time that its turn is taken for: who did it last comes a little early, too


@dataclass(frozen=True)
class Wiring:
    """The engine of one process."""

    store: Store
    push: Push
    pulls: Mapping[str, Pull]
    presences: Mapping[str, Presence]
    subscribing: Mapping[str, Subscribing]
    patients: Patients
    retention: Retention
    due: Due
    settings: Settings
    bridge: Bridge
    clients: Mapping[str, EhrClient]
    clock: Clock
    rules: Ownership

    def searches(self, uow: Uow, ehr: str) -> tuple[Search, ...]:
        """What the pull asks that EHR for."""
        return self.bridge.searches(uow, ehr, consents=self.settings.pull_interval)

    def probe(self, ehr: str, *, agreed: bool = False) -> Mode:
        """Learns what the EHR honours: by trying, once in a sandbox and each time an operator `agreed`, else by what it declares.
        Raises EhrError."""
        untried = self.store.read_now(lambda uow: mode_of(uow, ehr)).how != "tried"
        sandbox = untried and any(entry.name == ehr and entry.sandbox for entry in self.bridge.network().ehrs())
        systems = Systems(self.settings.system_base)
        return probe(self.store, self.clients[ehr], systems, trying=agreed or sandbox, new_id=self.clock.new_id)

    def listen(self, ehr: str, pulled: Callable[[Report], None] = lambda report: None) -> None:
        """Runs the pull where that EHR said that something changed. Raises EhrError."""
        if self.store.read_now(lambda uow: heard.heard(uow, ehr)):
            report = self.pulls[ehr].run()
            if report.outcomes:
                pulled(report)

    def reconcile(self, ehr: str) -> list[Difference]:
        """What differs between us and that EHR, both ways. Raises EhrError."""
        return reconcile(self.store, self.clients[ehr], Systems(self.settings.system_base), self.rules)

    def late(self) -> list[str]:
        """The EHRs that were not read to the end for a whole business day (SDOHCC task-11)."""
        return [ehr for ehr in self.pulls if self.store.read_now(lambda uow, ehr=ehr: away(self.bridge, self.settings, uow, ehr))]  # type: ignore[misc]

    def _tell(self, late: Callable[[str], None]) -> None:
        for ehr in self.late():
            late(ehr)

    def _in_turn(self, name: str, length: timedelta, chore: Callable[[], object]) -> None:
        """A chore that one of all processes does in its time; where it failed the next may try. Who ended without giving it back
        keeps it no longer than that time."""
        lease, holder = f"chore/{name}", self.retention.holder
        until = self.clock.now() + length * PERIOD
        if not self.store.write_now(lambda uow: uow.lease(lease, holder=holder, until=until)):
            return
        try:
            chore()
        except BaseException:
            self.store.write_now(lambda uow: uow.lease(lease, holder=holder, until=uow.at))
            raise

    def jobs(
        self, *, link: Callable[[str], object], failed: Callable[[str, Exception], None],
        pulled: Callable[[Report], None] = lambda report: None, late: Callable[[str], None] = lambda ehr: None,
        serve: Callable[[], object] = lambda: None, drop: Callable[[], object] | None = None, done: Callable[[Done], None] = lambda done: None,
    ) -> Jobs:
        """The jobs of this process, not yet started. `link` links the directory of one EHR; `late` hears of each that was not read for
        a business day; `serve` tells those who subscribed with us; `drop` looks into the folder where tables are dropped; `done` hears of
        what time had brought."""
        every = self.settings.pull_interval
        chores: dict[str, tuple[Callable[[], object], timedelta]] = {f"directory-{ehr}": (partial(link, ehr), every) for ehr in self.pulls}
        chores |= {f"probe-{ehr}": (partial(self.probe, ehr), DAILY) for ehr in self.pulls}
        chores["overdue"] = (partial(self._tell, late), HOURLY)
        chores |= {f"consents-{ehr}": (presence.look, every) for ehr, presence in self.presences.items()}
        chores |= {f"subscribe-{ehr}": (each.look, WATCH) for ehr, each in self.subscribing.items()}
        chores |= {f"heard-{ehr}": (partial(self.listen, ehr, pulled), LISTEN) for ehr in self.pulls}
        chores["subscribers"] = (serve, LISTEN)
        chores["due"] = (lambda: done(self.due.run()), ELAPSED)
        chores["retention"] = (self.retention.run, RETENTION)
        chores |= {"drop": (drop, LISTEN)} if drop else {}
        chores = {name: (partial(self._in_turn, name, length, chore), length) for name, (chore, length) in chores.items()}
        return Jobs(self.store, self.push, self.pulls, schedule=Schedule(), chores=chores, failed=failed, pulled=pulled, beat=self.settings.push_every)


def wire(
    settings: Settings, store: Store, clock: Clock, *, holder: str, story: Story, network: Callable[[], Network],
    clients: Mapping[str, EhrClient], rules: Ownership, failed: Callable[[str, Exception], None],
    settled: Callable[[What, Letter], None] = lambda what, letter: None,
) -> Wiring:  # fmt: skip
    """Everything the engine needs, from the parts of this process."""
    bridge, systems = Bridge(story, network), Systems(settings.system_base)
    proofs = Proofs(store, told=bridge, systems=systems)
    patients = Patients(
        store,
        match=matching_patients,
        outgoing=bridge.outgoing,
        leaving=bridge.leaving,
        seeking=bridge.seeking,
        ownership=rules,
        systems=systems,
        audited=bridge.audited,
        creates=bridge.creates,
        proofs=proofs,
    )
    inbound = Inbound(
        store, apply=bridge.apply, inward=bridge.inward, ownership=rules, audited=bridge.audited, works_here=bridge.works_here
    )
    together = Together(store, clock, ownership=rules, systems=systems, told={entry.name: entry.transactions for entry in network().ehrs()})
    drafts = Drafts(
        store, clock, outgoing=bridge.outgoing, leaving=bridge.leaving, outward=bridge.outward, ownership=rules, systems=systems, together=together,
        doubted=bridge.doubted,
    )
    delivery = Delivery(
        store, clock, drafts=drafts, patients=patients, inbound=inbound, ownership=rules, systems=systems,
        doubles=Doubles(store, audited=bridge.audited, proofs=proofs, searches=bridge.searched), proofs=proofs,
        readings=Readings(store, clock, told=bridge, inbound=inbound),
        together=together,
    )  # fmt: skip
    push = Push(
        store, clients, delivery, clock, holder=holder, audited=bridge.audited, lease=settings.push_lease, failed=failed, settled=settled,
        asked=(NETWORK_NUMBER,),
    )  # fmt: skip
    searches = {name: partial(bridge.searches, ehr=name, consents=settings.pull_interval) for name in clients}
    people = {name: People(store, client, inbound) for name, client in clients.items()}
    pulls = {
        name: Pull(
            store, client, inbound, clock, holder=holder, people=people[name].look,
            searches=searches[name], hours=partial(_open, bridge, name, clock),
        )
        for name, client in clients.items()
    }  # fmt: skip
    subscribing = subscribing_at(store, clients, clock, settings=settings, holder=holder, network=network, searches=searches)
    reach = Reach(store, partial(away, bridge, settings), bridge.closed, bridge.works_here, sent_at)
    due = Due(
        store, clock, bridge, reach, Patience(settings.remind_after, settings.expire_after), holder=holder,
        ehrs=lambda: [each.name for each in network().ehrs() if each.name in clients], failed=failed,
    )  # fmt: skip
    presences = {name: Presence(store, client, inbound) for name, client in clients.items()}
    return Wiring(
        store, push, pulls, presences, subscribing, patients, Retention.of(settings, store, clock, holder=holder), due, settings, bridge,
        clients, clock, rules,
    )  # fmt: skip


def away(bridge: Bridge, settings: Settings, uow: Uow, ehr: str) -> datetime | None:
    """Since when an EHR was not read to the end, where that is a whole business day (SDOHCC task-11)."""
    network = bridge.story(uow).network
    cursors = [Cursor.decode(uow.kept(cursor_name(ehr, each.type, each.by))) for each in bridge.searches(uow, ehr, consents=settings.pull_interval)]
    ran = min((each.ran for each in cursors if each.ran), default=None)
    return ran if overdue(ran, uow.at, Calendar(network.hours, network.zone)) else None


def _open(bridge: Bridge, ehr: str, clock: Clock) -> bool:
    return bridge.open_now(ehr, clock.now())


def link_directory(store: Store, client: EhrClient, resources: list[Resource]) -> list[str]:
    """Links our clinic's Organization (and people) to those the EHR has under one of the same identifiers; returns the
    references that were linked. Raises EhrError."""
    linked = []
    for resource in resources:
        type, id = resource["resourceType"], resource["id"]
        pairs = [(each["system"], each["value"]) for each in resource.get("identifier", ()) if each.get("system") and each.get("value")]
        if not pairs or store.read_now(lambda uow, type=type, id=id: uow.link(client.name, type, id)):  # type: ignore[misc]
            continue
        try:
            found = match_identified(client, type, pairs)
        except EhrRejected:
            continue  # an EHR that cannot search this type: by identifier then
        if isinstance(found, Matched):
            link = Link(client.name, type, id, found.remote_id)
            store.write_now(lambda uow, link=link: uow.save_link(link))  # type: ignore[misc]
            linked.append(f"{type}/{id}")
    return linked
