"""What the house answers the synchronisation engine: what may leave, under which names, and whose act a change of the EHR is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest

from adapter import bridge as module
from adapter.audit import events
from adapter.bridge import Bridge
from adapter.dossier import of_request
from adapter.flows import Flows
from adapter.network import Network
from adapter.network.hours import Opening
from adapter.ports import Change, Letter, Link, Principal, Query, Resource, Uow
from adapter.referral.codes import CLOSED, OTHER
from adapter.sync import links
from adapter.sync.acts import Act
from adapter.sync.inbound import Pulled
from adapter.sync.links import Unlinked
from adapter.sync.proof import Sources
from adapter.views import pairwise
from tests.e2e.stage import CLINIC, FRIDAY, Stage, staged

T = TypeVar("T")
SID = "https://liaison.example/sid"
EHR = Principal(f"ehr-{CLINIC}", CLINIC, role="device")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as found:
        found.sent()
        yield found


class _Undone(Exception):
    pass


def entry_of(network: Network, **changed: Any) -> Network:
    """The network with the clinic's EHR otherwise."""
    return replace(network, organisations=tuple(replace(each, ehr=replace(each.ehr, **changed)) if each.ehr else each for each in network.organisations))


def on(stage: Stage, fn: Callable[[Bridge, Uow], T], **entry: Any) -> T:
    """`fn` in a unit of work that is undone; `entry`: how the EHR's entry of the network file is otherwise."""
    found: list[T] = []

    def run(story: Flows, uow: Uow) -> None:
        network = entry_of(story.network, **entry)
        found.append(fn(Bridge(lambda _: replace(story, network=network), lambda: network), uow))
        raise _Undone

    with pytest.raises(_Undone):
        stage.app.write_now(run)
    return found[0]


def one(stage: Stage, type: str) -> Resource:
    (version,) = stage.app.read_now(lambda _, uow: uow.search(Query(type)))
    return dict(json.loads(version.served))


def letter(stage: Stage, type: str = "Task", **more: Any) -> Letter:
    lane, id = one(stage, "ServiceRequest")["id"], one(stage, type)["id"]
    return replace(Letter(CLINIC, lane, type, id, due=stage.clock.now(), number=1, request_id="q"), **more)


def heard(fn: Callable[[Uow], T], uow: Uow) -> tuple[T, list[Resource]]:
    """What `fn` gives, and the events that it left."""
    left: list[Resource] = []
    audit, uow.audit = uow.audit, lambda event, **_: left.append(event)  # type: ignore[method-assign]
    try:
        return fn(uow), left
    finally:
        uow.audit = audit  # type: ignore[method-assign]


# ── the entry of the network file ────────────────────────────────────────────────────────────────
def test_ehr_is_asked_in_its_hours_alone(stage: Stage) -> None:
    nine = (Opening(4, 9 * 60, 10 * 60),)
    at = FRIDAY.replace(hour=9, minute=30)
    moments = [(CLINIC, at), (CLINIC, at + timedelta(hours=2)), ("nowhere", at)]
    assert on(stage, lambda bridge, _: [bridge.open_now(ehr, when) for ehr, when in moments], hours=nine) == [True, False, False]
    assert on(stage, lambda bridge, _: bridge.open_now(CLINIC, at)) is True


def test_entry_says_whether_patients_are_made_there_and_what_can_be_searched(stage: Stage) -> None:
    def said(bridge: Bridge, uow: Uow) -> list[bool]:
        return [bridge.creates(CLINIC), bridge.creates("nowhere"), bridge.searched(CLINIC), bridge.searched("nowhere"), bridge.keeps_provenance(uow, CLINIC)]

    assert on(stage, said) == [False, False, True, True, False]
    assert on(stage, said, patients="create", searches=False, provenance=True) == [True, False, False, True, True]

    def among_others(bridge: Bridge, _: Uow) -> list[bool]:
        network = bridge.network()
        (entry,) = network.ehrs()
        houses = tuple(replace(each, ehr=each.ehr or replace(entry, name=each.key, patients="link")) for each in network.organisations)
        there = Bridge(bridge.story, lambda: replace(network, organisations=houses))
        return [there.creates(CLINIC), there.creates("saad-seine")]

    assert on(stage, among_others, patients="create") == [True, False]


