"""Who may write what, whose word it is, and under which ids a Task is known (workflow.md 2, 4 and 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from adapter.errors import Forbidden, Invalid, NotFound, Refused, Stale
from adapter.ports import Change, IndexRow, Link, Principal, Resource, Uow, Version
from adapter.showing import Window
from adapter.views import pairwise
from adapter.writing import AUTHOR, BY_ACT, DIRECTORY, HIDDEN, HOLDER, KEEPER, Writer, told, withdrawn
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


# ── what is agreed to ────────────────────────────────────────────────────────────────────────────
def actor(**reference: Any) -> dict[str, Any]:
    return {"reference": reference}


SIRET = {"system": "https://sirene.fr", "value": "00000000000028"}


@pytest.mark.parametrize(("provision", "names"), [
    ({}, True), ({"actor": []}, True), ({"actor": [actor(reference=f"Organization/{OTHER}")]}, True), ({"actor": [actor(reference=f"HealthcareService/{NAMED}")]}, True),
    ({"actor": [actor(reference="Organization/saad-seine")]}, False), ({"actor": [actor(reference="Organization/saad-seine"), actor(reference=f"Organization/{OTHER}")]}, True),
    ({"actor": [actor(reference="Group/g")]}, True), ({"actor": [actor(reference="CareTeam/t")]}, True), ({"actor": [actor(reference="Device/t")]}, False), ({"actor": [{}]}, False),
    ({"provision": [{"provision": [{"actor": [actor(reference=f"Organization/{OTHER}")]}]}]}, True), ({"provision": [{"actor": [actor(reference="Organization/x")]}]}, False),
    ({"actor": [actor(identifier=SIRET)]}, True), ({"actor": [actor(identifier=SIRET | {"value": "1"})]}, False), ({"actor": [actor(identifier=SIRET | {"system": "urn:x"})]}, False),
    ({"actor": [actor(display="x")]}, False),
])  # fmt: skip
def test_consent_names_the_recipient_by_reference_identifier_or_a_group(scene: Scene, provision: Resource, names: bool) -> None:
    assert on(scene, lambda writer, _: writer._names({"provision": provision}, UNIT)) is names
    if not provision:
        assert on(scene, lambda writer, _: writer._names({}, UNIT)) is True


def test_consent_names_nobody_where_the_task_has_no_owner_of_ours(scene: Scene) -> None:
    for task in ({}, {"owner": {}}, {"owner": {"reference": "HealthcareService/nowhere"}}):
        for named in (actor(identifier=SIRET), actor(identifier={}), actor(reference=f"Organization/{OTHER}")):
            assert on(scene, lambda writer, _, task=task, named=named: writer._names({"provision": {"actor": [named]}}, task)) is False


def test_letter_may_leave_while_both_agreed_and_an_end_whatever_ended_it(scene: Scene) -> None:
    def leaves(known: bool = False, **more: Any) -> bool:
        dossier = scene.dossier("open", **more)
        return bool(on(scene, lambda writer, _: writer.may_leave(dossier, known=known)))

    assert leaves() and not leaves(consents=()) and not leaves(known=True, consents=())
    assert not leaves(request={"status": "draft"})
    over = {"task": {"status": "cancelled"}, "consents": ()}
    assert leaves(known=True, **over) and not leaves(**over)
    other = {"task": {"owner": {"reference": "HealthcareService/saad-portage"}}}
    assert not leaves(**other)  # agreed to for another
    assert leaves(task={"owner": {"reference": "HealthcareService/nowhere"}})


def test_ehr_is_told_in_the_order_in_which_things_point_to_each_other(scene: Scene) -> None:
    dossier = scene.dossier("open")
    named = [f"Consent/{each['id']}" for each in dossier.named]
    patient = dossier.patient or {}
    more = replace(dossier, following=({"resourceType": "Procedure", "id": "absent"}, {"resourceType": "Communication", "id": "c"}), consents=(*dossier.consents, {"id": "absent"}))
    for each in (dossier, more):
        found = [version.reference for version in scene.on(lambda window, uow, each=each: told(uow, each))]  # type: ignore[misc]
        assert found == [*named, dossier.request_version.reference, dossier.task_version.reference] and f"Patient/{patient['id']}" not in found

    class Done(Told):
        def current(self, type: str, id: str) -> Any:
            return Version(type, id, 1, self._uow.at, "", b"{}") if type == "Procedure" else self._uow.current(type, id)

    found = [version.reference for version in scene.on(lambda window, uow: told(cast(Uow, Done(uow)), more))]
    assert found == [*named, dossier.request_version.reference, "Procedure/absent", dossier.task_version.reference]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────
def patient(**more: Any) -> Resource:
    return {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": f"Organization/{CLINIC}"}} | more


def test_writes_of_one_wish_are_numbered_in_its_refusal(scene: Scene) -> None:
    good, bad = Change("create", "Patient", "p", patient()), Change("update", "Patient", "q", patient(id="q"), if_match=7)

    def run(writer: Writer, uow: Uow) -> tuple[int | None, type[Refused]]:
        with pytest.raises(Refused) as caught:
            writer.take(uow, GP, [good, bad])
        return caught.value.number, type(caught.value)

    assert on(scene, run) == (1, Stale)


@pytest.mark.parametrize("origin", ["fhir", "device"])
def test_version_that_was_read_is_the_one_that_is_written_over(scene: Scene, origin: Any) -> None:
    def run(writer: Writer, uow: Uow) -> list[Any]:
        made = writer.write(uow, GP, Change("create", "Patient", "p", patient(), origin=origin))
        second = writer.write(uow, GP, Change("update", "Patient", "p", patient(active=True), if_match=1, origin=origin))
        same = writer.write(uow, GP, Change("update", "Patient", "p", patient(active=True), if_match=2, origin=origin))
        with pytest.raises(Stale) as caught:
            writer.write(uow, GP, Change("update", "Patient", "p", patient(active=False), if_match=1, origin=origin))
        assert caught.value.issues[0].expression == "Patient.meta.versionId"
        with pytest.raises(Stale):
            writer.write(uow, GP, Change("update", "Patient", "q", patient(id="q"), if_match=1, origin=origin))
        free = writer.write(uow, GP, Change("update", "Patient", "q", patient(id="q"), if_match=0, origin=origin))
        return [made.number, second.number, same.number, free.number, made.clinic, json.loads(second.served)["active"]]

    assert on(scene, run) == [1, 2, 2, 1, CLINIC, True]


def test_deletion_leaves_a_tombstone_that_its_author_finds(scene: Scene) -> None:
    def run(writer: Writer, uow: Uow) -> list[Any]:
        writer.write(uow, GP, Change("create", "Patient", "p", patient()))
        with pytest.raises(Stale) as caught:
            writer.write(uow, GP, Change("delete", "Patient", "p", if_match=2))
        gone = writer.write(uow, GP, Change("delete", "Patient", "p", if_match=1))
        again = writer.write(uow, GP, Change("delete", "Patient", "p"))
        marks = [uow.marked("Patient", "p", AUTHOR, key) for key in (CLINIC, OTHER)]
        with pytest.raises(NotFound):
            writer.write(uow, GP, Change("delete", "Patient", "absent"))
        return [gone.number, gone.deleted, gone.served, gone.received, again, marks, caught.value.issues[0].expression]

    number, deleted, served, received, again, marks, place = on(scene, run)
    assert (number, deleted, served, received, marks, place) == (2, True, b"", b"", [True, False], "Patient.meta.versionId")
    assert (again.number, again.deleted) == (2, True)


def test_what_another_wrote_is_not_there_for_a_clinic_whatever_the_new_words_say(scene: Scene) -> None:
    def run(writer: Writer, uow: Uow) -> None:
        writer.write(uow, GP, Change("create", "Patient", "p", patient(), origin="device"))
        other = replace(GP, organisation="autre")
        writer.write(uow, other, Change("update", "Patient", "p", patient(managingOrganization={"reference": "Organization/autre"})))

    assert refused(scene, run)[0] is NotFound


def test_wish_without_a_resource_is_refused(scene: Scene) -> None:
    assert refused(scene, lambda writer, uow: writer.write(uow, GP, Change("create", "Patient", "p")))[0] is Invalid


@pytest.mark.parametrize(("old", "new", "place"), [("inactive", "active", "status"), ("active", "proposed", "status"), ("active", "inactive", "")])
def test_agreement_that_ended_does_not_return(scene: Scene, old: str, new: str, place: str) -> None:
    consent = scene.dossier("open").named[0]
    change = Change("update", "Consent", consent["id"], origin="device")
    if place:
        found = refused(scene, lambda writer, _: writer._closes_only(change, consent | {"status": old}, consent | {"status": new}))
        assert found == (Invalid, f"Consent.{place}", "agreement")
    else:
        assert on(scene, lambda writer, _: writer._closes_only(change, consent | {"status": old}, consent | {"status": new})) is None


def test_agreement_only_narrows_from_outside(scene: Scene) -> None:
    consent = scene.dossier("open").named[0]
    wide = consent | {"provision": {"type": "permit"}}
    change = Change("update", "Consent", consent["id"])
    found = refused(scene, lambda writer, _: writer._closes_only(change, consent, wide))
    assert found[0] is Invalid and found[1].startswith("Consent.provision") and found[2] == "agreement"
    assert on(scene, lambda writer, _: writer._closes_only(replace(change, origin="device"), consent, wide)) is None


# ── letters ──────────────────────────────────────────────────────────────────────────────────────
def posted(scene: Scene, window_more: dict[str, Any], *, links: dict[str, int] | None = None, level: str = "task", status: str = "") -> list[tuple[str, int]]:
    from adapter.network import EhrEntry

    sent, network, found = scene.dossier("open"), scene.network, scene.dossier("open", **window_more)
    houses = tuple(replace(each, ehr=EhrEntry(CLINIC, "http://127.0.0.1:1", level=level)) if each.key == CLINIC else each for each in network.organisations)  # type: ignore[arg-type]

    class Linked(Told):
        def link(self, ehr: str, type: str, id: str) -> Any:
            number = (links or {}).get(type)
            return None if number is None else Link(ehr, type, id, remote_id="9", sent=number)

    def run(window: Window, uow: Uow) -> list[tuple[str, int]]:
        writer = replace(window.writer, network=replace(network, organisations=houses))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("adapter.writing.of_request", lambda uow, lane: found if lane == sent.lane else None)
            letters = writer.post(cast(Uow, Linked(uow)), [sent.task], request_id="q")
        assert all((each.ehr, each.lane, each.request_id, each.due) == (CLINIC, sent.lane, "q", uow.at) for each in letters)
        return [(each.type, each.number) for each in letters]

    return scene.on(run)


def test_ehr_gets_a_letter_of_everything_that_it_does_not_have_as_it_stands(scene: Scene) -> None:
    dossier = scene.dossier("open")
    consents = [("Consent", each["meta"]["versionId"]) for each in dossier.named]
    numbers = {"Consent": int(consents[0][1]), "ServiceRequest": dossier.request_version.number, "Task": dossier.task_version.number}
    whole = list(numbers.items())
    assert posted(scene, {}) == whole
    assert posted(scene, {}, links=numbers) == []
    assert posted(scene, {}, links=numbers | {"Task": numbers["Task"] - 1}) == [("Task", numbers["Task"])]
    assert posted(scene, {}, links={"Task": numbers["Task"] + 1}) == whole[:-1]
    assert posted(scene, {}, level="patient") == posted(scene, {"task": {"status": "draft"}}) == posted(scene, {"consents": ()}) == []
    over = {"task": {"status": "cancelled"}, "consents": ()}
    assert posted(scene, over, links={"Task": 0}) == [("Task", numbers["Task"])]  # its end is told where it is known
