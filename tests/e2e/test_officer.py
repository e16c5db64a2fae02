"""What an officer, a judge and a person may ask of the trail: `liaison audit`, `person` and `dpo`, on a store on disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from adapter.audit import REASONS
from adapter.audit.told import told
from adapter.cli.refusing import said
from adapter.ports import Query
from tests.e2e.desk import VIEW, Desk
from tests.e2e.stage import CALL, CARSAT, COURSIER, GP

NAME = "Zyxdurand, Jeannezyx, 1938-02-03\n"


def events_of(desk: Desk) -> list[Any]:
    rows = desk.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    return [told(json.loads(row.event)) for row in rows if row.event]


# ── audit verify ─────────────────────────────────────────────────────────────────────────────────
COPY = "INSERT INTO audit SELECT {0}, event, digest, salt, sealed, person, erased FROM audit WHERE seq = {1}"
ATTACKS: dict[str, tuple[list[str], int, str]] = {
    "changed": (["UPDATE audit SET event = replace(event, '\"outcome\":\"0\"', '\"outcome\":\"8\"') WHERE seq = 9"], 9, "changed"),
    "removed": (["DELETE FROM audit WHERE seq = 7"], 7, "removed"),
    "inserted": (["UPDATE audit SET seq = -seq - 1 WHERE seq > 8", "UPDATE audit SET seq = -seq WHERE seq < 0", "INSERT INTO audit VALUES (9, x'7b7d', 'aa', x'bb', 'cc', '', 0)"], 9, "inserted"),
    "forked": (["DELETE FROM audit WHERE seq = 9", COPY.format(9, 3)], 9, "forked"),
    "swapped": (["UPDATE audit SET seq = -5 WHERE seq = 5", "UPDATE audit SET seq = 5 WHERE seq = 6", "UPDATE audit SET seq = 6 WHERE seq = -5"], 5, "swapped"),
    "truncated": (["DELETE FROM audit WHERE seq > 10"], 11, "truncated"),
    "all gone": (["DELETE FROM audit"], 1, "truncated"),
    "digest": (["UPDATE audit SET digest = 'x' WHERE seq = 4"], 4, "changed"),
    "emptied": (["UPDATE audit SET event = x'', salt = x'' WHERE seq = 4"], 4, "erased"),
    "no bytes at all": (["UPDATE audit SET event = NULL WHERE seq = 4"], 4, "changed"),
    "misfiled": (["UPDATE audit SET person = 'x' WHERE person <> ''"], 0, "misfiled"),
    "before the first": ([COPY.format(0, 3)], 0, "inserted"),
    "below nothing": ([COPY.format(-5, 3)], -5, "inserted"),
    "called erased": (["UPDATE audit SET erased = seq + 1 WHERE seq = 4"], 4, "changed"),
    "beyond the head": (["UPDATE audit_head SET seq = seq - 1, digest = (SELECT digest FROM audit WHERE seq = audit_head.seq - 1)"], 0, "inserted"),
}  # fmt: skip


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_verify_names_the_row_of_every_attack_and_ends_1_U_10(desk: Desk, attack: str) -> None:
    desk.stage.sent()
    desk.stage.cards(COURSIER, VIEW)
    assert desk.run("audit", "verify").exit_code == 0
    statements, row, reason = ATTACKS[attack]
    if attack == "no bytes at all":
        desk.tamper("CREATE TABLE loose AS SELECT * FROM audit", "DROP TABLE audit", "ALTER TABLE loose RENAME TO audit")
    desk.tamper(*statements)
    result = desk.run("audit", "verify")
    assert result.exit_code == 1 and reason in REASONS
    assert f"{reason}, " in result.stdout and (not row or f"BROKEN at row {row}:" in result.stdout), result.stdout


def test_cut_end_and_restored_backup_show_by_a_signed_checkpoint_U_10(desk: Desk) -> None:
    desk.stage.sent()
    desk.run("audit", "key")
    with sqlite3.connect(desk.database) as before:
        count = before.execute("SELECT seq FROM audit_head").fetchone()[0]
    desk.stage.cards(COURSIER, VIEW)
    assert desk.run("audit", "checkpoint").exit_code == 0
    assert desk.run("audit", "verify").exit_code == 0
    cut = ["DELETE FROM audit WHERE seq > {0}", "UPDATE audit_head SET seq = {0}, digest = (SELECT digest FROM audit WHERE seq = {0})"]
    desk.tamper(*(each.format(count) for each in cut))
    result = desk.run("audit", "verify")
    assert result.exit_code == 1 and f"BROKEN at row {count + 1}: truncated" in result.stdout
    (desk.folder / "points").unlink()
    assert desk.run("audit", "verify").exit_code == 0  # which is why the file is kept elsewhere


def test_checkpoint_file_holds_only_what_the_key_signed(desk: Desk) -> None:
    desk.stage.sent()
    for words in (["audit", "key"], ["audit", "checkpoint"], ["audit", "checkpoint"]):
        assert desk.run(*words).exit_code == 0
    file = desk.folder / "points"
    lines = file.read_text().splitlines()
    header, payload, signature = lines[1].split(".")
    file.write_text("\n".join([lines[0], f"{header}.{payload[:-2]}xx.{signature}"]) + "\n")
    result = desk.run("audit", "verify")
    assert result.exit_code == 1 and "line 2 was not signed" in result.stdout
    assert desk.run("audit", "checkpoint").exit_code == 1 and len(file.read_text().splitlines()) == 2
    assert (desk.folder / "check.key").stat().st_mode & 0o077 == 0


# ── audit export, audit search ───────────────────────────────────────────────────────────────────
def test_export_is_ndjson_of_one_person_and_period_and_is_itself_an_event_U_17(desk: Desk) -> None:
    desk.stage.sent()
    desk.stage.sent(id="appel-2", personne=OTHER)
    desk.stage.clock.tick(timedelta(days=2))
    one = next(each for each in desk.stage.cards(COURSIER, VIEW) if each.card["person"]["family_name"] == "Zyxdurand")
    lines = [json.loads(each) for each in desk.run("audit", "export", "--person", one.card["reference"]).stdout.splitlines()]
    about = {told(each["event"]).patient for each in lines}
    assert len(about) == 1 and len(lines) > 5 and {"seq", "digest", "salt", "sealed", "event"} <= set(lines[0])
    later = desk.run("audit", "export", "--person", one.card["reference"], "--from", "2026-03-08").stdout.splitlines()
    assert 0 < len(later) < len(lines)
    earlier = [json.loads(each) for each in desk.run("audit", "export", "--to", "2026-03-08").stdout.splitlines()]
    assert earlier and all(each["event"]["recorded"] < "2026-03-08" for each in earlier)
    assert [each.name for each in events_of(desk)].count("audit-export") == 3


OTHER = {"nom": "Zyxautre", "prenom": "Paulzyx", "naissance": "1950-05-06", "sexe": "M"}


def test_search_finds_by_who_what_and_refusal(desk: Desk) -> None:
    desk.stage.sent()
    card = desk.stage.cards(COURSIER, VIEW)[0]
    desk.stage.see(CARSAT, VIEW, card.id)
    shown = desk.run("audit", "search", "--what", "disclose", "--by", "asso-coursiers", "--json").stdout.splitlines()
    assert len(shown) == 2, "the line of the list, then the card"
    assert all(json.loads(each)["rule"] == "S1" and json.loads(each)["consents"].startswith("Consent/") for each in shown)
    refused = desk.run("audit", "search", "--refused", "--json").stdout.splitlines()
    assert refused and all(json.loads(each)["outcome"].startswith("refused") for each in refused)
    assert desk.run("audit", "search", "--by", "nobody").exit_code == 1
    custody = desk.run("audit", "search", "--what", "disclose", "--by", "msp-saint-eloi")
    assert custody.exit_code == 1, "whose patient it is asked nothing and was shown nothing"
    assert "Zyx" not in desk.run("audit", "search").stdout


LOOKS = {
    "audit-export": ["audit", "export"], "audit-search": ["audit", "search"], "register-asked": ["person", "why", "REF"], "dpo-report": ["dpo", "report"],
}  # fmt: skip


@pytest.mark.parametrize("act", LOOKS)
def test_each_look_into_the_trail_is_one_event_of_who_looked_U_17(desk: Desk, act: str) -> None:
    desk.stage.sent()
    reference = desk.reference()
    before = len(events_of(desk))
    assert desk.run(*(reference if word == "REF" else word for word in LOOKS[act])).exit_code == 0
    (one,) = events_of(desk)[before:]
    assert one.name == act and one.ok and one.by == "Organization/liaison"
    rows = desk.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    client = json.loads(rows[-1].event)["agent"][0]["who"]["identifier"]["value"]
    assert client.startswith("liaison-cli")  # the account that sat at the terminal


def test_what_a_look_gives_has_no_content_and_only_what_was_asked_U_17(desk: Desk) -> None:
    """References and codes: no name, no need, no word, no searched value; of the person asked for and nobody else."""
    desk.stage.sent()
    desk.stage.sent(id="appel-2", personne=OTHER)
    desk.stage.push()
    from adapter.fhir import query

    desk.stage.app.write_now(lambda story, uow: story.search(uow, GP, query("Patient", [("family", "Zyxdurand")]), request_id="r-1"))
    one = next(each for each in desk.stage.cards(COURSIER, VIEW) if each.card["person"]["family_name"] == "Zyxdurand")
    reference = str(one.card["reference"])
    said_by = {act: desk.run(*(reference if word == "REF" else word for word in words)).stdout for act, words in LOOKS.items()}
    said_by["one person"] = desk.run("audit", "search", "--person", reference, "--json").stdout
    for act, text in said_by.items():
        for token in ("Zyx", "1938-02-03", "39980001", "denutrition", "énutrition", "isolement", "76100", "ne mange plus"):
            assert token not in text, (act, token)
    shown = {json.loads(each)["seq"] for each in said_by["one person"].splitlines()}
    own = {json.loads(each)["seq"]: told(json.loads(each)["event"]).patient for each in said_by["audit-export"].splitlines() if json.loads(each)["event"]}
    assert shown and len({own[seq] for seq in shown if seq in own}) == 1


def test_look_into_the_trail_that_cannot_be_recorded_shows_nothing_U_08(desk: Desk) -> None:
    desk.stage.sent()
    with mock.patch("adapter.store.writer.seal_events", side_effect=OSError("no space left")):
        for words in (["audit", "export"], ["audit", "search"], ["dpo", "report"], ["person", "why", desk_reference(desk)]):
            result = desk.run(*words)
            assert result.exception is not None and result.stdout == ""


def desk_reference(desk: Desk) -> str:
    found = desk.stage.app.read_now(lambda _, uow: uow.search(Query("Patient")))
    return found[0].reference


# ── how a person is named ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("word", ["Zyxdurand", "Jeannezyx Zyxdurand", "Zyxdurand, Jeannezyx"])
def test_name_on_the_command_line_is_refused_and_not_repeated(desk: Desk, word: str) -> None:
    result = desk.run("person", "why", word)
    text, code = said(result.exception or ValueError())
    assert code == 2 and "history" in text and "Zyx" not in text


def test_person_is_named_by_reference_id_prompt_or_standard_input(desk: Desk) -> None:
    desk.stage.sent()
    spoken = desk.reference()
    ways = [desk.run("person", "why", spoken), desk.run("person", "why", spoken.lower().replace("-", "")), desk.run("person", "why", desk_reference(desk)),
            desk.run("person", "why", "-", typed=NAME), desk.run("person", "why", typed=NAME)]  # fmt: skip
    assert all(each.exit_code == 0 for each in ways)
    assert len({each.stdout.partition("Patient/")[2].split()[0] for each in ways}) == 1
    assert not any("Zyx" in str(each) for each in events_of(desk))


# ── person why ───────────────────────────────────────────────────────────────────────────────────
def test_why_tells_who_saw_what_when_on_which_consent_and_rule_in_both_languages_U_13(desk: Desk) -> None:
    desk.stage.sent()
    reference = desk.reference()
    desk.stage.cards(COURSIER, VIEW)
    desk.stage.push()
    french = desk.run("person", "why", reference).stdout
    listed, line = [each for each in french.splitlines() if "Coursiers sanitaires et sociaux de Rouen" in each]
    assert "vos nom" not in listed and "le besoin, sous un libellé neutre" in listed
    for words in ("Le 06/03/2026 à 18:50", "Léa Fictive", "vos nom et coordonnées", "le besoin, sous un libellé neutre", "2 fois ce jour", "votre accompagnement", "accord du 2026-03-06", "version 2", "[S1, coursier-dac-asso|"):
        assert words in line, words
    assert "date de naissance" not in line and "CNIL" in french
    assert "le dossier informatique de Maison de santé" in french
    english = desk.run("person", "why", reference, "--lang", "en", "--json").stdout
    told_lines = json.loads(english)["lines"]
    assert any(each["to"] == "Organization/asso-coursiers" and each["times"] == 2 and "your name and contact details" in each["said"] for each in told_lines)
    assert "denutrition" not in french + english and "énutrition" not in french + english


# ── person erase ─────────────────────────────────────────────────────────────────────────────────
def erased(desk: Desk) -> tuple[str, Any]:
    desk.stage.sent()
    reference = desk.reference()
    desk.stage.push()
    desk.run("dpo", "key", str(desk.folder / "officer.key"))
    patient = desk_reference(desk)
    first = desk.run("person", "erase", reference, "--yes")
    assert first.exit_code == 1 and "letters to an EHR wait" in first.stdout and "Zyxdurand" in stored(desk)
    desk.stage.push()
    second = desk.run("person", "erase", patient, "--yes", "--json")
    assert second.exit_code == 0, said(second.exception or ValueError())
    return patient, json.loads(second.stdout)


def stored(desk: Desk) -> str:
    """Every content that a reader of the tables finds."""
    with sqlite3.connect(desk.database) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    return "\n".join(each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for row in rows for each in row)


def test_erase_follows_the_order_and_leaves_nothing_of_the_person_U_14(desk: Desk) -> None:
    patient, told_of = erased(desk)
    text = stored(desk)
    for token in ("Zyxdurand", "Zyxexemple", "Zyxmots", "Jeannezyx", "1938-02-03", "39980001", "http://snomed.info/sct"):
        assert token not in text, token
    assert told_of["resources"]["Patient"] == 1 and told_of["lines"] > 0
    assert {status["status"] for status in desk.stage.ehr.all("Task")} == {"cancelled"}  # the EHR was told before
    result = desk.run("audit", "verify", "--json")
    assert json.loads(result.stdout)["ok"] and json.loads(result.stdout)["erased"] == told_of["events"]
    assert desk.run("person", "erase", patient, "--yes").exception is not None  # there is nobody any more


def test_erase_tells_recipients_and_lists_what_stays_with_reason_and_holder(desk: Desk) -> None:
    _, told_of = erased(desk)
    assert told_of["told"] and told_of["told"][0][0] == "coursier-rouen"
    notices = desk.stage.app.write_now(lambda story, uow: story.notices(uow, COURSIER, VIEW))
    assert [each["reference"] for each in notices] == [told_of["told"][0][1]] and "Zyx" not in json.dumps(notices)
    assert desk.stage.app.write_now(lambda story, uow: story.agreements.acknowledge(uow, COURSIER, VIEW, notices[0]["reference"]))
    assert desk.stage.app.write_now(lambda story, uow: story.notices(uow, COURSIER, VIEW))[0]["read"]
    assert all(each["reason"] and each["holder"] for each in told_of["left"])
    assert {each["holder"] for each in told_of["left"]} >= {"msp-saint-eloi", "data protection officer", "operator"}


def test_register_survives_erasure_under_the_officers_key_alone_U_14(desk: Desk) -> None:
    patient, told_of = erased(desk)
    closed = json.loads(desk.run("person", "why", patient, "--json").stdout)
    assert (closed["lines"], closed["sealed"]) == ([], told_of["lines"])
    found = json.loads(desk.run("person", "why", patient, "--officer-key", str(desk.folder / "officer.key"), "--json").stdout)
    assert found["sealed"] == 0
    line = next(each for each in found["lines"] if each["to"] == "Organization/asso-coursiers" and each["rule"] == "S1")
    assert line["view"].startswith("coursier-dac-asso|") and line["consents"] and line["agreed"] == ["2026-03-06"]


def test_erase_without_the_officers_key_changes_nothing(desk: Desk) -> None:
    desk.stage.sent()
    before = stored(desk)
    result = desk.run("person", "erase", desk_reference(desk), "--yes")
    assert said(result.exception or ValueError())[1] == 2 and stored(desk) == before


# ── dpo report ───────────────────────────────────────────────────────────────────────────────────
def reported(desk: Desk, *words: str) -> Any:
    return json.loads(desk.run("dpo", "report", "--json", *words).stdout)


def person(number: int) -> dict[str, Any]:
    return {"nom": f"Zyx{'abcdef'[number]}", "prenom": "Zyxa", "naissance": f"194{number}-02-03", "sexe": "F", "telephone": "+33639980001", "canal_sur": "oui"}


def test_report_hides_a_cell_under_five_and_has_no_margin_M_21(desk: Desk) -> None:
    for number in range(5):
        desk.stage.sent(id=f"appel-{number}", personne=person(number))
        desk.stage.cards(COURSIER, VIEW)
        row = next(each for each in reported(desk)["shown"] if each["recipient"] == "asso-coursiers")
        told_cells = {row["persons"], *row["classes"].values()}
        assert told_cells == ({"<5"} if number < 4 else {5})
        assert (row["beyond"] is None) == (number < 4) == (row["fields"] is None)
        assert not {"total", "times"} & set(row)
    assert {"D1", "D4", "D5"} <= set(row["classes"]) and row["beyond"] == 1.0


def test_report_lists_an_opposition_once(desk: Desk) -> None:
    desk.stage.sent()
    desk.stage.sent(id="appel-2", personne=person(1))
    references = []
    for against, place in (("recipient", 0), ("everyone", 1)):
        card = desk.stage.cards(GP, "prescripteur")[place]
        references.append(card.card["reference"])
        desk.stage.act(GP, "prescripteur", card, "oppose", against=against)
    assert sorted(each["reference"] for each in reported(desk)["withdrawals"]) == sorted(references)
    assert {each["act"] for each in reported(desk)["withdrawals"]} == {"opposition"}


def test_report_lists_urgency_owed_sheets_withdrawals_exceptions_and_what_was_dropped(desk: Desk) -> None:
    desk.stage.sent()
    desk.stage.sent(id="appel-2", personne=person(1), mots_du_medecin="Son numéro est 2 38 02 76 540 001 45, merci")
    dropped = reported(desk)["dropped"]
    desk.stage.clock.tick(timedelta(days=9))
    cards = desk.stage.cards(COURSIER, VIEW)
    told_late = desk.stage.clock.now() - timedelta(hours=3)
    desk.stage.act(COURSIER, VIEW, cards[0], "withdraw", heard_by="coursier-lea", at=told_late.isoformat())
    desk.stage.app.write_now(lambda story, uow: story.notices(uow, COURSIER, VIEW))
    found = reported(desk)
    assert [each["reference"] for each in found["oral"]] == [cards[1].card["reference"]] and found["oral"][0]["days"] == 9
    assert [(each["reference"], each["act"], each["delay_seconds"]) for each in found["withdrawals"]] == [(cards[0].card["reference"], "retrait", 3 * 3600.0)]
    assert found["exceptions"] == {"closing-notices": "<5"}
    assert {each["recipient"] for each in found["recipients"]} >= {"asso-coursiers", "saad-seine"}
    assert all(each["controller"] and each["legal_basis"] and each["secrecy"] for each in found["recipients"])
    assert dropped == found["dropped"]
    assert "Zyx" not in json.dumps(found) and "540 001" not in json.dumps(found)
    assert desk.run("dpo", "report").exit_code == 0


def test_report_lists_what_a_parent_agreed_to_for_who_has_come_of_age(desk: Desk) -> None:
    """It runs on (workflow.md 4 ends it with the care); the officer sees whom to ask, and no birth date."""
    minor = {"personne": CALL["personne"] | {"naissance": "2008-03-20"}}
    desk.stage.call(accord_medecin={"accord": "oui", "par": "coursier-lea", "comment": "telephone"}, **minor)
    heard = {"who": "patient", "agreed": True, "heard_by": "coursier-lea", "given_by": {"capacity": "autorite-parentale", "name": "Zyxparent"}}
    desk.stage.app.write_now(lambda story, uow: story.agree(uow, COURSIER, "appel-coursier", "appel-1", heard))
    desk.stage.sent(id="appel-2", personne=person(1))  # of age, agreed alone
    desk.stage.clock.set(datetime.fromisoformat("2026-03-19T23:59:59+01:00"))
    assert reported(desk)["of_age"] == []
    desk.stage.clock.tick(timedelta(seconds=1))
    (one,) = reported(desk)["of_age"]
    assert (one["unit"], one["since"]) == ("coursier-rouen", "2026-03") and f"{one['reference']}  coursier-rouen  of age since 2026-03" in desk.run("dpo", "report").stdout
    card = next(each for each in desk.stage.cards(GP, "prescripteur") if each.card["reference"] == one["reference"])
    desk.stage.act(GP, "prescripteur", card, "withdraw")
    assert reported(desk)["of_age"] == []


def test_report_is_of_the_period_asked_for(desk: Desk) -> None:
    desk.stage.sent()
    desk.stage.cards(COURSIER, VIEW)
    assert reported(desk, "--from", "2026-03-06")["shown"] and not reported(desk, "--from", "2026-03-08")["shown"]


# ── what every event says ────────────────────────────────────────────────────────────────────────
def test_every_look_cites_consent_version_view_and_rule_U_05_U_06(desk: Desk) -> None:
    desk.stage.sent()
    desk.stage.push()
    desk.stage.cards(COURSIER, VIEW)
    looks = [each for each in events_of(desk) if each.kind in ("decided", "disclosed")]
    assert {each.kind for each in looks} == {"decided", "disclosed"}
    for each in looks:
        assert each.patient.startswith("Patient/") and each.view and each.rule, each
        assert each.rule.startswith("basis:") or (each.consents and all("/_history/" in version for version in each.consents)), each
    assert all(each.classes for each in looks if each.kind == "disclosed")


def test_clinics_search_and_read_stand_under_each_patient_with_values_as_digests_U_04(desk: Desk) -> None:
    from adapter.fhir import query

    desk.stage.sent()
    desk.stage.sent(id="appel-2", personne=OTHER)
    ask: Callable[..., Any] = desk.stage.app.write_now
    ask(lambda story, uow: story.search(uow, GP, query("Task", [("status", "requested")]), request_id="r-1"))
    ask(lambda story, uow: story.search(uow, GP, query("Patient", [("family", "Zyxnobody")]), request_id="r-2"))
    own = desk_reference(desk)
    ask(lambda story, uow: story.read(uow, GP, *own.split("/"), request_id="r-3"))
    ask(lambda story, uow: story.read(uow, GP, "Patient", "Zyxnobody", request_id="r-4"))
    by = {name: [each for each in events_of(desk) if each.request_id == name] for name in ("r-1", "r-2", "r-3", "r-4")}
    assert len({each.patient for each in by["r-1"]}) == len(by["r-1"]) == 2 and all(each.rule == "basis:author" for each in by["r-1"])
    assert [(each.name, each.patient) for each in by["r-2"]] == [("search-type", "")]
    assert [(each.name, each.patient) for each in by["r-3"]] == [("read", own)]
    assert [(each.name, each.ok) for each in by["r-4"]] == [("read", False)]
    rows = desk.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    assert not any(b"Zyx" in row.event for row in rows)