def test_unit_works_in_the_ehr_where_the_network_file_says_so(stage: Stage) -> None:
    def works(bridge: Bridge, uow: Uow) -> list[bool]:
        story = bridge.story(uow)
        houses = tuple(
            replace(house, units=tuple(replace(unit, works_on_ehr=unit.key == "saad-portage") for unit in house.units)) for house in story.network.organisations
        )
        there = Bridge(lambda _: replace(story, network=replace(story.network, organisations=houses)), bridge.network)
        owners = [{"owner": {"reference": f"HealthcareService/{key}"}} for key in ("saad-portage", "coursier-rouen", "nowhere")]
        return [there.works_here(uow, CLINIC, task) for task in (*owners, {}, {"owner": {}})]

    assert on(stage, works) == [True, False, False, False, False]


# ── references, there and back ───────────────────────────────────────────────────────────────────
def out(bridge: Bridge, uow: Uow, reference: str) -> Resource:
    return dict(bridge.outward(uow, CLINIC, {"resourceType": "Task", "owner": {"reference": reference}})["owner"])


def back(bridge: Bridge, uow: Uow, reference: Resource | str, **more: Any) -> Resource:
    whole = {"reference": reference} if isinstance(reference, str) else reference
    return dict(bridge.inward(uow, CLINIC, {"resourceType": "Task", "owner": whole}, **more)["owner"])


@pytest.mark.parametrize(("type", "key", "kind", "name"), [
    ("HealthcareService", "coursier-rouen", "unit", "Coursiers, secteur de Rouen"), ("Organization", CLINIC, "organisation", "Maison de santé Saint-Éloi (fictive)"),
    ("PractitionerRole", "coursier-lea", "person", "Léa Fictive"), ("Practitioner", "coursier-lea", "person", "Léa Fictive"),
])  # fmt: skip
def test_party_that_the_ehr_does_not_hold_goes_by_our_identifier_and_comes_back(stage: Stage, type: str, key: str, kind: str, name: str) -> None:
    def both(bridge: Bridge, uow: Uow) -> tuple[Resource, Resource]:
        gone = out(bridge, uow, f"{type}/{key}")
        return gone, back(bridge, uow, gone)

    there, here = on(stage, both)
    assert there == {"type": type, "identifier": {"system": f"{SID}/{kind}", "value": key}, "display": name}
    assert here == {"reference": f"{type}/{key}"}


def test_party_whose_name_tells_goes_by_a_pseudonym_without_a_name_and_comes_back(stage: Stage) -> None:
    def both(bridge: Bridge, uow: Uow) -> tuple[Resource, Resource, str]:
        gone = out(bridge, uow, "HealthcareService/cmp-rouen")
        return gone, back(bridge, uow, gone), pairwise(bridge.story(uow).writer.key, CLINIC, "HealthcareService", "cmp-rouen")

    there, here, hidden = on(stage, both)
    assert there == {"type": "HealthcareService", "identifier": {"system": f"{SID}/unit", "value": hidden}}
    assert here == {"reference": "HealthcareService/cmp-rouen"}


def test_party_that_nobody_knows_goes_without_a_name_and_none_comes_back(stage: Stage) -> None:
    gone = on(stage, lambda bridge, uow: out(bridge, uow, "HealthcareService/nowhere"))
    assert gone == {"type": "HealthcareService", "identifier": {"system": f"{SID}/unit", "value": "nowhere"}}
    known = {"type": "HealthcareService", "identifier": {"system": f"{SID}/unit", "value": "coursier-rouen"}}
    for strange in (gone, known | {"type": "Patient"}, known | {"type": "Organization"}, known | {"identifier": {"system": f"{SID}/organisation", "value": "coursier-rouen"}}):
        assert on(stage, lambda bridge, uow, strange=strange: back(bridge, uow, strange)) == strange  # type: ignore[misc]


