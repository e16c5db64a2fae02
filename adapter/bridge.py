"""What the synchronisation engine asks of the house: what may leave, what a pulled change does, how references are rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from adapter import dossier, elapsed
from adapter.audit import events
from adapter.clock import instant
from adapter.consent import fresh
from adapter.direct import Direct
from adapter.dossier import Dossier, patient_of, split
from adapter.ehr import inward, outward
from adapter.flows import Flows
from adapter.network import EhrEntry, Network
from adapter.network.hours import open_at
from adapter.ports import Change, Letter, Resource, Uow
from adapter.pulling import searches_of, work_done
from adapter.recall import Recall
from adapter.referral.codes import CLOSED, OTHER
from adapter.referral.states import NEEDS_REASON
from adapter.sync import pairs
from adapter.sync.acts import Act, cited
from adapter.sync.canonical import moment
from adapter.sync.cursors import Cursor, cursor_name
from adapter.sync.inbound import Pulled
from adapter.sync.links import Unlinked, lost
from adapter.sync.proof import Sources
from adapter.sync.reading import Asked, Place, Read
from adapter.sync.searches import Search
from adapter.views import pairwise

Story = Callable[[Uow], Flows]
NEVER = datetime(1970, 1, 1, tzinfo=UTC)  # it was not heard of once
KINDS = {"Organization": "organisation", "HealthcareService": "unit", "PractitionerRole": "person", "Practitioner": "person"}

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

    def doubted(self, uow: Uow, letter: Letter) -> bool:
        """Whether a person has to check first who the letter is about (france.md 1.3)."""
        found = self.recall.of_request(uow, letter.lane)
        return found is not None and bool(found.doubt)

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
            link = uow.link(ehr, type, id) or (uow.link(ehr, type, pairs.standing(uow, id)) if type == "Patient" else None)
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

    # ── what time brings ─────────────────────────────────────────────────────────────────────────
    def ehr_of(self, uow: Uow, clinic: str) -> str:
        found = self.story(uow).network.ehr_of(clinic)
        return found.name if found else ""

    def business(self, uow: Uow) -> str:
        return self.story(uow).writer.systems.code("business-status")

    def reminded(self, uow: Uow, task: str, what: str) -> bool:
        return elapsed.reminded(self.story(uow), uow, task, what)

    def remind(self, uow: Uow, referral: Dossier, what: str) -> None:
        elapsed.remind(self.story(uow), uow, referral, what)

    def expire(self, uow: Uow, referral: Dossier) -> None:
        elapsed.expire(self.story(uow), uow, referral)

    def closed(self, uow: Uow, ehr: str) -> datetime | None:
        """Since when no file of that clinic is shown to anybody, for its EHR masters Consents and was not heard of (S14)."""
        story = self.story(uow)
        if self._entry(story, ehr).consents != "ehr":
            return None
        heard, bound = Cursor.decode(uow.kept(cursor_name(ehr, "Consent"))).ran, story.window.bounds.consents
        return None if fresh([heard], uow.at, bound=bound) else heard + bound if heard else NEVER

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
