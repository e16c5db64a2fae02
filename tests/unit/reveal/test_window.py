"""The window itself: who may look, on which grounds, at which stage, and what the audit is told (workflow.md 4 to 6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from adapter.audit import events
from adapter.consent.life import FRESH_FOR
from adapter.dossier import load
from adapter.errors import Malformed
from adapter.look import Bounds, Look
from adapter.network import EhrEntry, Network
from adapter.ports import Basis, Clause, Decision, Principal, Query, Uow, Version
from adapter.referral.spoken import of_task
from adapter.showing import Window
from adapter.sync.pull import Cursor, cursor_name
from tests.e2e.stage import CARSAT, COURSIER, GP, SAAD
from tests.unit.reveal.scene import VIEW_OF, Scene, Told, own, plain, played, told

COURIER, EHR, NAMED, POOL = "coursier-dac-asso", "msp-saint-eloi", "coursier-rouen", "saad-portage"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


def changed(scene: Scene, **organisation: Any) -> Network:
    """The network with the organisation `key` otherwise."""
    key = organisation.pop("key")
    return replace(scene.network, organisations=tuple(replace(each, **organisation) if each.key == key else each for each in scene.network.organisations))


# ── words and tables ─────────────────────────────────────────────────────────────────────────────
def test_window_knows_the_codes_and_labels_of_the_tables(scene: Scene) -> None:
    known = scene.on(lambda window, uow: [window.known("need", "isolement"), window.known("need", "nothing"), window.known("nowhere", "isolement")])
    assert known == [True, False, False]
    assert scene.on(lambda window, uow: window.label("need", "isolement")) == "Isolement"
    assert scene.on(lambda window, uow: window.verbs("saad") == window.views["saad"].writes != ())


def test_procedure_of_an_outcome_is_that_of_its_row_and_an_assessment_where_there_is_none(scene: Scene) -> None:
    assert scene.on(lambda window, uow: [window.snomed("aide-alimentaire-en-place"), window.snomed("nothing")]) == ["710925007", "710824005"]


def test_own_needs_are_those_behind_a_neutral_code(scene: Scene) -> None:
    system = next(iter(scene.dossier("open").request["reasonCode"]))["coding"][0]["system"]
    asked = [{"coding": [{"system": system, "code": code}]} for code in ("expulsion", "isolement", "impayes-loyer")]
    dossier = scene.dossier("open", request={"reasonCode": asked})
    look = Look("prescripteur", dossier, Decision(True, "basis", "basis:author"))
    assert scene.on(lambda window, uow: window.own_needs(look)) == {"maintien-logement": ("expulsion", "impayes-loyer"), "isolement": ("isolement",)}


@pytest.mark.parametrize(("rule", "permitted", "status", "known"), [
    ("S1", ("isolement",), "requested", {"isolement": ("isolement",)}),
    ("S1", ("expulsion", "budget"), "accepted", {"maintien-logement": ("expulsion",)}),  # its neutral code stands for the permitted one alone
    ("S1", (), "accepted", {"maintien-logement": ("expulsion", "impayes-loyer"), "isolement": ("isolement",)}),  # no limit, but for what is sensitive
    ("basis:urgency", (), "accepted", {"maintien-logement": ("expulsion", "impayes-loyer"), "isolement": ("isolement",), "mise-en-securite": ("violences",)}),
    ("basis:author", (), "rejected", {}),  # closed: no act is about needs any more
])  # fmt: skip
def test_recipients_acts_know_the_needs_that_its_permit_names_alone(
    scene: Scene, rule: str, permitted: tuple[str, ...], status: str, known: dict[str, tuple[str, ...]]
) -> None:
    system = next(iter(scene.dossier("open").request["reasonCode"]))["coding"][0]["system"]
    asked = [{"coding": [{"system": system, "code": code}]} for code in ("expulsion", "isolement", "impayes-loyer", "violences")]
    dossier = scene.dossier("open", request={"reasonCode": asked}, task={"status": status})
    decision = Decision(True, "permit", rule, codes=frozenset(f"{system}|{code}" for code in permitted))

    def known_to(window: Window, uow: Uow) -> dict[str, tuple[str, ...]]:
        stage = window.stage(uow, COURIER, dossier)
        facts = window.sight.facts(uow, COURSIER, dossier, decision, holder=NAMED, stage=stage, lang="fr")
        assert window.own_needs(Look(COURIER, dossier, decision)) == {}
        return window.own_needs(Look(COURIER, dossier, decision, facts))

    assert scene.on(known_to) == known


# ── finding ──────────────────────────────────────────────────────────────────────────────────────
def test_referral_is_found_by_the_callers_own_id_and_shown(scene: Scene) -> None:
    known, mine = own(scene, "open"), own(scene, "open", "msp-saint-eloi")
    dossier, shown = scene.on(lambda window, uow: window.find(uow, COURSIER, COURIER, known, lang="fr", request_id=""))
    assert dossier.task["id"] == scene.tasks["open"] and shown is not None and shown.id == known
    assert shown.card["reference"] == of_task(dossier.task) and shown.decision.rule == "S1"
    theirs = scene.on(lambda window, uow: window.find(uow, GP, "prescripteur", mine, lang="fr", request_id=""))
    assert theirs[0].task["id"] == scene.tasks["open"] and theirs[1].id == mine


@pytest.mark.parametrize(("name", "reason"), [("draft", "draft"), ("withdrawn", "withdrawn"), ("carsat", "absent")])
def test_referral_that_is_not_found_leaves_the_reason_in_the_audit_alone(scene: Scene, name: str, reason: str) -> None:
    id = own(scene, name)
    found, left = told(scene, lambda window, uow: window.find(uow, COURSIER, COURIER, id, lang="fr", request_id="r-1"))
    at = scene.made.app.clock.now()
    assert found == (None, None)
    assert [plain(each) for each in left] == [plain(events.denied(COURSIER, "Task", reason=reason, view=COURIER, at=at, request_id="r-1"))]


@pytest.mark.parametrize("who", [COURSIER, SAAD, CARSAT, GP])
def test_class_that_is_not_shown_on_demand_is_refused_with_those_that_are(scene: Scene, who: Principal) -> None:
    def refused(window: Window, uow: Uow) -> None:
        offered = ", ".join(sorted(window.views[VIEW_OF[who]].on_demand)) or "nothing"
        with pytest.raises(Malformed) as caught:
            window.find(uow, who, VIEW_OF[who], "x", lang="fr", request_id="", demanded=frozenset({"D98", "D99"}))
        assert str(caught.value).endswith(f"2 of the classes asked for are not shown on demand in this view; it shows {offered}")
        assert caught.value.issues[0].expression == "demand"

    scene.on(refused)
    views = scene.on(lambda window, uow: [bool(window.views[view].on_demand) for view in VIEW_OF.values()])
    assert set(views) == {True, False}  # some show something on demand, some nothing


def test_calls_of_one_moment_come_in_the_order_of_their_ids(scene: Scene) -> None:
    found = scene.on(lambda window, uow: [each.task["id"] for each in window.dossiers(uow, GP, "prescripteur")])
    keys = {}
    for id in found:
        dossier = scene.made.app.read_now(lambda _, uow, id=id: load(uow, id))
        assert dossier is not None
        keys[id] = (datetime.fromisoformat(dossier.task["authoredOn"]), id)
    assert found == sorted(found, key=lambda id: keys[id], reverse=True)
    assert set(found) == set(scene.tasks.values()) and len({key for key, _ in keys.values()}) < len(found)


def test_list_is_bounded(scene: Scene) -> None:
    asked: list[Query] = []

    class Asking(Told):
        def search(self, query: Query) -> list[Any]:
            asked.append(query)
            return []

    scene.on(lambda window, uow: window.dossiers(Asking(uow), COURSIER, COURIER))  # type: ignore[arg-type]
    assert asked == [Query("Task", (Clause("_holder", "token", (f"{NAMED}|",)),), count=1000)]


# ── who holds what ───────────────────────────────────────────────────────────────────────────────
def units(scene: Scene, who: Principal, network: Network | None = None) -> list[str]:
    return scene.on(lambda window, uow: replace(window, network=network or window.network).units(who))


def test_units_of_a_caller_are_its_own_or_all_of_its_house(scene: Scene) -> None:
    whole = replace(COURSIER, unit=None)
    assert units(scene, COURSIER) == [NAMED]
    assert units(scene, whole) == [NAMED, "coursier-garde"]
    assert units(scene, replace(COURSIER, unit=POOL)) == []
    assert units(scene, replace(COURSIER, organisation="nowhere")) == units(scene, replace(whole, organisation="nowhere")) == []
    shut = changed(scene, key="asso-coursiers", units=tuple(replace(each, active=each.key != NAMED) for each in _house(scene).units))
    assert units(scene, whole, shut) == ["coursier-garde"] and units(scene, COURSIER, shut) == []


def _house(scene: Scene) -> Any:
    found = scene.network.organisation("asso-coursiers")
    assert found is not None
    return found


def test_holder_is_the_unit_or_the_prescribers_house_in_the_view_that_is_assigned(scene: Scene) -> None:
    held = scene.on(lambda window, uow: {(who.client, view): window.holder(who, view) for who in VIEW_OF for view in (*VIEW_OF.values(), "nowhere")})
    assert {pair: holder for pair, holder in held.items() if holder} == {
        ("coursiers", COURIER): NAMED, ("saad", "saad"): POOL, ("carsat", "as-carsat"): "permanence-saint-eloi",
        ("saint-eloi", "prescripteur"): "msp-saint-eloi", ("cmp", "as-departement"): "cmp-rouen",
    }  # fmt: skip
    assert scene.on(lambda window, uow: window.holder(replace(COURSIER, unit=POOL), COURIER)) == ""


@pytest.mark.parametrize(("status", "unit", "shown"), [
    ("draft", NAMED, False), ("requested", NAMED, True), ("accepted", NAMED, True), ("draft", POOL, False), ("requested", POOL, False), ("accepted", POOL, True),
    ("requested", "nowhere", False), ("accepted", "nowhere", True),
])  # fmt: skip
def test_identity_is_shown_to_a_named_unit_from_the_start_and_to_a_pool_once_it_accepted(scene: Scene, status: str, unit: str, shown: bool) -> None:
    dossier = scene.dossier("open", task={"status": status, "owner": {"reference": f"HealthcareService/{unit}"}})
    assert scene.on(lambda window, uow: window.identity_shown(uow, dossier)) is shown
    stage = "open" if shown else "offer"
    assert scene.on(lambda window, uow: window.stage(uow, COURIER, dossier)) == stage


class History:
    """A unit of work in which a Task had these statuses; "" where it was deleted for a while."""

    def __init__(self, uow: Uow, *statuses: str) -> None:
        self._uow, self._statuses = uow, statuses

    def history(self, type: str, id: str) -> list[Version]:
        stored = self._uow.current(type, id)
        assert stored is not None
        task = json.loads(stored.served)
        versions = (json.dumps(task | {"status": status}).encode() if status else b"" for status in self._statuses)
        return [replace(stored, number=number, served=served, deleted=not served) for number, served in enumerate(versions, 1)]


@pytest.mark.parametrize(("was", "unit", "shown"), [
    (("requested", "rejected"), POOL, False), (("draft", "", "requested", "cancelled"), POOL, False), (("requested", "cancelled", "entered-in-error"), POOL, False),
    (("requested", "accepted", "cancelled"), POOL, True), (("requested", "accepted", "failed", "entered-in-error"), POOL, True),
    (("requested", "accepted", "in-progress", "completed"), POOL, True), (("requested", "accepted", "cancelled"), "nowhere", True),
    (("requested", "rejected"), NAMED, True), (("requested", "cancelled"), NAMED, True), (("requested", "rejected"), "nowhere", False),
])  # fmt: skip
def test_pool_that_never_accepted_was_shown_nobody_however_it_ended(scene: Scene, was: tuple[str, ...], unit: str, shown: bool) -> None:
    dossier = scene.dossier("pool", task={"status": was[-1], "owner": {"reference": f"HealthcareService/{unit}"}})
    assert scene.on(lambda window, uow: window.identity_shown(cast(Uow, History(uow, *was)), dossier)) is shown


@pytest.mark.parametrize("status", ["completed", "rejected", "cancelled", "failed"])
def test_stage_is_closed_for_a_recipient_when_the_work_is_over_and_open_for_the_practice(scene: Scene, status: str) -> None:
    dossier = scene.dossier("open", task={"status": status})
    assert scene.on(lambda window, uow: [window.stage(uow, view, dossier) for view in (COURIER, "prescripteur", "dossier-clinique")]) == ["closed", "open", "open"]


# ── decisions ────────────────────────────────────────────────────────────────────────────────────
def decision(scene: Scene, name: str, who: Principal = COURSIER, view: str = "", **more: Any) -> Decision:
    linked, window_more = more.pop("linked", False), more.pop("window", {})
    dossier = scene.dossier(name, **more)
    return scene.on(lambda window, uow: replace(window, **window_more).decision(uow, who, view or VIEW_OF[who], dossier, linked=linked))


def test_decision_is_a_permit_by_the_consent_that_names_the_recipient_and_no_other(scene: Scene) -> None:
    assert (decision(scene, "open").permit, decision(scene, "open").rule) == (True, "S1")
    for who in (SAAD, CARSAT):
        assert (decision(scene, "open", who).permit, decision(scene, "open", who).rule) == (False, "scope")
    assert not decision(scene, "open", consents=()).permit
    assert decision(scene, "draft").rule == "scope" and not decision(scene, "draft").permit


def test_decision_breaks_the_glass_for_no_service(scene: Scene) -> None:
    eager = replace(COURSIER, purposes=frozenset({"BTG", "TREAT"}))
    refused = decision(scene, "open", eager, COURIER)
    assert (refused.permit, refused.rule, refused.reason) == (False, "break-glass", "break-glass is not offered to a social service")
    assert decision(scene, "open", replace(eager, role="clinic"), COURIER).rule != "break-glass"


def test_decision_on_ones_own_request_needs_no_consent(scene: Scene) -> None:
    found = decision(scene, "draft", GP, consents=())
    assert (found.permit, found.rule) == (True, "basis:author")
    assert not decision(scene, "open", replace(GP, organisation="asso-coursiers"), "prescripteur", consents=()).permit
    assert decision(scene, "open", COURSIER, consents=()).rule != "basis:author"


def asked(scene: Scene, name: str, who: Principal, view: str, **more: Any) -> Any:
    linked, window_more = more.pop("linked", False), more.pop("window", {})
    dossier = scene.dossier(name, **more)
    return scene.on(lambda window, uow: replace(window, **window_more).asked(uow, who, view, dossier, linked=linked))


def test_ask_names_the_patient_everybody_the_caller_is_why_and_what_for(scene: Scene) -> None:
    who = replace(COURSIER, purposes=frozenset({"TREAT", "ETREAT"}))
    ask = asked(scene, "open", who, COURIER).ask
    assert ask.patient == scene.dossier("open").request["subject"]["reference"] and ask.action == "access"
    persons = {"PractitionerRole/coursier-lea", "Practitioner/coursier-lea"}
    assert ask.actors == {"Organization/asso-coursiers", f"HealthcareService/{NAMED}"} | persons
    assert ask.purpose == tuple(f"http://terminology.hl7.org/CodeSystem/v3-ActReason|{code}" for code in ("ETREAT", "TREAT"))
    assert asked(scene, "open", replace(COURSIER, person=None), COURIER).ask.actors == ask.actors - persons
    assert asked(scene, "open", GP, "dossier-clinique").ask.action == "disclose"


def bases(scene: Scene, name: str, who: Principal, view: str, **more: Any) -> tuple[Basis, ...]:
    return tuple(asked(scene, name, who, view, **more).bases)


def test_base_of_the_practice_is_that_it_asked(scene: Scene) -> None:
    cited = scene.dossier("open").request_version.cited
    assert bases(scene, "open", GP, "prescripteur") == bases(scene, "open", GP, "dossier-clinique") == (Basis("author", cited),)
    other = replace(GP, organisation="autre")
    assert bases(scene, "open", other, "prescripteur") == bases(scene, "open", other, "dossier-clinique") == ()
    assert bases(scene, "open", COURSIER, COURIER) == ()


def test_base_of_an_ehr_that_was_sent_it_is_to_be_told_the_end(scene: Scene) -> None:
    other, cited = replace(GP, organisation="autre"), scene.dossier("open").task_version.cited
    for status, linked, found in (("cancelled", True, (Basis("author", cited),)), ("cancelled", False, ()), ("accepted", True, ())):
        assert bases(scene, "open", other, "dossier-clinique", linked=linked, task={"status": status}) == found
        assert bases(scene, "open", other, "prescripteur", linked=linked, task={"status": status}) == ()


def test_base_of_a_recipient_is_its_own_answer_for_thirty_days(scene: Scene) -> None:
    at, cited = scene.made.app.clock.now(), scene.dossier("open").task_version.cited
    kept = {"status": "completed", "lastModified": (at - timedelta(days=30)).isoformat()}
    past = kept | {"lastModified": (at - timedelta(days=30, seconds=1)).isoformat()}
    assert bases(scene, "open", COURSIER, COURIER, task=kept) == (Basis("author", cited),)
    assert bases(scene, "open", COURSIER, COURIER, task=past) == ()
    assert bases(scene, "open", COURSIER, COURIER, task=kept | {"status": "accepted"}) == ()
    assert bases(scene, "open", replace(GP, organisation="autre"), "prescripteur", task=kept) == ()
    withdrawn = scene.dossier("withdrawn")
    assert bases(scene, "open", COURSIER, COURIER, task=kept | {"statusReason": withdrawn.task.get("statusReason", {})}, told=withdrawn.told) == ()
    assert Bounds() == Bounds(consents=FRESH_FOR, reference=timedelta(days=30))
    wider = {"window": {"bounds": Bounds(reference=timedelta(days=31))}}
    assert bases(scene, "open", COURSIER, COURIER, task=past, **wider) == (Basis("author", cited),)


def test_base_of_a_team_counts_in_the_teams_view_alone(scene: Scene) -> None:
    at = scene.made.app.clock.now()
    member = {"member": {"reference": "PractitionerRole/coursier-lea"}, "period": {"start": (at - timedelta(days=1)).isoformat()}}
    patient = scene.dossier("open").request["subject"]
    team = {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": patient, "participant": [member],
            "managingOrganization": [{"reference": "Organization/msp-saint-eloi"}]}
    found = bases(scene, "open", COURSIER, "as-msp-equipe", teams=(team,))
    assert [each.kind for each in found] == ["team"]
    assert bases(scene, "open", COURSIER, COURIER, teams=(team,)) == ()


def test_consents_are_those_anchored_to_this_request(scene: Scene) -> None:
    found = asked(scene, "open", COURSIER, COURIER)
    assert found.complete is True and len(found.consents) == len(scene.dossier("open").consents) >= 1


def mastered(scene: Scene, **ehr: Any) -> Network:
    return changed(scene, key="msp-saint-eloi", ehr=EhrEntry("msp-saint-eloi", "http://127.0.0.1:1", **ehr))


@pytest.mark.parametrize(("consents", "age", "complete"), [
    ("liaison", None, True), ("ehr", None, False), ("ehr", timedelta(0), True), ("ehr", FRESH_FOR, True), ("ehr", FRESH_FOR + timedelta(seconds=1), False),
])  # fmt: skip
def test_consents_that_an_ehr_masters_count_while_it_was_heard_of_lately_S14(scene: Scene, consents: Any, age: timedelta | None, complete: bool) -> None:
    dossier, at = scene.dossier("open"), scene.made.app.clock.now()
    network = mastered(scene, consents=consents)

    def run(window: Window, uow: Uow) -> list[bool]:
        if age is not None:
            uow.keep(cursor_name("msp-saint-eloi", "Consent"), Cursor(None, at - age).encode())
        there = replace(window, network=network)
        own = [there.asked(uow, who, view, dossier) for who, view in ((COURSIER, COURIER), (GP, "dossier-clinique"))]
        return [each is not None and each.complete for each in own]

    assert scene.on(run) == [complete, True]  # the EHR itself is told its own
    if not complete:
        assert not decision(scene, "open", window={"network": network}).permit


def test_decision_about_a_person_whom_the_ehr_says_to_be_another_is_no_and_says_so(scene: Scene) -> None:
    dossier = replace(scene.dossier("open"), frozen=True)
    found = scene.on(lambda window, uow: window.decision(uow, COURSIER, COURIER, dossier))
    assert (found.permit, found.rule, found.reason) == (False, "patient-frozen", "the EHR says that this is another person")
    assert scene.on(lambda window, uow: window.decision(uow, GP, "prescripteur", dossier)).permit


def test_decision_about_a_referral_of_another_unit_is_no(scene: Scene) -> None:
    dossier = scene.dossier("open")
    found = scene.on(lambda window, uow: window.decision(uow, SAAD, "saad", dossier))
    assert (found.permit, found.rule, found.reason) == (False, "scope", "not this unit's")