def test_party_that_the_network_file_names_there_goes_by_that_name_and_comes_back(stage: Stage) -> None:
    remote = {CLINIC: "Organization/123"}
    assert on(stage, lambda bridge, uow: out(bridge, uow, f"Organization/{CLINIC}"), remote=remote) == {"reference": "Organization/123"}
    assert "reference" not in on(stage, lambda bridge, uow: out(bridge, uow, f"HealthcareService/{CLINIC}"), remote=remote)
    assert on(stage, lambda bridge, uow: back(bridge, uow, "Organization/123"), remote=remote) == {"reference": f"Organization/{CLINIC}"}
    assert on(stage, lambda bridge, uow: back(bridge, uow, "Location/123"), remote=remote)["reference"].endswith("/fhir/Location/123")


def test_resource_with_a_copy_there_goes_by_its_id_and_another_goes_nowhere(stage: Stage) -> None:
    def linked(bridge: Bridge, uow: Uow) -> list[Resource]:
        for type in ("Patient", "Consent"):
            uow.save_link(Link(CLINIC, type, "p", "77"))
        links.lose(uow, CLINIC, "Patient", "p")  # of a Consent alone it counts that its copy is gone
        known = [out(bridge, uow, "Patient/p"), out(bridge, uow, "Consent/p"), back(bridge, uow, "Patient/77")]
        coming = back(bridge, uow, "Patient/88", coming={("Patient", "88"): "q"})
        for absent in ("Patient/q", "Consent/q", "Task/p"):
            with pytest.raises(Unlinked) as caught:
                out(bridge, uow, absent)
            assert f"{caught.value.type}/{caught.value.id}" == absent
        return [*known, coming]

    assert on(stage, linked) == [{"reference": "Patient/77"}, {"reference": "Consent/77"}, {"reference": "Patient/p"}, {"reference": "Patient/q"}]


def test_consent_whose_copy_is_gone_goes_by_our_identifier(stage: Stage) -> None:
    def gone(bridge: Bridge, uow: Uow) -> list[Resource]:
        uow.save_link(Link(CLINIC, "Consent", "c", "77"))
        links.lose(uow, CLINIC, "Consent", "c")
        links.lose(uow, CLINIC, "Consent", "d")
        return [out(bridge, uow, "Consent/c"), out(bridge, uow, "Consent/d")]

    assert on(stage, gone) == [{"type": "Consent", "identifier": {"system": f"{SID}/consent", "value": id}} for id in ("c", "d")]


