"""What is read back from events: in short, as the register, as counts; keys and checkpoints; how a search is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.audit import Checkpoint, canonical, checkpoints, events, keys, register
from adapter.audit.officer import SMALL, Tally, cell
from adapter.audit.queries import cleaned, digest
from adapter.audit.reading import moment
from adapter.audit.register import Line, gathered, in_words, line
from adapter.audit.told import Told, told
from adapter.cli import naming
from adapter.errors import SettingsError
from adapter.ports import Clause, Decision, Principal, Query

AT = datetime(2026, 3, 6, 17, 50, tzinfo=UTC)
WHO = Principal("app", "asso", "coursier", "service", "lea")
CLINIC = Principal("ehr-app", "msp", None, "clinic", "dr")
CITED = ("Consent/c/_history/2",)


def shown(**more: Any) -> Told:
    given_: dict[str, Any] = {
        "patient": "Patient/p", "recipient": "Organization/asso", "view": "saad", "view_version": "3", "consents": CITED, "rule": "S1",
        "classes": ("D1", "D4"), "stage": "open", "custodian": "msp", "at": AT, "request_id": "r-1",
    } | more  # fmt: skip
    return told(json.loads(canonical(events.disclosed(WHO, ["Task/t/_history/3"], **given_))))


# ── in short ─────────────────────────────────────────────────────────────────────────────────────
def test_disclosure_in_short_keeps_all_that_the_register_tells() -> None:
    one = shown()
    assert (one.kind, one.name, one.ok, one.by, one.recipient, one.custodian) == ("disclosed", "disclose", True, "PractitionerRole/lea", "Organization/asso", "Organization/msp")
    assert (one.view, one.rule, one.classes, one.consents, one.what) == ("saad|3", "S1", ("D1", "D4"), CITED, ("Task/t/_history/3",))
    assert (one.patient, one.request_id, one.purposes, one.details["stage"]) == ("Patient/p", "r-1", ("TREAT",), "open")


def test_decision_search_and_act_in_short() -> None:
    deny = told(events.decided(WHO, Decision(False, "no-permit", "S13", CITED), patient="Patient/p", what="Task/t", view="saad", at=AT, request_id="r-2"))
    assert (deny.kind, deny.ok, deny.reason, deny.rule, deny.view, deny.consents, deny.client, deny.request_id) == ("decided", False, "no-permit", "S13", "saad", CITED, "app", "r-2")
    search = told(events.searched(CLINIC, "Task", found=["Task/t/_history/1"], query="a=b", patient="Patient/p", rule="basis:author", at=AT))
    assert (search.kind, search.name, search.rule, search.what, search.patient) == ("rest", "search-type", "basis:author", ("Task/t/_history/1",), "Patient/p")
    act = told(events.act(WHO, "resolve", what="Task/t", at=AT, details=[("choice", "ours")]))
    assert (act.kind, act.name, act.what, act.details) == ("act", "resolve", ("Task/t",), {"choice": "ours"})


# ── a search as it is kept ───────────────────────────────────────────────────────────────────────
def test_search_is_kept_with_its_parameters_and_no_value() -> None:
    query = Query("Patient", (Clause("family", "string", ("zyxdurand", "other"), identifying=True), Clause("status", "token", ("x",), "not")))
    kept = cleaned(query, b"k" * 32)
    assert kept == f"family={digest('family', 'zyxdurand', b'k' * 32)},{digest('family', 'other', b'k' * 32)}&status:not={digest('status', 'x', b'k' * 32)}"
    assert "zyx" not in kept and cleaned(query, b"l" * 32) != kept
    assert digest("family", "x", b"k") != digest("given", "x", b"k")


@given(st.text(), st.text())
def test_two_values_have_one_digest_only_when_they_are_one(one: str, other: str) -> None:
    assert (digest("p", one, b"k") == digest("p", other, b"k")) == (one == other)


# ── the register ─────────────────────────────────────────────────────────────────────────────────
def test_register_has_a_line_for_what_was_shown_and_for_nothing_else() -> None:
    assert line(7, shown()) == Line(7, "2026-03-06T17:50:00.000000Z", "Organization/asso", "PractitionerRole/lea", "saad|3", "S1", ("D1", "D4"), CITED, (), ("TREAT",), "open")
    deny = Decision(False, "no-permit", "S1")
    for event in (
        events.decided(WHO, deny, patient="Patient/p", at=AT), events.denied(WHO, "Task", reason="absent", patient="Patient/p", at=AT),
        events.act(WHO, "resolve", at=AT), events.searched(CLINIC, "Organization", rule="directory", at=AT),
    ):  # fmt: skip
        assert line(1, told(event)) is None
    own = line(2, told(events.access(CLINIC, "Task/t/_history/1", patient="Patient/p", rule="basis:author", at=AT)))
    assert own is not None and own.to == "PractitionerRole/dr"


def test_register_line_survives_being_sealed() -> None:
    one = line(7, shown())
    assert one is not None and Line.loads(replace(one, agreed=("2026-03-06",)).dumps()) == replace(one, agreed=("2026-03-06",))


def test_repeats_of_a_day_are_one_line_that_says_how_often() -> None:
    one = line(1, shown())
    other, later = line(2, shown(classes=("D1",))), line(3, shown(at=AT + timedelta(days=1)))
    assert one and other and later
    assert [(each.seq, each.times) for each in gathered([one, one, other, later, one])] == [(1, 3), (2, 1), (3, 1)]


@pytest.mark.parametrize(("lang", "words"), [
    ("fr", ["Le 06/03/2026 à 18:50", "Asso (Léa) a vu : vos nom et coordonnées, le besoin", "accord du 2026-03-06", "c version 2", "[S1, saad|3]"]),
    ("en", ["On 2026-03-06 at 18:50", "Asso (Léa) saw: your name and contact details, the need", "given on 2026-03-06", "c version 2", "[S1, saad|3]"]),
])  # fmt: skip
def test_line_in_words_says_who_what_when_on_which_consent_and_rule_U_13(lang: str, words: list[str]) -> None:
    one = line(7, shown())
    assert one is not None
    names = {"Organization/asso": "Asso", "PractitionerRole/lea": "Léa"}
    said = in_words(replace(one, agreed=("2026-03-06",)), name=lambda reference: names[reference], lang=lang, zone="Europe/Paris")
    assert all(word in said for word in words), said


@pytest.mark.parametrize(("lang", "words"), [
    ("fr", "Dominique Modèle a vu : le dossier que le cabinet a écrit sur vous."), ("en", "Dominique Modèle saw: the file that the practice wrote about you."),
])  # fmt: skip
def test_what_a_practice_reads_of_its_own_is_the_file_of_the_person_who_asks(lang: str, words: str) -> None:
    """Not the reader's: "his own file" would tell somebody that another person's was meant."""
    one = line(2, told(events.access(CLINIC, "Task/t/_history/1", patient="Patient/p", rule="basis:author", at=AT)))
    assert one and words in in_words(one, name=lambda _: "Dominique Modèle", lang=lang, zone="Europe/Paris")


@pytest.mark.parametrize("rule", [*register.RULES, "S16", "P7", "another"])
def test_every_rule_and_stage_has_words_in_both_languages(rule: str) -> None:
    for stage in ("offer", "open", "closed", ""):
        one = line(7, shown(rule=rule, stage=stage))
        assert one and all(in_words(one, name=str, lang=lang, zone="UTC") for lang in register.EVERY)


# ── counts ───────────────────────────────────────────────────────────────────────────────────────
@given(st.integers(0, 100))
def test_cell_under_five_is_never_a_number_M_21(persons: int) -> None:
    assert cell(persons) == (persons if persons >= SMALL or not persons else "<5")


def test_cell_counts_persons_not_looks_M_21() -> None:
    tally = Tally()
    for number in range(40):
        tally.feed(f"person {number % 4}", shown())
    (row,) = tally.shown()
    assert (row["persons"], row["classes"], row["beyond"]) == ("<5", {"D1": "<5", "D4": "<5"}, None)
    tally.feed("person 4", shown(classes=("D4",)))
    (row,) = tally.shown()
    assert (row["persons"], row["classes"]) == (5, {"D1": "<5", "D4": 5})
    assert row["beyond"] == round(40 / 41, 2) and row["fields"] == round(40 / 41, 2)


def test_a_house_is_one_recipient_by_its_key_its_people_and_its_ehr() -> None:
    tally = Tally()
    for recipient in ("Organization/msp", "msp"):
        tally.feed("person", replace(shown(), recipient=recipient))
    assert [row["recipient"] for row in tally.shown()] == ["msp"]


def test_what_was_dropped_is_counted_by_its_path() -> None:
    tally = Tally()
    for paths in ("personne.nir,mots", "personne.nir"):
        tally.feed("", told(events.act(WHO, "intake-dropped", at=AT, details=[("mapping", "fiche"), ("paths", paths)])))
    assert tally.dropped == {("fiche", "personne.nir"): 2, ("fiche", "mots"): 1}


# ── keys, checkpoints ────────────────────────────────────────────────────────────────────────────
def test_only_the_officers_private_key_opens_what_was_sealed(tmp_path: Path) -> None:
    public, other = keys.make(tmp_path / "a", keys.SEALING), keys.make(tmp_path / "b", keys.SEALING)
    sealed = keys.seal_for(b"line", keys.load(public, keys.SEALING, fix=""))
    assert b"line" not in sealed
    assert keys.opened(sealed, keys.load(tmp_path / "a", keys.SEALING, fix="")) == b"line"
    assert keys.opened(sealed, keys.load(tmp_path / "b", keys.SEALING, fix="")) is None
    assert other != public and (tmp_path / "a").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("written", [b"", b"no json", b"{}", b'{"kty": "oct", "k": "AA"}', b"[1]"])
def test_key_that_is_none_is_refused_with_how_to_mend(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "key").write_bytes(written)
    with pytest.raises(SettingsError) as refused:
        keys.load(tmp_path / "key", keys.SIGNING, fix="mend it")
    assert refused.value.fix == "mend it"


def test_key_of_the_other_kind_and_a_second_key_of_that_name_are_refused(tmp_path: Path) -> None:
    keys.make(tmp_path / "key", keys.SIGNING)
    with pytest.raises(SettingsError):
        keys.load(tmp_path / "key", keys.SEALING, fix="")
    with pytest.raises(SettingsError):
        keys.make(tmp_path / "key", keys.SIGNING)
    with pytest.raises(SettingsError):
        keys.sign(b"x", keys.load(tmp_path / "key.pub", keys.SIGNING, fix=""))


def test_checkpoints_come_back_as_signed_and_a_forged_or_backward_line_is_named(tmp_path: Path) -> None:
    keys.make(tmp_path / "key", keys.SIGNING)
    keys.make(tmp_path / "forged", keys.SIGNING)
    mine, theirs = (keys.load(tmp_path / name, keys.SIGNING, fix="") for name in ("key", "forged"))
    file = tmp_path / "points"
    for count in (3, 9):
        checkpoints.append(file, Checkpoint(count, f"{count:064x}"), mine, AT)
    assert checkpoints.read(file, mine) == checkpoints.Kept((Checkpoint(3, f"{3:064x}"), Checkpoint(9, f"{9:064x}")))
    good = file.read_text()
    checkpoints.append(file, Checkpoint(12, "0" * 64), theirs, AT)
    assert checkpoints.read(file, mine).bad == 3
    file.write_text(good)
    checkpoints.append(file, Checkpoint(5, "0" * 64), mine, AT)
    assert checkpoints.read(file, mine).bad == 3


# ── times, names ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("text", "found"), [
    ("", ""), ("2026-03-06", "2026-03-05T23:00:00.000000Z"), ("2026-03-06T18:50:00+01:00", "2026-03-06T17:50:00.000000Z"),
])  # fmt: skip
def test_moment_is_written_as_events_are(text: str, found: str) -> None:
    assert moment(text, "Europe/Paris", "--from") == found


def test_moment_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError):
        moment("yesterday", "UTC", "--from")


@pytest.mark.parametrize(("argument", "found"), [
    ("Patient/ebe21368-98c7", "Patient/ebe21368-98c7"), ("Patient/abc-123", "Patient/abc-123"), ("Task/a", "Task/a"), ("Task/12345678", "Task/12345678"), ("ebe21368-98c7", "Patient/ebe21368-98c7"),
])  # fmt: skip
def test_reference_is_told_from_a_name(argument: str, found: str) -> None:
    assert naming.said(argument) == ("reference", found)


@pytest.mark.parametrize("argument", ["Patient/", "Patient/abc_123", "Practitioner/abc-123", "Task/" + "a" * 65, "Patient/a/b"])
def test_reference_that_is_none_is_refused_without_a_word_of_names(argument: str) -> None:
    with pytest.raises(SettingsError, match=r"expected Patient/ID, Task/ID or ServiceRequest/ID") as refused:
        naming.said(argument)
    assert "history" not in str(refused.value) and "spoken reference" in refused.value.fix


@pytest.mark.parametrize("argument", ["Durand", "Durand-Exemple", "Jeanne Durand", "DURAND, JEANNE", "O'Neil", "DURAND/JEANNE"])
def test_anything_like_a_name_is_refused(argument: str) -> None:
    with pytest.raises(SettingsError) as refused:
        naming.said(argument)
    assert argument not in str(refused.value)
