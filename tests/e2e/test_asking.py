"""An EHR is asked for the patient: what must stand in the audit before that (U-08), and that an answer of nothing leaves its event."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest import mock

import pytest

from adapter import dossier
from adapter.audit.register import in_words, line
from adapter.audit.told import told
from adapter.ehr.fake.faults import Fault
from adapter.errors import Unavailable
from adapter.ports import Query
from adapter.store.uow import SqlUow
from tests.e2e.stage import COURSIER, SAAD, Stage
from tests.e2e.test_audit_doors import Watch, ids, kind, sent  # noqa: F401 - fixtures
from tests.unit.web.test_doors import Door, agreed, door, stage  # noqa: F401 - fixtures


def test_no_search_for_the_patient_leaves_when_the_audit_cannot_be_written_U_08(stage: Stage, sent: dict[str, Any]) -> None:
    def fails(self: Any, event: Any, **_: Any) -> None:
        raise Unavailable("the audit cannot be written")

    with mock.patch.object(SqlUow, "audit", fails), pytest.raises(Unavailable):
        stage.push()
    assert stage.ehr.requests == []
    stage.push()  # what took the letter was to stand in the same commit: it was not taken
    assert stage.ehr.requests[0].path.endswith("/Patient/_search")


def test_the_search_for_the_patient_leaves_after_its_event_which_holds_no_value_U_08(stage: Stage, sent: dict[str, Any]) -> None:
    """To ask an EHR for somebody tells it who that is: even when nothing else follows."""
    stage.ehr.inject(Fault("cut-before", on="POST Patient/_search", times=None))
    watch = Watch(stage)
    stage.push()
    disclosed = [each for each in watch.new() if kind(each) == "disclosure"]
    assert len(disclosed) == 1 and len(stage.ehr.requests) == 1 and stage.ehr.requests[0].path.endswith("/Patient/_search")
    (one,) = map(told, disclosed)
    assert (one.recipient, one.patient, one.classes, one.details["stage"]) == ("msp-saint-eloi", f"Patient/{ids(stage, 'Patient')[0]}", ("D1", "D2"), "search")
    assert "dossier-clinique" in one.view and not re.search("Zyx|1938", json.dumps(disclosed), re.IGNORECASE)
    assert "a reçu : vos nom et coordonnées, votre date de naissance et votre sexe (au plus, pour y retrouver votre fiche)" in in_words(
        line(1, one), name=lambda each: each, lang="fr", zone="Europe/Paris"  # type: ignore[arg-type]
    )


def test_no_search_for_the_patient_leaves_once_the_agreement_is_gone(stage: Stage, sent: dict[str, Any]) -> None:
    """Decided again at the moment of asking, not only when the letter was looked at."""
    patients = stage.app.wiring.push._delivery._patients
    seek, asked = patients._seeking, []
    with mock.patch.object(patients, "_seeking", lambda uow, letter: asked.append(letter) or (closed(stage, uow) and seek(uow, letter))):
        stage.push()
    assert asked and stage.ehr.requests == []


def closed(stage: Stage, uow: Any) -> bool:
    """The person takes the agreement back in this very unit."""
    story = stage.app.story(uow)
    for version in uow.search(Query("Task")):
        found = dossier.load(uow, version.id)
        if found and found.task["status"] == "requested":
            story.withdraw(uow, COURSIER, found, {})
    return True


def test_an_empty_list_is_an_answer_and_leaves_its_event(stage: Stage) -> None:
    watch = Watch(stage)
    assert stage.cards(SAAD, "saad") == []
    (event,) = watch.new()
    one = told(event)
    assert (kind(event), one.by, one.details["view"], one.details["count"], one.patient) == ("worklist", "PractitionerRole/aide-noe", "saad", "0", "")


def test_a_receipt_given_again_leaves_its_event(stage: Stage, door: Door, sent: dict[str, Any]) -> None:
    """It says how far a referral is."""
    for path, body in (("/intake/appel-coursier", agreed()), ("/intake/appel-coursier/appel-1/agreements", {"who": "doctor", "agreed": True})):
        watch = Watch(stage)
        answer = door("POST", path, json=body, headers=sent["unit"])
        assert answer.status_code in (200, 201) and answer.json()["status"] == "requested"
        one = told(watch.new()[0])
        assert (one.name, one.patient, one.by) == ("receipt", f"Patient/{ids(stage, 'Patient')[0]}", "Organization/asso-coursiers"), path