def test_searches_name_parties_as_the_ehr_knows_them(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(story: Flows, entry: Any, *, there: Callable[[str], Resource], consents: timedelta) -> Any:
        return entry.name, there(f"Organization/{CLINIC}"), consents

    monkeypatch.setattr(module, "searches_of", asked)
    found = on(stage, lambda bridge, uow: bridge.searches(uow, CLINIC, consents=timedelta(hours=1)), remote={CLINIC: "Organization/123"})
    assert cast(Any, found) == (CLINIC, {"reference": "Organization/123"}, timedelta(hours=1))


# ── what may leave ───────────────────────────────────────────────────────────────────────────────
def test_letter_carries_what_the_window_gives_and_nothing_where_there_is_no_referral(stage: Stage) -> None:
    sent = letter(stage)
    carried = on(stage, lambda bridge, uow: bridge.outgoing(uow, sent))
    assert carried is not None and carried["id"] == sent.id
    astray = replace(sent, lane="nowhere")
    assert on(stage, lambda bridge, uow: [bridge.outgoing(uow, astray), bridge.leaving(uow, astray), bridge.seeking(uow, astray)]) == [None, False, False]


def test_letter_that_leaves_is_a_disclosure_and_a_search_for_its_patient_one_of_traits(stage: Stage) -> None:
    sent = letter(stage)
    for act, classes in ((Bridge.leaving, "D5,D12"), (Bridge.seeking, "D1,D2")):
        may, left = on(stage, lambda bridge, uow, act=act: heard(lambda uow: act(bridge, uow, sent), uow))  # type: ignore[misc]
        details = {detail["type"]: detail["valueString"] for entity in left[0]["entity"] for detail in entity.get("detail", ())}
        assert may is True and details["classes"] == classes


def test_sources_of_a_copy_are_the_clinic_the_referral_its_time_and_the_agreements(stage: Stage) -> None:
    sent, consent = letter(stage), one(stage, "Consent")["id"]

    def asked(bridge: Bridge, uow: Uow) -> list[Any]:
        dossier, made = of_request(uow, sent.lane), uow.version("Task", sent.id, 1)
        assert dossier is not None and made is not None
        plain = bridge.sources(uow, sent)
        uow.save_link(Link(CLINIC, "Consent", consent, "9", "2"))
        copied = bridge.sources(uow, sent)
        links.lose(uow, CLINIC, "Consent", consent)
        return [f"Organization/{CLINIC}", dossier.request_version.reference, made.updated, plain, copied, bridge.sources(uow, sent)]

    clinic, referral, made, plain, copied, lost = on(stage, asked, url="http://ehr.example/fhir/")
    assert plain == lost == Sources(clinic, referral, made, (f"{SID}/consent/{consent}",))
    assert copied == Sources(clinic, referral, made, ("http://ehr.example/fhir/Consent/9/_history/2",))


def test_copy_that_might_not_leave_now_has_no_sources_and_proves_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = letter(stage)

    def asked(bridge: Bridge, uow: Uow) -> list[Any]:
        uow.save_link(Link(CLINIC, "Task", sent.id, "7"))
        given = [replace(sent, lane="nowhere"), replace(sent, number=99)]
        return [answer for each in given for answer in (bridge.sources(uow, each), bridge.proving(uow, each))]

    assert on(stage, asked) == [None, False, None, False]
    monkeypatch.setattr("adapter.showing.Window.letter", lambda *_: None)
    assert on(stage, lambda bridge, uow: bridge.sources(uow, sent)) is None


def test_provenance_that_leaves_is_told_and_only_of_a_copy_that_is_there(stage: Stage) -> None:
    sent = letter(stage)
    assert on(stage, lambda bridge, uow: heard(lambda uow: bridge.proving(uow, sent), uow)) == (False, [])

    def proved(bridge: Bridge, uow: Uow) -> tuple[bool, list[Resource], datetime]:
        uow.save_link(Link(CLINIC, "Task", sent.id, "7"))
        return *heard(lambda uow: bridge.proving(uow, sent), uow), uow.at

    may, left, at = on(stage, proved)
    patient = one(stage, "ServiceRequest")["subject"]["reference"]
    assert may is True
    assert left == [events.act(EHR, "provenance", what=f"Task/{sent.id}/_history/1", patient=patient, at=at, request_id="q", details=[("ehr", CLINIC)])]


def test_every_act_of_the_engine_is_told_with_whom_it_is_about(stage: Stage) -> None:
    task, patient = one(stage, "Task")["id"], one(stage, "ServiceRequest")["subject"]["reference"]

    def acted(bridge: Bridge, uow: Uow) -> tuple[list[Resource], datetime]:
        acts = [Act("sent", CLINIC, "Task", id, remote="Task/7/_history/3", reason="why", request_id="q") for id in (task, "absent", "")]
        return [event for each in acts for event in heard(lambda uow, each=each: bridge.audited(uow, each), uow)[1]], uow.at  # type: ignore[misc]

    left, at = on(stage, acted)
    details = [("ehr", CLINIC), ("remote", "Task/7/_history/3"), ("reason", "why")]
    assert left == [
        events.act(EHR, "sync-sent", what=f"Task/{id}", patient=whom, at=at, request_id="q", details=details) for id, whom in ((task, patient), ("absent", ""), ("", ""))
    ]


# ── whose act a change of the EHR is ─────────────────────────────────────────────────────────────
class Spy:
    """A story that writes down what it is asked to write."""

    def __init__(self, story: Flows) -> None:
        self.network, self.window, self.given = story.network, story.window, list[Any]()
        writer = story.writer
        self.writer = SimpleNamespace(organisation_of=writer.organisation_of, systems=writer.systems, take=lambda *given: self.given.append(("take", *given[1:])))

    def receive(self, _: Uow, *given: Any, **named: Any) -> None:
        self.given.append(("receive", *given, named))


def applied(stage: Stage, **pulled: Any) -> Any:
    task: Resource = {"resourceType": "Task", "id": "t", "status": "accepted", "owner": {"reference": "HealthcareService/coursier-rouen"}}
    made = {"ehr": CLINIC, "type": "Task", "id": "t", "number": 3, "next": task, "base": {}, "theirs": {}, "ours": task, "actor": "requester", "remote": "Task/7"}

    def run(bridge: Bridge, uow: Uow) -> Any:
        spy = Spy(bridge.story(uow))
        Bridge(lambda _: cast(Flows, spy), bridge.network).apply(uow, Pulled(**(made | pulled)))
        (given,) = spy.given
        return given

    return on(stage, run)


def test_change_of_the_ehr_is_the_clinics_act_or_that_of_the_unit_that_works_there(stage: Stage) -> None:
    verb, who, changes, named = applied(stage)
    assert (verb, who, named) == ("receive", EHR, {"heard": {}})
    assert [(each.verb, each.type, each.id, each.if_match, each.origin) for each in changes] == [("update", "Task", "t", 3, "pull")]
    assert applied(stage, actor="target")[1] == replace(EHR, organisation="asso-coursiers")
    assert applied(stage, actor="target", ours={"resourceType": "Task", "id": "t"})[1] == EHR


def test_what_is_gone_there_ends_alone_C_E8(stage: Stage) -> None:
    consent = {"resourceType": "Consent", "id": "c", "status": "inactive"}
    verb, who, changes = applied(stage, type="Consent", id="c", next=consent, gone=True)
    assert (verb, who, changes) == ("take", EHR, [Change("update", "Consent", "c", consent, if_match=3, origin="pull")])


def test_change_counts_from_when_the_ehr_has_it_unless_that_is_to_come(stage: Stage) -> None:
    for said, when in ((FRIDAY - timedelta(hours=1), "2026-03-06T16:50:00.000Z"), (FRIDAY, None), (FRIDAY + timedelta(hours=1), None)):
        named = applied(stage, theirs={"meta": {"lastUpdated": said.isoformat()}})[3]
        assert named == {"heard": {"at": when} if when else {}}, said
    for none in ({}, {"meta": {}}, {"meta": {"lastUpdated": "yesterday"}}):
        assert applied(stage, theirs=none)[3] == {"heard": {}}


CODED = {"system": "https://liaison.example/CodeSystem/status-reason"}


@pytest.mark.parametrize(("status", "reason", "code"), [
    ("cancelled", None, CLOSED), ("rejected", None, OTHER), ("failed", None, OTHER), ("on-hold", None, OTHER), ("accepted", None, ""),
    ("rejected", {"coding": [{"code": "zyx"}]}, OTHER), ("accepted", {"coding": [{"code": "zyx"}]}, ""), ("rejected", {"coding": [{"code": "zyx"}, {"code": "beneficiaire-absent"}]}, "beneficiaire-absent"),
    ("accepted", {"coding": [{"code": "beneficiaire-absent"}]}, "beneficiaire-absent"),
])  # fmt: skip
def test_task_moved_in_the_ehr_has_the_label_of_its_reason_or_of_a_neutral_one(stage: Stage, status: str, reason: Any, code: str) -> None:
    task: Resource = {"resourceType": "Task", "id": "t", "status": status} | ({"statusReason": reason} if reason else {})
    found = on(stage, lambda bridge, uow: module._reasoned(bridge.story(uow), task))
    label = on(stage, lambda bridge, uow: bridge.story(uow).window.label("status-reason", code))
    coding = (reason or {}).get("coding") or [CODED | {"code": code}]
    assert found == {"resourceType": "Task", "id": "t", "status": status} | ({"statusReason": {"coding": coding, "text": label}} if code else {})


def test_reason_in_words_and_any_other_resource_stay(stage: Stage) -> None:
    for kept in ({"resourceType": "Task", "status": "rejected", "statusReason": {"text": "x"}}, {"resourceType": "ServiceRequest", "status": "revoked"}):
        assert on(stage, lambda bridge, uow, kept=kept: module._reasoned(bridge.story(uow), kept)) is kept  # type: ignore[misc]


def test_place_of_a_reference_is_within_that_ehr(stage: Stage) -> None:
    sent, places = letter(stage), ("Patient/7", "http://elsewhere.example/fhir/Patient/7")
    found = on(stage, lambda bridge, uow: [bridge.place(uow, sent, {"reference": text}) for text in places])
    assert found == [("Patient", "7"), ("", "")]
    assert on(stage, lambda bridge, uow: bridge.asked(uow, sent)) is None  # it does not wait
