"""Joins the synchronisation engine to the story: what may leave, what a pulled change does, how references are rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adapter import dossier
from adapter.audit import events
from adapter.clock import Clock, instant
from adapter.direct import Direct
from adapter.dossier import patient_of, split
from adapter.ehr import inward, match_identified, matching_patients, outward
from adapter.ehr.match import Matched
from adapter.errors import EhrRejected
from adapter.flows import Flows
from adapter.names import Systems
from adapter.network import EhrEntry, Network
from adapter.network.hours import open_at
from adapter.ports import Change, EhrClient, Letter, Link, Resource, Store, Uow
from adapter.pulling import searches_of, work_done
from adapter.recall import Recall
from adapter.referral.codes import CLOSED, OTHER
from adapter.referral.due import Calendar
from adapter.referral.states import NEEDS_REASON
from adapter.retaining import Retention
from adapter.settings import Settings
from adapter.subscribed import subscribing_at
from adapter.sync import heard
from adapter.sync.acts import Act, What, cited
from adapter.sync.canonical import moment
from adapter.sync.cursors import Cursor, cursor_name
from adapter.sync.delivery import Delivery
from adapter.sync.doubles import Doubles
from adapter.sync.drafts import Drafts
from adapter.sync.inbound import Inbound, Pulled
from adapter.sync.jobs import Jobs
from adapter.sync.links import Unlinked, lost
from adapter.sync.overdue import overdue
from adapter.sync.ownership import Ownership
from adapter.sync.patients import Patients
from adapter.sync.people import People
from adapter.sync.presence import Presence
from adapter.sync.probe import Mode, mode_of, probe
from adapter.sync.proof import Proofs, Sources
from adapter.sync.pull import Pull, Report
from adapter.sync.push import Push
from adapter.sync.reading import Asked, Place, Read, Readings
from adapter.sync.reconcile import Difference, reconcile
from adapter.sync.schedule import Schedule
from adapter.sync.searches import Search
from adapter.sync.subscribing import Subscribing
from adapter.sync.together import Together
from adapter.views import pairwise

KINDS = {"Organization": "organisation", "HealthcareService": "unit", "PractitionerRole": "person", "Practitioner": "person"}
Story = Callable[[Uow], Flows]
NETWORK_NUMBER = "network-number"  # the value kept under it counts the network files applied
RETENTION = timedelta(hours=1)  # between looks at what is past its age
LISTEN, WATCH = timedelta(seconds=5), timedelta(minutes=5)  # between looks at what an EHR said, and at our Subscriptions there
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
        network, at = self.bridge.network(), self.clock.now()
        when = Calendar(network.hours, network.zone)
        ran = {ehr: self.store.read_now(lambda uow, ehr=ehr: self._ran(uow, ehr)) for ehr in self.pulls}  # type: ignore[misc]
        return [ehr for ehr, last in ran.items() if overdue(last, at, when)]

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

    def _ran(self, uow: Uow, ehr: str) -> datetime | None:
        cursors = [Cursor.decode(uow.kept(cursor_name(ehr, each.type, each.by))) for each in self.searches(uow, ehr)]
        return min((each.ran for each in cursors if each.ran), default=None)

    def jobs(
        self, *, link: Callable[[str], object], failed: Callable[[str, Exception], None],
        pulled: Callable[[Report], None] = lambda report: None, late: Callable[[str], None] = lambda ehr: None,
        serve: Callable[[], object] = lambda: None,
    ) -> Jobs:
        """The jobs of this process, not yet started. `link` links the directory of one EHR; `late` hears of each that was not read for
        a business day; `serve` tells those who subscribed with us."""
        every = self.settings.pull_interval
        chores: dict[str, tuple[Callable[[], object], timedelta]] = {f"directory-{ehr}": (partial(link, ehr), every) for ehr in self.pulls}
        chores |= {f"probe-{ehr}": (partial(self.probe, ehr), DAILY) for ehr in self.pulls}
        chores["overdue"] = (partial(self._tell, late), HOURLY)
        chores |= {f"consents-{ehr}": (presence.look, every) for ehr, presence in self.presences.items()}
        chores |= {f"subscribe-{ehr}": (each.look, WATCH) for ehr, each in self.subscribing.items()}
        chores |= {f"heard-{ehr}": (partial(self.listen, ehr, pulled), LISTEN) for ehr in self.pulls}
        chores["subscribers"] = (serve, LISTEN)
        chores["retention"] = (self.retention.run, RETENTION)
        chores = {name: (partial(self._in_turn, name, length, chore), length) for name, (chore, length) in chores.items()}
        return Jobs(self.store, self.push, self.pulls, schedule=Schedule(), chores=chores, failed=failed, pulled=pulled, beat=self.settings.push_every)


@dataclass(frozen=True)
class Bridge:
    """What the engine asks of the story, each answer inside the engine's unit of work."""

    story: Story
    network: Callable[[], Network]
    recall: Recall = field(default_factory=Recall)

    def outgoing(self, uow: Uow, letter: Letter) -> Resource | None:
        found = self.recall.of_request(uow, letter.lane)
        return self.story(uow).window.letter(uow, letter, found) if found else None

    def apply(self, uow: Uow, pulled: Pulled) -> None:
        """A change made in the EHR is the clinic's act, or that of a unit which works there, through the same `receive` as
        every other: what ends with it ends here. A Consent that is gone there ends alone, for nobody said so (C-E8)."""
        story = self.story(uow)
        clinic = self._entry(story, pulled.ehr).name
        target = story.writer.organisation_of(pulled.ours.get("owner", {}).get("reference", "")) if pulled.actor == "target" else ""
        who = story.window.ehr_principal(pulled.ehr, target or clinic)
        done, task = work_done(uow, story, pulled, url=self._entry(story, pulled.ehr).url, performer=f"Organization/{target or clinic}")
        change = Change("update", pulled.type, pulled.id, _reasoned(story, task), if_match=pulled.number, origin="pull")
        if pulled.gone:
            story.writer.take(uow, who, [change])
        else:
            said = moment(str(pulled.theirs.get("meta", {}).get("lastUpdated", "")))
            story.receive(uow, who, [*done, change], heard={"at": instant(said)} if said and said < uow.at else {})

    def searches(self, uow: Uow, ehr: str, *, consents: timedelta) -> tuple[Search, ...]:
        """What that EHR is asked for, as its network entry says."""
        story = self.story(uow)

        def there(reference: str) -> Resource:
            found: Resource = self.outward(uow, ehr, {"resourceType": "Task", "owner": {"reference": reference}})["owner"]
            return found

        return searches_of(story, self._entry(story, ehr), there=there, consents=consents)

    def open_now(self, ehr: str, at: datetime) -> bool:
        """Whether that EHR may be asked now for what can wait."""
        network = self.network()
        return any(open_at(entry.hours, network.zone, at) for entry in network.ehrs() if entry.name == ehr)

    def audited(self, uow: Uow, act: Act) -> None:
        """Every act of the engine."""
        story = self.story(uow)
        who = story.window.ehr_principal(act.ehr, self._entry(story, act.ehr).name)
        details = [("ehr", act.ehr), ("remote", act.remote), ("reason", act.reason)]
        found = uow.current(act.type, act.id) if act.id else None
        patient = patient_of(dossier.content(found)) if found and not found.deleted else ""
        what = f"{act.type}/{act.id}"
        uow.audit(events.act(who, f"sync-{act.what}", what=what, patient=patient, at=uow.at, request_id=act.request_id, details=details))

    def leaving(self, uow: Uow, letter: Letter) -> bool:
        """A disclosure, decided and recorded in one unit before it happens."""
        found = self.recall.of_request(uow, letter.lane)
        return found is not None and self.story(uow).window.leaving(uow, letter, found)

    def seeking(self, uow: Uow, letter: Letter) -> bool:
        """The same for the traits by which the EHR is asked for the letter's patient."""
        found = self.recall.of_request(uow, letter.lane)
        return found is not None and self.story(uow).window.leaving(uow, letter, found, seeking=True)

    def keeps_provenance(self, uow: Uow, ehr: str) -> bool:
        return self._entry(self.story(uow), ehr).provenance

    def sources(self, uow: Uow, letter: Letter) -> Sources | None:
        """What the Provenance of the letter's resource says; None when the resource itself might not leave now."""
        found, ours = dossier.of_request(uow, letter.lane), uow.version(letter.type, letter.id, letter.number)
        story = self.story(uow)
        if found is None or ours is None or story.window.letter(uow, letter, found) is None:
            return None
        policies = (self._consent_address(uow, story, letter.ehr, each["id"]) for each in found.named)
        return Sources(f"Organization/{found.clinic}", found.request_version.reference, ours.updated, tuple(policies))

    def proving(self, uow: Uow, letter: Letter) -> bool:
        """Whether that Provenance may leave at this moment; then it is recorded in this unit. It tells nothing of the person
        that the copy it is about does not: no disclosure of its own."""
        sources, link = self.sources(uow, letter), uow.link(letter.ehr, letter.type, letter.id)
        if sources is None or link is None:
            return False
        who, ours = self.story(uow).window.ehr_principal(letter.ehr, split(sources.clinic)[1]), uow.current(letter.type, letter.id)
        patient = patient_of(dossier.content(ours)) if ours else ""
        details, what = [("ehr", letter.ehr)], f"{letter.type}/{letter.id}/_history/{letter.number}"
        uow.audit(events.act(who, "provenance", what=what, patient=patient, at=uow.at, request_id=letter.request_id, details=details))
        return True

    def _consent_address(self, uow: Uow, story: Flows, ehr: str, id: str) -> str:
        """Where a Consent stands at the EHR; where it has no copy there, our identifier as a URI."""
        link = uow.link(ehr, "Consent", id)
        if link is None or lost(uow, ehr, "Consent", id):
            return f"{story.writer.systems.sid('consent')}/{id}"
        return f"{self._entry(story, ehr).url.rstrip('/')}/{cited('Consent', link.remote_id, link.remote_version)}"

    def outward(self, uow: Uow, ehr: str, resource: Resource) -> Resource:
        """Our references as the EHR's: linked, named in `remote:`, else by identifier."""
        story = self.story(uow)
        entry = self._entry(story, ehr)

        def lookup(type: str, id: str) -> str | None:
            named = split(entry.remote.get(id, ""))
            if named[0] == type:
                return named[1]
            link = uow.link(ehr, type, id)
            return link.remote_id if link and not (type == "Consent" and lost(uow, ehr, type, id)) else None

        def logical(type: str, id: str) -> dict[str, Any] | None:
            if type == "Consent" and lost(uow, ehr, type, id):  # no copy to point to
                return {"type": type, "identifier": {"system": story.writer.systems.sid("consent"), "value": id}}
            found = self._by_identifier(story, ehr, type, id)
            if found is None:
                raise Unlinked(type, id)
            return found

        return outward(resource, lookup, logical, base_url=entry.url)

    def inward(self, uow: Uow, ehr: str, resource: Resource, coming: Mapping[Place, str] = {}) -> Resource:
        """The EHR's references as ours. `coming`: our ids of what is written with it."""
        story = self.story(uow)
        entry = self._entry(story, ehr)
        back = {reference: key for key, reference in entry.remote.items()}

        def lookup(type: str, remote: str) -> str | None:
            if f"{type}/{remote}" in back:
                return back[f"{type}/{remote}"]
            link = uow.link_by_remote(ehr, type, remote)
            return link.id if link else coming.get((type, remote))

        def named(type: str, system: str, value: str) -> str | None:
            return self._named(story, ehr, type, system, value)

        return inward(resource, lookup, base_url=entry.url, named=named, home=story.writer.base)[0]

    # ── SDOHCC Direct ────────────────────────────────────────────────────────────────────────────
    def asked(self, uow: Uow, letter: Letter) -> Asked | None:
        return self._direct(uow, letter).asked()

    def take(self, uow: Uow, letter: Letter, read: Read) -> None:
        self._direct(uow, letter).take(read)

    def left(self, uow: Uow, letter: Letter, asked: Asked, code: str) -> None:
        self._direct(uow, letter).left(asked, code)

    def place(self, uow: Uow, letter: Letter, reference: object) -> Place:
        return self._direct(uow, letter).place(reference)

    def _direct(self, uow: Uow, letter: Letter) -> Direct:
        return Direct(self.story(uow), uow, letter, lambda resource, coming: self.inward(uow, letter.ehr, resource, coming))

    def works_here(self, uow: Uow, ehr: str, task: Resource) -> bool:
        """SDOHCC Direct Light: the owning unit does its work in this EHR."""
        unit = self.story(uow).network.unit(split(task.get("owner", {}).get("reference", ""))[1])
        return unit is not None and unit.works_on_ehr

    def creates(self, ehr: str) -> bool:
        return any(entry.name == ehr and entry.patients == "create" for entry in self.network().ehrs())

    def searched(self, ehr: str) -> bool:
        return all(entry.searches for entry in self.network().ehrs() if entry.name == ehr)

    def _entry(self, story: Flows, ehr: str) -> EhrEntry:
        return next(entry for entry in story.network.ehrs() if entry.name == ehr)

    def _by_identifier(self, story: Flows, ehr: str, type: str, id: str) -> dict[str, Any] | None:
        """A party the EHR does not hold, by our identifier; a telling one by a pseudonym, so that its key tells nothing."""
        kind = KINDS.get(type)
        if kind is None:
            return None
        telling = f"{type}/{id}" in story.window.sight.telling
        value = pairwise(story.writer.key, ehr, type, id) if telling else id
        reference: dict[str, Any] = {"type": type, "identifier": {"system": story.writer.systems.sid(kind), "value": value}}
        name = story.intake.name(f"{type}/{id}")
        return reference | ({"display": name} if name and not telling else {})

    def _named(self, story: Flows, ehr: str, type: str, system: str, value: str) -> str | None:
        """The inverse of `_by_identifier`."""
        if type not in KINDS or system != story.writer.systems.sid(KINDS[type]):
            return None
        telling = (each for each in story.window.sight.telling if each.startswith(f"{type}/"))
        hidden = {pairwise(story.writer.key, ehr, type, split(each)[1]): each for each in telling}
        return hidden.get(value) or (f"{type}/{value}" if story.intake.name(f"{type}/{value}") else None)


