"""Scenarios of france.md 8 end to end: F3, a notice with a date, and F15, a child at risk."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from adapter.errors import Invalid, SettingsError
from adapter.mapping import RecordRefused, Terms
from adapter.network import parse
from tests.e2e.france import call, events, form, only, stored, there
from tests.e2e.places import MDS, settle
from tests.e2e.stage import ROOT, Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        settle(found)
        yield found


# ── F3: an eviction notice with a date ───────────────────────────────────────────────────────────
NOTICE = {"besoins": ["expulsion", "impayes-loyer"], "urgence": "normale", "echeance": "2026-03-17", "destinataire": "mds-rouen"}
LAST = "2026-03-18T00:00:00+01:00"  # the end of that day


def test_F3_date_of_the_notice_is_the_deadline_of_the_task(stage: Stage) -> None:
    call(stage, **NOTICE)
    assert only(stored(stage, "ServiceRequest"))["occurrencePeriod"] == {"end": "2026-03-17"}
    assert only(stored(stage, "Task"))["restriction"] == {"period": {"end": LAST}}
    assert only(stage.cards(MDS, "as-departement")).card["due"] == LAST
    there(stage)
    assert only(stage.ehr.all("Task"))["restriction"] == {"period": {"end": LAST}}


def test_F3_date_of_the_notice_stands_when_the_agreements_come_later(stage: Stage) -> None:
    stage.sent(**NOTICE)
    assert only(stored(stage, "Task"))["restriction"] == {"period": {"end": LAST}}


def test_F3_promise_of_the_unit_stands_where_the_notice_leaves_more_time(stage: Stage) -> None:
    call(stage, **NOTICE | {"urgence": "48h"})
    assert only(stored(stage, "Task"))["restriction"] == {"period": {"end": "2026-03-10T18:00:00+01:00"}}


def test_F3_date_that_had_passed_when_the_call_was_made_is_no_deadline(stage: Stage) -> None:
    call(stage, **NOTICE | {"urgence": "48h", "echeance": "1891-01-01"})
    assert only(stored(stage, "Task"))["restriction"] == {"period": {"end": "2026-03-10T18:00:00+01:00"}}


def test_F3_landlord_gets_nothing(stage: Stage) -> None:
    with pytest.raises(Invalid):
        call(stage, **NOTICE | {"destinataire": "bailleur"})
    assert stored(stage, "Task") == []
    organisation = "{key: logement, kind: service, name: Logement, category: bailleur, controller: x, legal_basis: x, secrecy_text: x}"
    with pytest.raises(SettingsError, match="a letter is handed to the person"):
        parse(f"version: 1\norganisations: [{organisation}]")


# ── F15: a child at risk ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("written", ["enfant-en-danger", "Enfant en danger", "information preoccupante"])
def test_F15_child_at_risk_is_told_where_to_go_and_nothing_is_kept(stage: Stage, written: str) -> None:
    before = len(events(stage))
    with pytest.raises(RecordRefused) as refused:
        call(stage, besoins=["isolement", written])
    assert [(each.path, "119" in each.text) for each in refused.value.problems] == [("besoins[1]", True)]
    assert all(stored(stage, type) == [] for type in ("Patient", "Task", "ServiceRequest", "Consent", "Provenance"))
    assert "Zyx" not in json.dumps(events(stage)[before:])
    with pytest.raises(RecordRefused) as refused:
        form(stage, motifs=[written])
    assert "119" in refused.value.problems[0].text


def test_F15_no_need_is_a_child_at_risk() -> None:
    codes = Terms.load(ROOT / "mappings" / "terms")["need"].terms
    assert not [code for code in codes if "enfant" in code and code != "garde-enfants"]
