"""The window at work: one look and what it holds, what the audit is told of it, letters to the EHR, a clinic's own questions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from adapter.audit import events
from adapter.dossier import content, load
from adapter.look import Look
from adapter.network import Network
from adapter.ports import Clause, Decision, Letter, Link, Principal, Query, Uow
from adapter.referral.spoken import of_task
from adapter.showing import Window
from tests.e2e.stage import COURSIER, GP, SAAD
from tests.unit.reveal.scene import PERMIT, VIEW_OF, Scene, Told, own, plain, played, told

COURIER, EHR, NAMED, POOL = "coursier-dac-asso", "msp-saint-eloi", "coursier-rouen", "saad-portage"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with played() as found:
        yield found


def changed(scene: Scene, **organisation: Any) -> Network:
    """The network with the organisation `key` otherwise."""
    key = organisation.pop("key")
    return replace(scene.network, organisations=tuple(replace(each, **organisation) if each.key == key else each for each in scene.network.organisations))


# ── looking ──────────────────────────────────────────────────────────────────────────────────────
def look(scene: Scene, name: str, who: Principal = COURSIER, view: str = "", lang: str = "fr", **more: Any) -> Look:
    dossier = scene.dossier(name, **more)
    return scene.on(lambda window, uow: window.look(uow, who, view or VIEW_OF[who], dossier, lang=lang))


def types(found: Look) -> list[str]:
    return [each["resourceType"] for each in found.resources]


def test_look_that_is_denied_holds_nothing_but_the_decision(scene: Scene) -> None:
    found = look(scene, "open", consents=())
    assert (found.view, found.facts, found.resources, found.decision.permit) == (COURIER, None, (), False)


def test_look_holds_the_referral_the_person_the_agreement_and_the_parties(scene: Scene) -> None:
    found = look(scene, "open")
    assert types(found) == ["Task", "ServiceRequest", "Patient", "Consent", "PractitionerRole", "Practitioner", "Organization", "HealthcareService", "Organization"]
    assert found.facts is not None and found.facts.stage == "open" and found.facts.basis == "consent"
    assert found.resources[0]["id"] == own(scene, "open") and found.dossier.task["id"] == scene.tasks["open"]
    assert look(scene, "open", GP).resources[0]["id"] == own(scene, "open", "msp-saint-eloi")
    assert look(scene, "open", lang="en").facts.lang == "en"  # type: ignore[union-attr]


def test_look_of_a_social_worker_outside_the_team_is_that_of_a_house_outside(scene: Scene) -> None:
    house = changed(scene, key="asso-coursiers", category="as-msp-equipe")
    dossier = scene.dossier("open")
    by_consent = scene.on(lambda window, uow: replace(window, network=house).look(uow, COURSIER, "as-msp-equipe", dossier, lang="fr"))
    assert (by_consent.view, by_consent.decision.rule) == ("as-carsat", "S1")

    class OfTheTeam(Window):
        def decision(self, *_: Any, **__: Any) -> Decision:
            return Decision(True, "team", "basis:team")

    def of_the_team(window: Window, uow: Uow, view: str) -> Look:
        return OfTheTeam(house, window.views, window.terms, window.writer).look(uow, COURSIER, view, dossier, lang="fr")

    assert scene.on(lambda window, uow: of_the_team(window, uow, "as-msp-equipe")).view == "as-msp-equipe"
    assert scene.on(lambda window, uow: of_the_team(window, uow, COURIER)).view == COURIER


def test_look_of_a_recipient_has_of_the_person_what_the_call_taker_was_told_and_the_practice_what_it_keeps(scene: Scene) -> None:
    kept = scene.dossier("open").patient or {}
    moved = kept | {"telecom": [{"system": "phone", "value": "+33261919999"}]}
    phones = {who: next(each for each in look(scene, "open", who, patient=moved).resources if each["resourceType"] == "Patient")["telecom"][0]["value"] for who in (COURSIER, GP)}
    assert phones == {COURSIER: "+33639980001", GP: "+33261919999"}


def test_look_shows_no_consent_but_those_that_decided(scene: Scene) -> None:
    dossier = scene.dossier("open")
    named = [each["id"] for each in dossier.named]
    other = dossier.named[0] | {"id": "other"}
    request = {"supportingInfo": [{"reference": f"Consent/{id}"} for id in (*named, "other")]}
    both = replace(dossier, consents=(*dossier.consents, other), request=dossier.request | request)

    def shown(versions: tuple[str, ...]) -> list[str]:
        decided = replace(PERMIT, versions=versions)
        found = scene.on(lambda window, uow: list(window.parts(uow, both, decided)))
        return [each["id"] for each in found if each["resourceType"] == "Consent"]

    assert sorted(shown(())) == sorted([*named, "other"])
    assert shown((f"Consent/{named[0]}/_history/2",)) == named and shown(("Consent/other",)) == ["other"]


def test_parts_are_what_hangs_on_the_request_and_its_parties_two_steps_away(scene: Scene) -> None:
    following = ({"resourceType": "Procedure", "id": "p"}, {"resourceType": "Communication", "id": "c"})
    dossier = scene.dossier("open", following=following)
    found = scene.on(lambda window, uow: [f"{each['resourceType']}/{each['id']}" for each in window.parts(uow, dossier, PERMIT)])
    assert found[3 + len(dossier.named) :] == [
        "Procedure/p", "Communication/c", "PractitionerRole/dr-exemple", "Practitioner/dr-exemple", "Organization/msp-saint-eloi",
        f"HealthcareService/{NAMED}", "Organization/asso-coursiers",
    ]  # fmt: skip
    nobody = replace(dossier, patient=None, request=dossier.request | {"requester": {}}, task=dossier.task | {"owner": {"reference": "Patient/x"}})
    assert [each["resourceType"] for each in scene.on(lambda window, uow: list(window.parts(uow, nobody, PERMIT)))][2:] == ["Consent"] * len(dossier.named) + ["Procedure", "Communication"]


def test_parts_end_two_steps_from_the_request(scene: Scene) -> None:
    chain = {"Organization/a": {"organization": {"reference": "Organization/b"}}, "Organization/b": {"providedBy": {"reference": "Organization/c"}},
             "Organization/c": {"practitioner": {"reference": "Organization/d"}}, "Organization/d": {}}  # fmt: skip

    class Chain(Told):
        def current(self, type: str, id: str) -> Any:
            import json

            from adapter.ports import Version

            resource = chain[f"{type}/{id}"] | {"resourceType": type, "id": id}
            return Version(type, id, 1, self.at, "", json.dumps(resource).encode())

    bare = {"task": {"owner": {}}, "request": {"requester": {"reference": "Organization/a"}}}
    dossier = scene.dossier("open", patient=None, consents=(), following=(), **bare)  # type: ignore[arg-type]
    found = scene.on(lambda window, uow: [each["id"] for each in window.parts(Chain(uow), dossier, PERMIT)])  # type: ignore[arg-type]
    assert found[2:] == ["a", "b", "c"]


# ── one unsafe, all unsafe ───────────────────────────────────────────────────────────────────────
def test_unsafe_contact_of_one_referral_holds_for_the_other_that_the_same_caller_sees(scene: Scene) -> None:
    """Read from the second referral of one person at one service (france.md 3.4)."""
    made = scene.made
    made.act("again", 70)
    again = made.refer(NAMED, 0, besoins=["violences"]).referrals[0]["task"]
    try:
        assert scene.on(lambda window, uow: window._unsafe(uow, COURSIER, COURIER, load(uow, scene.tasks["open"])))  # type: ignore[arg-type]
        assert not scene.on(lambda window, uow: window._unsafe(uow, COURSIER, COURIER, load(uow, scene.tasks["second"])))  # type: ignore[arg-type]
        assert not scene.on(lambda window, uow: window._unsafe(uow, COURSIER, COURIER, load(uow, again)))  # type: ignore[arg-type]
        assert not scene.on(lambda window, uow: window._unsafe(uow, SAAD, "saad", load(uow, scene.tasks["pool"])))  # type: ignore[arg-type]
        assert not scene.on(lambda window, uow: window._unsafe(uow, GP, "prescripteur", load(uow, scene.tasks["open"])))  # type: ignore[arg-type]
        assert look(scene, "open").facts.unsafe and not look(scene, "second").facts.unsafe  # type: ignore[union-attr]

        class Blind(Window):
            def decision(self, uow: Any, who: Any, view: Any, dossier: Any, **_: Any) -> Decision:
                return Decision(dossier.task["id"] != again, "", "S1")

        def blind(window: Window, uow: Uow) -> bool:
            seeing = Blind(window.network, window.views, window.terms, window.writer)
            return seeing._unsafe(uow, COURSIER, COURIER, load(uow, scene.tasks["open"]))  # type: ignore[arg-type]

        assert not scene.on(blind)  # what the caller may not see tells nothing
    finally:
        made.act("end of again", 80)
        shown = next(each for each in made.cards(COURSIER, COURIER) if each.card["reference"] == of_task(content(_current(scene, again))))
        made.do(COURSIER, COURIER, shown, "withdraw", heard_by="coursier-lea")


def _current(scene: Scene, task: str) -> Any:
    return scene.made.app.read_now(lambda _, uow: uow.current("Task", task))


# ── one tag, whatever the language ───────────────────────────────────────────────────────────────
def test_tag_of_an_offer_from_a_small_place_is_the_same_in_both_languages(scene: Scene) -> None:
    offer = scene.dossier("pool", patient=(scene.dossier("pool").patient or {}) | {"address": [{"postalCode": "76190"}]}, told=())
    french, english = (scene.on(lambda window, uow, lang=lang: window.show(uow, SAAD, "saad", offer, lang=lang, request_id="")) for lang in ("fr", "en"))
    assert (french.card["area"], english.card["area"]) == ("département 76", "department 76") and french.etag == english.etag


def test_tag_is_the_same_in_both_languages_and_the_card_is_not(scene: Scene) -> None:
    french, english = (scene.on(lambda window, uow, lang=lang: window.show(uow, COURSIER, COURIER, _loaded(scene, uow), lang=lang, request_id="")) for lang in ("fr", "en"))
    assert french.etag == english.etag and french.card != english.card and french.id == english.id


def _loaded(scene: Scene, uow: Uow) -> Any:
    return load(uow, scene.tasks["open"])


# ── the audit ────────────────────────────────────────────────────────────────────────────────────
def disclosed(scene: Scene, found: Look, **more: Any) -> Any:
    dossier = found.dossier
    given = {
        "patient": dossier.request["subject"]["reference"], "recipient": "Organization/asso-coursiers", "view": COURIER, "view_version": "1",
        "consents": found.decision.versions, "rule": "S1", "classes": ("D1", "D4", "D5", "D7", "D10", "D11", "D12"), "stage": "open", "custodian": "msp-saint-eloi",
        "at": scene.made.app.clock.now(), "request_id": "r-3",
    }  # fmt: skip
    return plain(events.disclosed(COURSIER, [dossier.task_version.cited, dossier.request_version.cited], **(given | more)))


def test_look_is_told_as_a_decision_and_a_disclosure(scene: Scene) -> None:
    found = look(scene, "open")
    version = str(scene.on(lambda window, uow: window.views[COURIER].version))
    _, left = told(scene, lambda window, uow: window.told(uow, COURSIER, found, request_id="r-3"))
    patient, what, at = found.dossier.request["subject"]["reference"], found.dossier.task_version.cited, scene.made.app.clock.now()
    decided = events.decided(COURSIER, found.decision, patient=patient, what=what, view=COURIER, at=at, request_id="r-3")
    assert [plain(each) for each in left] == [plain(decided), disclosed(scene, found, view_version=version)]


def test_look_that_was_denied_is_told_as_a_decision_alone(scene: Scene) -> None:
    found = look(scene, "open", consents=())
    _, left = told(scene, lambda window, uow: window.told(uow, COURSIER, found, request_id=""))
    assert len(left) == 1 and left[0]["outcome"] != "0"


# ── letters to the clinic's EHR ──────────────────────────────────────────────────────────────────
def letter(scene: Scene, type: str = "Task", name: str = "open", **more: Any) -> Letter:
    id = scene.tasks[name] if type == "Task" else "absent"
    return replace(Letter(EHR, scene.dossier(name).lane, type, id, due=scene.made.app.clock.now(), request_id="r-4"), **more)


class Linked(Told):
    """An EHR that has these resources already."""

    links: frozenset[str] = frozenset()

    def link(self, ehr: str, type: str, id: str) -> Any:
        return Link(ehr, type, id, remote_id="9") if f"{ehr}/{type}" in self.links else None


def leaves(scene: Scene, sent: Letter, *, links: frozenset[str] = frozenset(), name: str = "open", **more: Any) -> tuple[Any, bool, list[Any]]:
    dossier = scene.dossier(name, **more)

    def run(window: Window, uow: Uow) -> tuple[Any, bool, list[Any]]:
        there = Linked(uow)
        there.links = links
        return window.letter(there, sent, dossier), window.leaving(there, sent, dossier), there.events  # type: ignore[arg-type]

    return scene.on(run)


def test_letter_carries_what_the_view_of_the_record_shows_and_the_disclosure_is_recorded(scene: Scene) -> None:
    carried, may, left = leaves(scene, letter(scene))
    assert carried["resourceType"] == "Task" and carried["id"] == scene.tasks["open"] and may
    who = scene.on(lambda window, uow: window.ehr_principal(EHR, "msp-saint-eloi"))
    assert who == Principal("ehr-msp-saint-eloi", "msp-saint-eloi", role="device")
    dossier = scene.dossier("open")
    version = str(scene.on(lambda window, uow: window.views["dossier-clinique"].version))
    wanted = events.disclosed(
        who, [dossier.task_version.cited, dossier.request_version.cited], patient=dossier.request["subject"]["reference"], recipient=EHR, view="dossier-clinique",
        view_version=version, rule="basis:author", classes=("D5", "D12"), stage="open", custodian="msp-saint-eloi", at=scene.made.app.clock.now(), request_id="r-4",
    )  # fmt: skip
    assert [plain(each) for each in left] == [plain(wanted)]


def test_search_for_the_patient_at_the_ehr_is_told_as_a_disclosure_of_traits(scene: Scene) -> None:
    dossier, sent = scene.dossier("open"), letter(scene)
    may, left = told(scene, lambda window, uow: window.leaving(uow, sent, dossier, seeking=True))
    details = {detail["type"]: detail["valueString"] for entity in left[0]["entity"] for detail in entity.get("detail", ())}
    assert may and (details["classes"], details["stage"]) == ("D1,D2", "search")


def test_end_of_a_referral_is_told_to_the_ehr_that_has_it_whatever_became_of_the_agreement(scene: Scene) -> None:
    theirs = {"requester": {"reference": "Organization/asso-coursiers"}}
    over: list[dict[str, Any]] = [{"task": {"status": "cancelled"}, "consents": ()}, {"task": {"status": "completed"} | theirs, "request": theirs, "consents": ()}]
    for ended in over:  # given up without agreement; asked by a recipient, not by the practice
        carried, may, _ = leaves(scene, letter(scene), links=frozenset({f"{EHR}/Task"}), **ended)
        assert carried is not None and may
        assert leaves(scene, letter(scene), **ended) == (None, False, [])


def test_letter_about_nothing_or_without_agreement_does_not_leave(scene: Scene) -> None:
    assert leaves(scene, letter(scene, "Consent"))[:2] == (None, True)
    assert leaves(scene, letter(scene, name="draft"), name="draft") == (None, False, [])
    assert leaves(scene, letter(scene), consents=()) == (None, False, [])


def test_letter_about_what_was_withdrawn_leaves_only_for_whom_it_was_sent_to_before(scene: Scene) -> None:
    for name in ("withdrawn",):
        first = letter(scene, name=name)
        assert leaves(scene, first, name=name)[:2] == (None, False)
        tried = [replace(first, attempts=1), replace(first, fence=2)]
        assert all(leaves(scene, each, name=name)[0]["status"] == "cancelled" for each in tried)  # it is looked for there
        assert all(leaves(scene, each, name=name)[1] is False for each in tried)
        assert leaves(scene, replace(first, fence=1), name=name)[0] is None
        sent = leaves(scene, first, name=name, links=frozenset({f"{EHR}/Task"}))
        assert sent[0]["status"] == "cancelled" and sent[1] is True


# ── the clinic's own software ────────────────────────────────────────────────────────────────────
def limited(scene: Scene, who: Principal, type: str) -> Query | None:
    return scene.on(lambda window, uow: window.limited(who, Query(type, (Clause("_id", "id", ("x",)),))))


def test_clinic_asks_for_its_own_rows_and_for_the_directory(scene: Scene) -> None:
    asked = Query("Task", (Clause("_id", "id", ("x",)),))
    assert limited(scene, GP, "Task") == replace(asked, clauses=(*asked.clauses, Clause("_author", "token", ("msp-saint-eloi",))))
    for type in ("Organization", "HealthcareService", "Location", "Endpoint"):
        assert limited(scene, GP, type) == replace(asked, type=type)
    for type in ("Practitioner", "PractitionerRole"):
        kept = Clause("_author", "token", ("msp-saint-eloi", "liaison"))
        assert limited(scene, GP, type) == replace(asked, type=type, clauses=(*asked.clauses, kept))


@pytest.mark.parametrize(("role", "scopes", "may"), [
    ("clinic", "system/Task.r", False), ("clinic", "system/Task.s", True), ("clinic", "system/Task.c", False), ("clinic", "system/Patient.rs", False), ("service", "system/*.rs", False),
])  # fmt: skip
def test_clinic_asks_for_what_its_scopes_let_it_search(scene: Scene, role: str, scopes: str, may: bool) -> None:
    assert (limited(scene, replace(GP, role=role, scopes=frozenset({scopes})), "Task") is not None) is may
