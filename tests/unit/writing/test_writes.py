"""What is agreed to, what is written over what, and which letters that makes (workflow.md 2, 4 and 7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from adapter.audit import events
from adapter.errors import Invalid, NotFound, Refused, Stale
from adapter.names import ABOUT
from adapter.network import EhrEntry
from adapter.ports import Change, IndexRow, Link, Resource, Uow, Version
from adapter.showing import Window
from adapter.writing import AUTHOR, Writer, told
from tests.e2e.stage import CLINIC, GP
from tests.unit.reveal.scene import Scene, Told, played
from tests.unit.writing.test_writer import NAMED, OTHER, UNIT, on, refused


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


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


# ── what is stored, and what the audit is told of it ─────────────────────────────────────────────
class Saving(Told):
    """A unit of work that keeps what it is given to save."""

    def __init__(self, uow: Uow) -> None:
        super().__init__(uow)
        self.saved = list[tuple[Version, Any, list[Any]]]()

    def save(self, version: Version, *, expected: int | None, index: Any) -> Version:
        self.saved.append((version, expected, list(index)))
        return version


def saved(scene: Scene, change: Change, *, current: Version | None = None, **given: Any) -> tuple[Version, int, list[Any], list[Resource], Any]:
    def run(writer: Writer, uow: Uow) -> Any:
        there = Saving(uow)
        writer._save(cast(Uow, there), GP, change, change.resource or {}, current, CLINIC, **({"request_id": "q"} | given))
        ((version, expected, rows),) = there.saved
        return version, expected, rows, there.events, uow.at

    found: tuple[Version, int, list[Any], list[Resource], Any] = on(scene, run)
    return found


def test_first_version_is_marked_with_its_author_and_told_as_a_creation(scene: Scene) -> None:
    version, expected, rows, left, at = saved(scene, Change("create", "Patient", None, patient()))
    assert (version.number, expected, version.updated, version.clinic, version.deleted) == (1, 0, at, CLINIC, False)
    assert IndexRow(AUTHOR, "token", value=CLINIC) in rows and version.id != "p" and json.loads(version.served)["id"] == version.id
    assert json.loads(version.received) == patient(id=version.id)
    assert left == [events.written(GP, version, created=True, patient=version.reference, at=at, request_id="q")]


def test_next_version_stays_with_its_clinic_and_keeps_the_bytes_that_came(scene: Scene) -> None:
    current = Version("Patient", "p", 4, scene.made.app.clock.now(), "autre", b"{}")
    sent = b'{"resourceType":"Patient","id":"p","multipleBirthInteger":7,"extension":[{"url":"urn:w","valueDecimal":7.10}]}'
    version, expected, _, left, at = saved(scene, Change("update", "Patient", "p", json.loads(sent), sent), current=current)
    assert (version.number, expected, version.clinic, version.id, version.received) == (5, 4, "autre", "p", sent) and b"7.10" in version.served
    assert left == [events.written(GP, version, created=False, patient="Patient/p", at=at, request_id="q")]


def test_task_that_came_as_bytes_is_served_in_the_state_that_is_kept(scene: Scene) -> None:
    kept = {"resourceType": "Task", "id": "t", "status": "requested", "lastModified": "2026-03-06"}
    sent = b'{"resourceType":"Task","id":"t","status":"received"}'
    for resource, shown in ((kept, ("requested", "2026-03-06")), ({"resourceType": "Task", "id": "t"}, ("received", None))):
        task = json.loads(saved(scene, Change("update", "Task", "t", resource, sent))[0].served)
        assert (task["status"], task.get("lastModified")) == shown
    other = json.loads(saved(scene, Change("update", "Basic", "t", kept | {"resourceType": "Basic"}, sent.replace(b"Task", b"Basic")))[0].served)
    assert (other["status"], other.get("lastModified")) == ("received", None)


def test_document_is_found_by_the_person_whom_it_is_about(scene: Scene) -> None:
    binary = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "securityContext": {"reference": "Patient/p"}}
    about = IndexRow(ABOUT, "reference", value="Patient/p")
    assert about in saved(scene, Change("create", "Binary", "b", binary))[2]
    assert not any(row.param == ABOUT for row in saved(scene, Change("create", "Patient", "p", patient()))[2])


def test_what_is_said_of_no_request_and_no_address_is_left_out(scene: Scene) -> None:
    def run(writer: Writer, uow: Uow) -> list[Any]:
        there = Told(uow)
        bare = Writer(writer.network, writer.systems, writer.clock, writer.key)
        made = bare.write(cast(Uow, there), GP, Change("create", "Patient", "p", patient(), origin="device"))
        bare.take(cast(Uow, there), GP, [Change("delete", "Patient", "p")])
        named = ["XrequestId" in json.dumps(each) for each in there.events]
        return [bare.base, made.number, named]

    assert on(scene, run) == ["", 1, [False, False]]
    over = scene.dossier("open", task={"status": "cancelled"}, consents=())
    assert on(scene, lambda writer, _: writer.may_leave(over)) is False


# ── nothing is sent while an agreement is missing ────────────────────────────────────────────────
class Refs(Told):
    """A store with these resources, by reference."""

    def __init__(self, uow: Uow, *resources: Resource) -> None:
        super().__init__(uow)
        self.resources = {f"{each['resourceType']}/{each['id']}": each for each in resources}

    def current(self, type: str, id: str) -> Version | None:
        found = self.resources.get(f"{type}/{id}")
        return Version(type, id, 1, self._uow.at, CLINIC, json.dumps(found).encode()) if found else None


TO_SEND: Resource = {"resourceType": "Task", "id": "t", "status": "requested", "focus": {"reference": "ServiceRequest/r"}, "requester": {"reference": f"Organization/{CLINIC}"}} | UNIT
AGREED: Resource = {
    "resourceType": "Consent", "id": "c", "status": "active", "provision": {"actor": [{"reference": {"reference": f"Organization/{OTHER}"}}]},
}  # fmt: skip
REQUEST: Resource = {"resourceType": "ServiceRequest", "id": "r", "status": "active", "supportingInfo": [{"reference": "Consent/gone"}, {"reference": "Basic/b"}, {"display": "x"}, {"reference": "Consent/c"}]}
BASIC: Resource = AGREED | {"resourceType": "Basic", "id": "b"}


def sending(scene: Scene, *resources: Resource, old: str | None = "draft", status: str = "requested", named: bool = True, urgent: bool = False) -> str:
    """ "sent", or where and why it is refused."""
    task, before = TO_SEND | {"status": status, "statusReason": {"text": "x"}}, None if old is None else TO_SEND | {"status": old}

    def run(writer: Writer, uow: Uow) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Writer, "_urgent", lambda self, uow, request, task: urgent and request == "ServiceRequest/r")
            try:
                settled = writer._settled(cast(Uow, Refs(uow, *resources)), frozenset({"requester"}), before, task, named=named)
            except Invalid as refusal:
                return f"{refusal.issues[0].expression} {refusal.issues[0].detail}: {str(refusal).partition(' ')[2][:18]}"
            assert settled == task | {"lastModified": settled["lastModified"]}
            return "sent"

    return str(on(scene, run))


BARE, NOBODY = "Task.status agreement: referral needs the", "Task.owner agreement: a Consent in force"


@pytest.mark.parametrize(("resources", "said"), [
    ((REQUEST, AGREED, BASIC), "sent"), ((), BARE), ((AGREED,), BARE), ((REQUEST,), BARE), ((REQUEST, BASIC), BARE), ((REQUEST | {"status": "draft"}, AGREED), BARE),
    ((REQUEST, AGREED | {"status": "proposed"}), BARE), ((REQUEST, AGREED | {"provision": {"actor": [{"reference": {"reference": "Organization/saad-seine"}}]}}), NOBODY),
    ((REQUEST | {"requester": {"reference": "Patient/p"}}, AGREED), "Task.requester : the Organization o"),
])  # fmt: skip
def test_referral_is_sent_once_both_agreed_to_this_recipient(scene: Scene, resources: tuple[Resource, ...], said: str) -> None:
    assert sending(scene, *resources) == sending(scene, *resources, old=None) == said


def test_agreement_that_ended_names_nobody_any_more(scene: Scene) -> None:
    other = AGREED | {"id": "d", "status": "inactive"}
    first = AGREED | {"provision": {"actor": [{"reference": {"reference": "Organization/saad-seine"}}]}}
    both = REQUEST | {"supportingInfo": [{"reference": "Consent/c"}, {"reference": "Consent/d"}]}
    assert sending(scene, both, first, other) == NOBODY
    assert sending(scene, both, first, other | {"status": "active"}) == "sent"
    assert sending(scene, both, first, other, named=False) == "sent"  # our own acts name whom they ask


def test_act_of_urgency_stands_for_the_patients_agreement_alone(scene: Scene) -> None:
    proposed = AGREED | {"status": "proposed"}
    assert sending(scene, REQUEST, proposed, urgent=True) == sending(scene, REQUEST, urgent=True) == "sent"
    assert sending(scene, REQUEST | {"status": "draft"}, AGREED, urgent=True) == sending(scene, urgent=True) == BARE


@pytest.mark.parametrize(("old", "status"), [("draft", "draft"), ("draft", "cancelled"), ("requested", "cancelled"), ("requested", "requested"), (None, "draft")])
def test_draft_and_its_end_need_no_agreement(scene: Scene, old: str | None, status: str) -> None:
    assert sending(scene, old=old, status=status) == "sent"
