"""One FHIR interaction carried out inside a unit of work (R4 http): what is read, what is written, what the answer says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Literal

from adapter import coded, fhir
from adapter.audit import events
from adapter.audit.officer import DROPPED
from adapter.dossier import content, patient_of
from adapter.errors import Forbidden, Gone, Invalid, Issue, Malformed, NotFound, Refused, Stale
from adapter.fhir.patching import patch
from adapter.fhir.subsetting import SUBSETTED, subset
from adapter.flows import Flows
from adapter.needless import numbered, spared, warned
from adapter.ports import Act, Change, Clause, Principal, Query, Resource, Uow, Version
from adapter.web import pages
from adapter.web.asked import Asked, Pairs, local, same_tag
from adapter.web.auth import refusing
from adapter.web.untold import absent
from adapter.writing import AUTHOR, DIRECTORY, LISTED

UNCHANGED, NOTHING = 304, 204
ACTS: dict[str, Act] = {"create": "c", "update": "u", "patch": "u", "delete": "d"}


@dataclass(frozen=True, slots=True)
class Answer:
    """`version`: what the answer is about, its tag and time; `body`: JSON, b"" for none; `location`: whether the client is told where
    what it wrote stands. `refusal`: to be raised once the unit is committed, for it has told the audit why nothing is given.
    `warnings`: what was not kept of what came."""

    status: int
    version: Version | None = None
    body: bytes = b""
    location: bool = False
    refusal: Refused | None = None
    warnings: tuple[Issue, ...] = ()

    def headers(self, base: str) -> dict[str, str]:
        if self.version is None:
            return {}
        found = {"ETag": f'W/"{self.version.number}"'}
        if fhir.dated(self.version):
            found["Last-Modified"] = format_datetime(self.version.updated.astimezone(UTC), usegmt=True)
        # what stood there before is no new place (RFC 9110, 8.7); whoever wrote by a condition knows its id from there only
        place = {"Location" if self.status == 201 else "Content-Location": f"{base}/{self.version.cited}"}
        return found | (place if self.location else {})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a write asks for: a change, or for a conditional create what it found. `made`: the change makes something new.
    `dropped`: paths of what is not kept of it; `warnings`: what else its sender is told."""

    change: Change | None = None
    found: Version | None = None
    made: bool = False
    dropped: tuple[str, ...] = ()
    warnings: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class Rest:
    """The interactions as one caller may do them in one unit of work. `base`: address of our `/fhir`."""

    story: Flows
    uow: Uow
    who: Principal
    base: str
    request_id: str

    def perform(self, asked: Asked) -> Answer:
        """Raises Refused. What is written is part of the unit."""
        if self.who.role == "service" and asked.type == "Task" and asked.id and asked.interaction in ("update", "patch"):
            return self._moved(asked)
        if asked.interaction in ACTS:
            wish = self.wanted(asked)
            changes = [wish.change] if wish.change else []
            saved = self.story.receive(self.uow, self.who, changes, request_id=self.request_id)[0] if changes else wish.found
            return self.written(asked, saved, wish)
        if not self.who.may(asked.type, act := "s" if asked.interaction == "search-type" else "r"):
            raise Forbidden(f"the token has no scope for this; expected system/{asked.type}.{act}", expression=asked.type, detail="scope")
        return {
            "read": self._read, "vread": self._vread, "search-type": self._search, "history-instance": self._history, "history-type": self._history,
        }[asked.interaction](asked)  # fmt: skip

    # ── reading ──────────────────────────────────────────────────────────────────────────────────
    def _read(self, asked: Asked) -> Answer:
        found = self.story.read(self.uow, self.who, asked.type, asked.id, request_id=self.request_id)
        if found is None:
            return _refused(_gone() if self.story.past.gone(self.uow, self.who, asked.type, asked.id) else absent())
        if same_tag(asked.if_none_match, found.number) or (not asked.if_none_match and _unmodified(asked.if_modified_since, found.updated)):
            return Answer(UNCHANGED, found)
        return Answer(200, found, subset(found.served, asked.subsetting))

    def _vread(self, asked: Asked) -> Answer:
        found = self.story.past.version(self.uow, self.who, asked.type, asked.id, asked.number, request_id=self.request_id)
        if found is None or found.deleted:
            return _refused(absent() if found is None else _gone())
        return Answer(UNCHANGED, found) if same_tag(asked.if_none_match, found.number) else Answer(200, found, subset(found.served, asked.subsetting))

    def _search(self, asked: Asked) -> Answer:
        return Answer(200, body=pages.search(self, asked))

    def _history(self, asked: Asked) -> Answer:
        found = pages.history(self, asked)
        return _refused(absent()) if found is None else Answer(200, body=found)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────
    def wanted(self, asked: Asked) -> Wish:
        """The change that is asked for, its conditions looked up, without what is not kept. Who may do nothing of the kind is told so
        whatever there is (A-15)."""
        wish = self._wished(asked)
        if wish.change is None:
            return wish
        change, needless = spared(wish.change)
        change, numbers, warnings = self._numbered(change)
        dropped = (*needless, *numbers)
        if change.type in coded.ELEMENTS and change.resource:
            self._coded(change, change.resource)
        if dropped:  # that something was, and where; never what (workflow.md 8)
            details = [("mapping", "fhir"), ("count", str(len(dropped))), ("paths", ",".join(dropped))]
            self.uow.audit(events.act(self.who, DROPPED, at=self.uow.at, request_id=self.request_id, details=details))
        return replace(wish, change=change, dropped=dropped, warnings=(*warned(needless), *warnings))

    def _numbered(self, change: Change) -> tuple[Change, tuple[str, ...], tuple[Issue, ...]]:
        """The change without the numbers of persons that are not kept, their paths, and what its sender is told of the numbers in it. Raises
        Invalid for one that cannot be right, where the sender is no sandbox."""
        network, production = self.story.network, self.story.writer.production
        house, ehr = network.organisation(self.who.organisation), network.ehr_of(self.who.organisation)
        sandbox = not production or (ehr is not None and ehr.sandbox)
        return numbered(change, production=production, sandbox=sandbox, authorised=bool(house and house.nir_authorised))

    def _coded(self, change: Change, resource: Resource) -> None:
        """Raises Invalid for a code that is none of ours, unless it was there before."""
        issues = partial(coded.issues, resource, systems=self.story.writer.systems, terms=self.story.window.terms)
        if not any(issues(None)):
            return
        now = self.uow.current(change.type, change.id or "")
        if found := list(issues(content(now) if now and not now.deleted else None)):
            raise Invalid(found[0].text, issues=found)

    def _wished(self, asked: Asked) -> Wish:
        if asked.type not in DIRECTORY or asked.interaction != "create":  # a condition may find a unit of the directory
            self.story.writer.allowed(self.who, asked.type, ACTS[asked.interaction])
        _whole(asked.resource)
        if asked.interaction == "create":
            if asked.conditions is not None and (found := self._met(asked.type, asked.conditions)):
                return Wish(found=self._known(found))
            return Wish(Change("create", asked.type, self.story.writer.clock.new_id(), asked.resource, asked.written), made=True)
        id = asked.id
        if asked.conditions is not None:
            met = self._met(asked.type, asked.conditions)
            own = (asked.resource or {}).get("id", "")
            if met and own and own != met.id:
                raise Malformed("expected the id of the resource that meets the condition, or none", expression=f"{asked.type}.id", code="invalid")
            id = met.id if met else own or self.story.writer.clock.new_id()
        elif asked.interaction == "update" and (asked.resource or {}).get("id") != id:
            raise Malformed("expected the id that the address has", expression=f"{asked.type}.id", code="invalid")
        now = self.uow.current(asked.type, id)
        if now is not None and not now.deleted and self.story.own.closed(self.uow, self.who, [now]):
            raise NotFound("not found")
        if asked.if_none_match.strip() == "*" and now is not None and self.story.past.own_word(self.uow, self.who, now):
            raise Stale("it is there already; leave If-None-Match out to change it", expression=f"{asked.type}.id")
        if asked.interaction == "patch":
            return Wish(self._patched(asked, now))
        verb: Literal["update", "delete"] = "delete" if asked.interaction == "delete" else "update"
        return Wish(Change(verb, asked.type, id, asked.resource, asked.written, if_match=asked.if_match), made=now is None or now.deleted)

    def _patched(self, asked: Asked, now: Version | None) -> Change:
        """The whole resource as the patch leaves it. Only the caller's own is looked at."""
        if now is None or not self.story.past.own_word(self.uow, self.who, now):
            raise NotFound("not found") if now is None or not self.story.past.gone(self.uow, self.who, now.type, now.id) else Gone("it is deleted")
        body = patch(now.served, asked.written)
        resource = fhir.parse(body, type=asked.type)
        if resource.get("id") != now.id:
            raise Invalid("expected a patch that leaves the id", expression=f"{asked.type}.id")
        return Change("update", asked.type, now.id, resource, body, if_match=asked.if_match)

    def _moved(self, asked: Asked) -> Answer:
        """A service's own Task, moved: what it sends is its projection, not the whole."""
        if not self.who.may("Task", "u"):
            raise Forbidden("the token has no scope for this; expected system/Task.u", expression="Task", detail="scope")

        def wanted(now: Version) -> Resource:
            task = asked.resource if asked.resource is not None else fhir.parse(patch(now.served, asked.written), type="Task")
            if task.get("id") != asked.id:
                raise Malformed("expected the id that the address has", expression="Task.id", code="invalid")
            return task

        return self.written(asked, self.story.move(self.uow, self.who, asked.id, wanted, if_match=asked.if_match, request_id=self.request_id), Wish())

    def _met(self, type: str, conditions: Pairs) -> Version | None:
        """The one resource, of those that the caller may see, that meets the conditions. Raises Stale (412) when several do."""
        self.uow.alone()
        found = self.matching(fhir.query(type, local(conditions, self.base)))
        if len(found) > 1:
            raise Stale("several resources of yours meet the condition; expected one at most", code="multiple-matches")
        return found[0] if found else None

    def matching(self, query: Query) -> Sequence[Version]:
        """Two of what meets `query`, of what the caller may see, at most; what the public directory lists takes no part. Raises NotFound and
        Forbidden for who may not look."""
        if self.who.role != "clinic":
            raise NotFound("not found")
        limited = self.story.window.limited(self.who, replace(query, count=2))
        if limited is None or not query.clauses:
            raise Forbidden(f"a condition needs search parameters and the scope system/{query.type}.s", expression=query.type, detail="scope")
        partaking = Clause(AUTHOR, "token", (LISTED,), "not")
        found = self.uow.search(replace(limited, clauses=(*limited.clauses, partaking)) if query.type in DIRECTORY else limited)
        closed = self.story.own.closed(self.uow, self.who, found)
        if closed:
            raise NotFound("not found")
        return found

    def _known(self, found: Version) -> Version:
        """A match of If-None-Exist is given like a read."""
        if not self.who.may(found.type, "c"):
            raise Forbidden(f"the token has no scope for this; expected system/{found.type}.c", expression=found.type, detail="scope")
        patient = patient_of(content(found))
        self.uow.audit(events.access(self.who, found.cited, patient=patient, rule="basis:author", at=self.uow.at, request_id=self.request_id))
        return found

    def written(self, asked: Asked, saved: Version | None, wish: Wish) -> Answer:
        """The answer to a write: `saved` is what stands now of what was wished."""
        if saved is None or saved.deleted:
            return Answer(NOTHING, saved)
        body, warnings = subset(saved.served, asked.subsetting), wish.warnings
        if asked.returns == "minimal":
            body = b""
        elif asked.returns == "OperationOutcome":
            body = fhir.dumps(fhir.outcome(warnings))
        return Answer(201 if wish.made else 200, saved, body, location=True, warnings=warnings)


def performed(rest: Rest, asked: Asked) -> Answer:
    """One interaction by itself: what is refused leaves its event."""
    with refusing(rest.who, asked.type, verb=asked.interaction, request_id=rest.request_id):
        return rest.perform(asked)


def _whole(resource: Resource | None) -> None:
    """Raises Invalid for part of a resource: stored, it would take the rest away."""
    if resource and SUBSETTED in resource.get("meta", {}).get("tag", ()):
        raise Invalid("expected a whole resource: this one is tagged SUBSETTED", expression=f"{resource['resourceType']}.meta.tag")


def _refused(refusal: Refused) -> Answer:
    return Answer(refusal.status, refusal=refusal)


def _gone() -> Gone:
    found = Gone("it is deleted; its history tells when")
    found.told = True
    return found


def _unmodified(since: datetime | None, updated: datetime) -> bool:
    return since is not None and updated.replace(microsecond=0) <= since