def _reasoned(story: Flows, resource: Resource) -> Resource:
    """A Task moved in the EHR has no words of ours: the label of its reason, or where it needs one of a neutral one, which the
    requester's ends share with a withdrawal (workflow.md 1)."""
    status, reason = resource.get("status"), resource.get("statusReason", {})
    if resource["resourceType"] != "Task" or reason.get("text"):
        return resource
    coded = reason.get("coding", ())
    neutral = "" if status not in NEEDS_REASON else CLOSED if status == "cancelled" else OTHER
    code = next((str(each["code"]) for each in coded if story.window.known("status-reason", str(each.get("code")))), neutral)
    if not code:
        return {name: value for name, value in resource.items() if name != "statusReason"}
    coding = list(coded) or [{"system": story.writer.systems.code("status-reason"), "code": code}]
    return resource | {"statusReason": {"coding": coding, "text": story.window.label("status-reason", code)}}


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
        store, clock, outgoing=bridge.outgoing, leaving=bridge.leaving, outward=bridge.outward, ownership=rules, systems=systems,
        revision=lambda uow: (uow.revision(), uow.kept(NETWORK_NUMBER)), together=together,
    )  # fmt: skip
    delivery = Delivery(
        store, clock, drafts=drafts, patients=patients, inbound=inbound, ownership=rules, systems=systems,
        doubles=Doubles(store, audited=bridge.audited, proofs=proofs, searches=bridge.searched), proofs=proofs,
        readings=Readings(store, clock, told=bridge, inbound=inbound),
        together=together,
    )  # fmt: skip
    push = Push(store, clients, delivery, clock, holder=holder, audited=bridge.audited, lease=settings.push_lease, failed=failed, settled=settled)
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
    presences = {name: Presence(store, client, inbound) for name, client in clients.items()}
    return Wiring(
        store, push, pulls, presences, subscribing, patients, Retention.of(settings, store, clock, holder=holder), settings, bridge, clients, clock, rules,
    )  # fmt: skip


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
