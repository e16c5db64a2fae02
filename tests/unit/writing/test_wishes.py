"""One wish or several at once: what they may point to, what is checked of each, who is told of them afterwards (workflow.md 1, 2 and 7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from adapter import writing
from adapter.consent import urgent
from adapter.errors import Invalid
from adapter.names import NIR
from adapter.network import EhrEntry
from adapter.ports import Change, Letter, Principal, Query, Resource, Uow, Version
from adapter.writing import Writer
from tests.e2e.stage import CLINIC, GP
from tests.unit.reveal.scene import Scene, Told, played
from tests.unit.writing.test_writer import NAMED, OTHER, UNIT, on, refused
from tests.unit.writing.test_writes import patient


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


def linked(id: str, to: str) -> Change:
    return Change("create", "Patient", id, patient(id=id, link=[{"other": {"reference": f"Patient/{to}"}, "type": "seealso"}]))


# ── what may be pointed to ───────────────────────────────────────────────────────────────────────
def test_wishes_may_point_to_each_other_and_one_alone_not_to_itself(scene: Scene) -> None:
    assert refused(scene, lambda writer, uow: writer.take(uow, GP, [linked("a", "a")]))[0] is Invalid
    assert refused(scene, lambda writer, uow: writer.take(uow, GP, [linked("a", "c"), linked("b", "a")]))[0] is Invalid
    made = on(scene, lambda writer, uow: [each.reference for each in writer.take(uow, GP, [linked("a", "b"), linked("b", "a")])])
    assert made == ["Patient/a", "Patient/b"]


def test_what_is_deleted_by_the_same_wishes_is_not_there_to_be_pointed_to(scene: Scene) -> None:
    def run(writer: Writer, uow: Uow) -> None:
        writer.write(uow, GP, Change("create", "Patient", "q", patient(id="q")))
        writer.take(uow, GP, [Change("delete", "Patient", "q"), linked("a", "q")])

    assert refused(scene, run)[0] is Invalid


# ── what is checked ──────────────────────────────────────────────────────────────────────────────
def test_number_of_the_social_security_and_a_document_of_nobody_are_not_taken_from_outside(scene: Scene) -> None:
    numbered = Change("create", "Patient", "p", patient(identifier=[{"system": NIR, "value": "1"}]))
    document = Change("create", "Binary", "b", {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "eA=="})
    for change in (numbered, document):
        assert refused(scene, lambda writer, uow, change=change: writer.write(uow, GP, change))[0] is Invalid
    assert on(scene, lambda writer, uow: writer.write(uow, GP, replace(numbered, origin="intake")).number) == 1


@pytest.mark.parametrize("waiting", [frozenset({"http://ehr.example/Patient/7"}), frozenset()])
def test_only_a_task_that_may_wait_is_written_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch, waiting: frozenset[str]) -> None:
    """Of two that point to one request there the second has to find the first."""
    alone = list[str]()
    monkeypatch.setattr(writing, "may_wait", lambda *_: waiting)

    class Counting(Told):
        def alone(self) -> None:
            alone.append("alone")

    on(scene, lambda writer, uow: writer.write(cast(Uow, Counting(uow)), GP, Change("create", "Patient", "p", patient())))
    assert set(alone) == ({"alone"} if waiting else set())


def test_clinic_of_what_is_new_is_that_of_the_person(scene: Scene) -> None:
    person = scene.dossier("open").request["subject"]["reference"]
    condition: Resource = {"resourceType": "Condition", "id": "x", "subject": {"reference": person}}
    other = replace(GP, organisation="autre")
    made = {who.organisation: on(scene, lambda writer, uow, who=who: writer.write(uow, who, Change("create", "Condition", "x", condition, origin="device")).clinic) for who in (GP, other)}
    assert made == {CLINIC: CLINIC, "autre": CLINIC}
    nobody = condition | {"subject": {"reference": "Patient/absent"}}
    assert on(scene, lambda writer, uow: writer.write(uow, other, Change("create", "Condition", "x", nobody, origin="device")).clinic) == "autre"


def test_deletion_is_asked_of_what_is_there_or_of_its_type(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[Resource, str]]()
    monkeypatch.setattr(Writer, "_may", lambda self, who, change, old, author: asked.append((old, author)))

    def run(writer: Writer, uow: Uow) -> list[Resource]:
        made, other = (writer.write(uow, GP, Change("create", "Patient", id, patient(id=id), origin="device")) for id in "pq")
        asked.clear()
        for id, who in (("p", GP), ("p", GP), ("q", replace(GP, organisation="autre")), ("absent", GP)):
            try:
                writer.write(uow, who, Change("delete", "Patient", id))
            except writing.NotFound:
                assert id == "absent"
        return [json.loads(each.served) for each in (made, other)]

    made, other = on(scene, run)
    gone = {"resourceType": "Patient"}
    assert asked == [(made, CLINIC), (gone, CLINIC), (other, ""), (gone, "")]


# ── an act of urgency ────────────────────────────────────────────────────────────────────────────
def test_urgency_holds_for_the_organisation_of_the_owner(scene: Scene) -> None:
    def holds(to: str, task: Resource, about: str = "ServiceRequest/r") -> bool:
        def run(writer: Writer, uow: Uow) -> bool:
            act = urgent("ServiceRequest/r", id="u", by="PractitionerRole/x", to=to, bound=True, reason="danger-vital", at=uow.at, systems=writer.systems)

            class Proofs(Told):
                def search(self, query: Query) -> list[Version]:
                    (clause,) = query.clauses
                    found = (query.type, clause.param, clause.values) == ("Provenance", "target", ("ServiceRequest/r",))
                    return [Version("Provenance", "u", 1, self._uow.at, "", json.dumps(act).encode())] if found else []

            return writer._urgent(cast(Uow, Proofs(uow)), about, task)

        return bool(on(scene, run))

    assert holds(f"Organization/{OTHER}", UNIT)
    assert not holds("Organization/saad-seine", UNIT) and not holds(f"Organization/{OTHER}", {}) and not holds(f"Organization/{OTHER}", UNIT, "ServiceRequest/s")


# ── who is told ──────────────────────────────────────────────────────────────────────────────────
def test_ehr_is_told_of_all_but_what_is_gone_and_a_request_that_has_no_task_yet(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(type: str, id: str, number: int, *, deleted: bool = False) -> Version:
        return Version(type, id, number, scene.made.app.clock.now(), CLINIC, b"" if deleted else json.dumps({"resourceType": type, "id": id}).encode(), deleted=deleted)

    given = [version("ServiceRequest", "new", 1), version("ServiceRequest", "second", 2), version("Task", "new", 1), version("Task", "gone", 3, deleted=True)]
    posted = list[Any]()
    monkeypatch.setattr(Writer, "write", lambda self, uow, who, change, **_: given[int(change.id or 0)])
    monkeypatch.setattr(Writer, "_ask", lambda *_: None)
    monkeypatch.setattr(Writer, "post", lambda self, uow, resources, *, request_id: posted.append(([each["id"] for each in resources], request_id)))
    changes = [Change("update", each.type, str(number)) for number, each in enumerate(given)]
    assert on(scene, lambda writer, uow: writer.take(uow, GP, changes, request_id="q")) == given
    assert posted == [(["second", "new"], "q")]


@pytest.mark.parametrize(("asks", "waits", "origin", "ehr", "read"), [
    (True, True, "fhir", True, True), (False, True, "fhir", True, False), (True, False, "fhir", True, False), (True, True, "pull", True, False), (True, True, "fhir", False, False),
])  # fmt: skip
def test_what_a_task_points_to_is_read_once_its_clinic_asks_for_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, asks: bool, waits: bool, origin: Any, ehr: bool, read: bool
) -> None:
    monkeypatch.setattr(writing, "asks", lambda _: asks)
    monkeypatch.setattr(writing, "waits", lambda *_: waits)
    entry, posted = EhrEntry("ehr", "http://127.0.0.1:1"), list[Letter]()
    network = type("Network", (), {"ehr_of": staticmethod(lambda clinic: entry if ehr and clinic == CLINIC else None)})()

    class Posting(Told):
        def post(self, letter: Letter) -> Letter:
            posted.append(letter)
            return letter

    saved = Version("Task", "t", 4, scene.made.app.clock.now(), CLINIC, b"{}")
    at = on(scene, lambda writer, uow: (replace(writer, network=network)._ask(cast(Uow, Posting(uow)), GP, Change("update", "Task", "t", {"x": 1}, origin=origin), saved, "q"), uow.at)[1])
    assert posted == ([Letter("ehr", f"{writing.READING}t", "Task", "t", due=at, number=4, request_id="q")] if read else [])


def test_subscribers_of_both_sides_look_whatever_changed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[Any]()
    monkeypatch.setattr("adapter.sync.subscribers.post", lambda uow, **given: told.append(given))
    dossier = scene.dossier("open")
    on(scene, lambda writer, uow: writer.post(uow, [dossier.task], request_id="q"))
    changed = {"Task": (dossier.task_version.id, dossier.task_version.number), "ServiceRequest": (dossier.request_version.id, dossier.request_version.number)}
    assert told == [{"parties": frozenset({CLINIC, OTHER}), "lane": dossier.lane, "changed": changed, "request_id": "q"}]
    elsewhere = scene.dossier("open", request={"requester": {"reference": "Organization/saad-seine"}}, task={"owner": {}})
    on(scene, lambda writer, uow: writer._tell(uow, elsewhere, "q"))
    assert told[1]["parties"] == {CLINIC, "saad-seine"}


@pytest.mark.parametrize(("origin", "sides"), [("fhir", set()), ("pull", set()), ("portal", set()), ("intake", {"requester"}), ("device", {"requester"})])
def test_who_takes_a_record_down_acts_for_the_requester(scene: Scene, monkeypatch: pytest.MonkeyPatch, origin: Any, sides: set[str]) -> None:
    seen = list[frozenset[str]]()

    def settled(self: Writer, uow: Uow, actors: frozenset[str], old: Any, task: Resource, *, named: bool) -> Resource:
        seen.append(actors)
        assert named is (origin == "fhir")
        return task

    monkeypatch.setattr(Writer, "_settled", settled)
    monkeypatch.setattr(Writer, "_may", lambda *_: None)
    monkeypatch.setattr(writing, "check_references", lambda *_, **__: None)
    who = Principal("x", OTHER, role="clinic")
    task: Resource = {"resourceType": "Task", "id": "t", "status": "draft", "requester": {"reference": f"Organization/{CLINIC}"}}
    for owner, more in ((UNIT, {"target"}), ({}, set[str]())):
        on(scene, lambda writer, uow, owner=owner: writer.write(uow, who, Change("create", "Task", "t", task | owner, origin=origin)))
        assert seen.pop() == sides | more
    assert NAMED in json.dumps(UNIT)
