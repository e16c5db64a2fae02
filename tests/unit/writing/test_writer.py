"""Who may write what, whose word it is, and under which ids a Task is known (workflow.md 2, 4 and 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from adapter.errors import Forbidden, NotFound, Refused
from adapter.ports import Change, IndexRow, Principal, Resource, Uow, Version
from adapter.views import pairwise
from adapter.writing import AUTHOR, BY_ACT, DIRECTORY, HIDDEN, HOLDER, KEEPER, Writer, withdrawn
from tests.e2e.stage import CLINIC, COURSIER, GP
from tests.unit.reveal.scene import Scene, Told, played

NAMED, OTHER = "coursier-rouen", "asso-coursiers"
UNIT = {"owner": {"reference": f"HealthcareService/{NAMED}"}}


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


def on(scene: Scene, act: Any) -> Any:
    """What `act(writer, uow)` gives."""
    return scene.on(lambda window, uow: act(window.writer, uow))


def refused(scene: Scene, act: Any) -> tuple[type[Refused], str, str]:
    """The refusal, where it is about and its detail."""

    def run(writer: Writer, uow: Uow) -> tuple[type[Refused], str, str]:
        with pytest.raises(Refused) as caught:
            act(writer, uow)
        return type(caught.value), caught.value.issues[0].expression, caught.value.issues[0].detail

    found: tuple[type[Refused], str, str] = on(scene, run)
    return found


# ── what is written from outside at all ──────────────────────────────────────────────────────────
def test_tables_of_the_directory_and_of_what_acts_write() -> None:
    assert {"AuditEvent", "CareTeam", "Provenance"} == BY_ACT
    assert {"Organization", "HealthcareService", "Practitioner", "PractitionerRole", "Location", "Endpoint"} == DIRECTORY
    assert (KEEPER, AUTHOR, HOLDER, HIDDEN) == ("liaison", "_author", "_holder", "_hidden")  # rows that stand in databases


def test_clinic_writes_what_its_scopes_name_and_neither_directory_nor_proofs(scene: Scene) -> None:
    for act in ("c", "u", "d"):
        assert on(scene, lambda writer, _, act=act: writer.allowed(GP, "Task", act)) is None
    for type in (*BY_ACT, *DIRECTORY):
        assert refused(scene, lambda writer, _, type=type: writer.allowed(GP, type, "c")) == (Forbidden, type, "")
    less = replace(GP, scopes=frozenset({"system/Task.u"}))
    assert refused(scene, lambda writer, _: writer.allowed(less, "Task", "c")) == (Forbidden, "Task", "scope")
    assert refused(scene, lambda writer, _: writer.allowed(less, "Patient", "u")) == (Forbidden, "Patient", "scope")
    assert on(scene, lambda writer, _: writer.allowed(less, "Task", "u")) is None


def test_service_writes_its_subscriptions_alone_and_nobody_else_anything(scene: Scene) -> None:
    service = replace(COURSIER, scopes=frozenset({"system/*.cruds"}))
    assert on(scene, lambda writer, _: writer.allowed(service, "Subscription", "c")) is None
    for who, type in ((service, "Task"), (service, "AuditEvent"), (replace(service, role="officer"), "Subscription"), (replace(service, role="device"), "Task")):
        assert refused(scene, lambda writer, _, who=who, type=type: writer.allowed(who, type, "c"))[0] is NotFound


def may(scene: Scene, change: Change, old: Resource | None, author: str = CLINIC, who: Principal = GP) -> Any:
    return refused(scene, lambda writer, _: writer._may(who, change, old, author))


OLD: Resource = {"resourceType": "Task", "id": "t", "status": "draft"}
PUT = Change("update", "Task", "t", OLD | {"status": "requested"})


def test_word_of_another_organisation_is_nobodys_to_write(scene: Scene) -> None:
    assert may(scene, PUT, None, OTHER) == (Forbidden, "Task.requester", "")
    assert may(scene, PUT, OLD, OTHER)[0] is NotFound
    for quiet in (replace(PUT, origin="pull"), replace(PUT, origin="intake"), replace(PUT, origin="device"), replace(PUT, origin="portal")):
        assert on(scene, lambda writer, _, quiet=quiet: writer._may(COURSIER, quiet, None, OTHER)) is None  # our own verbs checked it


@pytest.mark.parametrize(("verb", "scope", "fits"), [
    ("create", "c", True), ("create", "u", False), ("update", "u", True), ("update", "c", False), ("patch", "u", True), ("delete", "d", True), ("delete", "cru", False),
])  # fmt: skip
def test_each_interaction_wants_its_scope(scene: Scene, verb: Any, scope: str, fits: bool) -> None:
    who = replace(GP, scopes=frozenset({f"system/Task.{scope}"}))
    change, old = Change(verb, "Task", "t", OLD), None if verb == "create" else OLD
    if fits:
        assert on(scene, lambda writer, _: writer._may(who, change, old, CLINIC)) is None
    else:
        assert may(scene, change, old, who=who) == (Forbidden, "Task", "scope")


def test_update_that_makes_wants_the_scope_to_make(scene: Scene) -> None:
    who = replace(GP, scopes=frozenset({"system/Task.u"}))
    assert may(scene, PUT, None, who=who) == (Forbidden, "Task", "scope")
    both = replace(GP, scopes=frozenset({"system/Task.cu"}))
    assert on(scene, lambda writer, _: writer._may(both, PUT, None, CLINIC)) is None


def test_constraint_of_a_scope_holds_for_what_was_and_for_what_is_to_be(scene: Scene) -> None:
    drafts, sent = (replace(GP, scopes=frozenset({f"system/Task.cud?status={status}"})) for status in ("draft", "requested"))
    assert may(scene, PUT, OLD, who=sent)[0] is NotFound
    assert may(scene, PUT, OLD, who=drafts) == (Forbidden, "Task", "")
    assert may(scene, PUT, None, who=drafts) == (Forbidden, "Task", "")
    assert on(scene, lambda writer, _: writer._may(drafts, replace(PUT, resource=OLD), OLD, CLINIC)) is None
    assert on(scene, lambda writer, _: writer._may(sent, PUT, None, CLINIC)) is None
    assert on(scene, lambda writer, _: writer._may(drafts, Change("delete", "Task", "t"), OLD, CLINIC)) is None


@pytest.mark.parametrize(("performer", "theirs"), [
    ([{"actor": {"reference": f"HealthcareService/{NAMED}"}}], True), ([{"actor": {"reference": f"Organization/{OTHER}"}}], True), ([{"actor": {"reference": "PractitionerRole/coursier-lea"}}], True),
    ([{"actor": {"reference": "Organization/msp-saint-eloi"}}], False), ([{"actor": {"display": "x"}}, {"actor": {"reference": f"Organization/{OTHER}"}}], True), ([{}], False), ([], False),
])  # fmt: skip
def test_what_came_of_a_referral_is_the_recipients_word(scene: Scene, performer: list[Any], theirs: bool) -> None:
    done: Resource = {"resourceType": "Procedure", "id": "p", "performer": performer}
    change = Change("update", "Procedure", "p", done | {"status": "not-done"})
    if theirs:
        assert may(scene, change, done) == (Forbidden, "Procedure.performer", "")
    else:
        assert on(scene, lambda writer, _: writer._may(GP, change, done, CLINIC)) is None
    assert on(scene, lambda writer, _: writer._may(GP, change, None, CLINIC)) is None
    assert on(scene, lambda writer, _: writer._may(GP, replace(PUT, resource=OLD), OLD | {"performer": performer}, CLINIC)) is None


# ── whose word it is ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("reference", "key"), [
    ("Organization/anybody", "anybody"), (f"HealthcareService/{NAMED}", OTHER), ("HealthcareService/nowhere", ""), ("PractitionerRole/dr-exemple", CLINIC),
    ("PractitionerRole/coursier-lea", OTHER), ("PractitionerRole/nobody", ""), ("Practitioner/dr-exemple", ""), ("Patient/x", ""), ("", ""), ("urn:x", ""),
])  # fmt: skip
def test_organisation_behind_a_reference(scene: Scene, reference: str, key: str) -> None:
    assert on(scene, lambda writer, _: writer.organisation_of(reference)) == key


def author(scene: Scene, resource: Resource, who: Principal = GP) -> str:
    return str(on(scene, lambda writer, uow: writer.author(uow, resource, who)))


def test_author_of_a_request_is_who_asks_or_who_took_it_down(scene: Scene) -> None:
    by = {"requester": {"reference": f"Organization/{OTHER}"}}
    request = scene.dossier("open").request_version.id
    for type in ("ServiceRequest", "Task"):
        assert author(scene, {"resourceType": type} | by) == OTHER
        assert author(scene, {"resourceType": type, "id": "absent"}, COURSIER) == OTHER
    stored = {"resourceType": "ServiceRequest", "id": request, "requester": {"reference": "PractitionerRole/nobody"}}
    assert author(scene, stored, COURSIER) == CLINIC  # which stands stored
    assert author(scene, {"resourceType": "Patient", "id": "x"} | by) == CLINIC


def test_author_of_what_follows_is_that_of_the_request(scene: Scene) -> None:
    request = scene.dossier("open").request_version.reference
    procedure = {"resourceType": "Procedure", "id": "p", "basedOn": [{"reference": "ServiceRequest/absent"}, {}, {"reference": request}]}
    assert author(scene, procedure, COURSIER) == CLINIC
    assert author(scene, procedure | {"basedOn": [{"reference": "ServiceRequest/absent"}]}, COURSIER) == OTHER


@pytest.mark.parametrize(("resource", "key"), [
    ({"resourceType": "Patient", "managingOrganization": {"reference": "Organization/house"}}, "house"), ({"resourceType": "CareTeam", "managingOrganization": [{"reference": "Organization/house"}, {}]}, "house"),
    ({"resourceType": "Patient", "managingOrganization": {"display": "x"}}, CLINIC), ({"resourceType": "Consent", "organization": [{"reference": "Organization/house"}]}, "house"),
    ({"resourceType": "Consent", "organization": [{}]}, CLINIC), ({"resourceType": "PractitionerRole", "organization": {"reference": "Organization/house"}}, CLINIC), ({"resourceType": "Consent"}, CLINIC),
])  # fmt: skip
def test_author_of_all_else_is_the_house_that_it_names_or_who_writes(scene: Scene, resource: Resource, key: str) -> None:
    assert author(scene, resource) == key


def test_sides_of_a_task_are_who_asks_and_who_is_asked(scene: Scene) -> None:
    def sides(who: Principal, task: Resource, by: str) -> set[str]:
        return set(on(scene, lambda writer, _: writer.actors(who, task, by)))

    assert sides(GP, UNIT, CLINIC) == {"requester"} and sides(COURSIER, UNIT, CLINIC) == {"target"}
    assert sides(COURSIER, UNIT, OTHER) == {"requester", "target"} and sides(GP, {}, OTHER) == sides(GP, UNIT, OTHER) == set()


# ── under which ids a Task is known ──────────────────────────────────────────────────────────────
def held(scene: Scene, task: Resource, by: str = CLINIC, *, hidden: bool = False) -> list[IndexRow]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "_hidden", lambda *_: hidden)
        return list(on(scene, lambda writer, uow: writer._held(uow, task, by)))


def test_task_is_known_to_both_sides_each_by_its_own_id(scene: Scene) -> None:
    key = on(scene, lambda writer, _: writer.key)

    def row(index: str, holder: str) -> IndexRow:
        return IndexRow(index, "token", system=holder, value=pairwise(key, holder, "Task", "t"))

    assert held(scene, OLD | UNIT) == [row(HOLDER, NAMED), row(HOLDER, CLINIC)]
    assert held(scene, OLD | UNIT, hidden=True) == [row(HIDDEN, NAMED), row(HOLDER, CLINIC)]
    assert held(scene, OLD) == held(scene, OLD | {"owner": {}}) == [row(HOLDER, CLINIC)]
    assert held(scene, OLD | UNIT | {"resourceType": "ServiceRequest"}) == []


class Past(Told):
    """A unit of work in which the Task had these statuses ("": it was deleted for a while), newest first; `proofs`: activities told of its request."""

    def __init__(self, uow: Uow, statuses: Sequence[str], proofs: Sequence[str] = ()) -> None:
        super().__init__(uow)
        self.statuses, self.proofs = statuses, proofs

    def history(self, type: str, id: str) -> list[Version]:
        assert (type, id) == ("Task", "t")
        served = (json.dumps({"resourceType": "Task", "status": each}).encode() if each else b"" for each in self.statuses)
        return [Version(type, id, number, self._uow.at, "", each, deleted=not each) for number, each in enumerate(served)]

    def search(self, query: Any) -> list[Version]:
        (clause,) = query.clauses
        if (query.type, clause.param, clause.values) != ("Provenance", "target", ("ServiceRequest/r",)):
            return []
        made = ({"resourceType": "Provenance", "activity": {"coding": [{"code": each}]}} for each in self.proofs)
        return [Version("Provenance", each, 1, self._uow.at, "", json.dumps(of).encode()) for each, of in zip(self.proofs, made, strict=True)]


@pytest.mark.parametrize(("status", "was", "proofs", "hidden"), [
    ("draft", [], [], True), ("draft", ["draft"], [], True), ("requested", ["draft"], [], False), ("accepted", [], ["retrait"], False), ("completed", ["requested"], ["retrait"], False),
    ("cancelled", ["draft"], [], True), ("cancelled", ["cancelled", "", "draft"], [], True), ("cancelled", ["requested", "draft"], [], False), ("cancelled", ["requested"], ["retrait"], True),
    ("cancelled", ["requested"], ["opposition"], True), ("cancelled", ["requested"], ["accord"], False), ("cancelled", ["requested"], ["accord", "retrait"], True),
    ("entered-in-error", ["cancelled", "requested"], [], False), ("entered-in-error", ["cancelled", "draft"], [], True), ("entered-in-error", ["completed"], ["opposition"], True),
])  # fmt: skip
def test_task_is_hidden_from_its_recipient_that_never_left_or_was_taken_back(scene: Scene, status: str, was: list[str], proofs: list[str], hidden: bool) -> None:
    task = OLD | {"status": status, "focus": {"reference": "ServiceRequest/r"}}
    assert on(scene, lambda writer, uow: writer._hidden(cast(Uow, Past(uow, was, proofs)), task)) is hidden


def test_person_took_it_back_where_a_proof_of_its_request_says_so() -> None:
    def proof(*codes: str) -> Resource:
        return {"activity": {"coding": [{"code": code} for code in codes]}}

    assert withdrawn([proof("accord"), proof("x", "retrait")]) and withdrawn([proof("opposition")])
    assert not withdrawn([]) and not withdrawn([{}, {"activity": {}}, {"activity": {"coding": [{}]}}, proof("accord")])
