"""How long things are kept (U-15 of security.md 4.4): the log loses its content at its age, the register outlives it under the
officer's key, both are audited, and the chain verifies all along."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from adapter import retaining
from adapter.audit.erasures import proves
from adapter.audit.told import told
from adapter.cli.refusing import said
from adapter.errors import Conflict, SettingsError
from adapter.retaining import Periods, Purged, Retention
from adapter.settings import load_settings
from adapter.store import upgrade
from tests.e2e.desk import VIEW, Desk
from tests.e2e.serving import until
from tests.e2e.stage import COURSIER, staged
from tests.e2e.test_officer import desk_reference, erased, person

YEAR, LIMITATION, INSTANT = timedelta(days=365), timedelta(days=2192), timedelta(microseconds=1)
OLD = YEAR + INSTANT


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        made = Desk(stage, tmp_path)
        made.run("dpo", "key", str(tmp_path / "officer.key"))
        yield made


def shown(desk: Desk) -> None:
    """One referral, seen by its recipient, in the EHR."""
    desk.stage.sent()
    desk.stage.cards(COURSIER, VIEW)
    desk.stage.push()


def told_to(desk: Desk, patient: str) -> list[dict[str, Any]]:
    """The register as the person hears it, from the officer."""
    found = desk.run("person", "why", patient, "--officer-key", str(desk.folder / "officer.key"), "--json")
    assert found.exit_code == 0, found.exception
    return list(json.loads(found.stdout)["lines"])


def trail(desk: Desk) -> list[dict[str, Any]]:
    rows = desk.stage.app.read_now(lambda _, uow: uow.audit_rows(limit=100_000))
    return [json.loads(row.event) for row in rows if row.event]


def verified(desk: Desk) -> dict[str, Any]:
    return dict(json.loads(desk.run("audit", "verify", "--json").stdout))


def purged(desk: Desk, *words: str) -> dict[str, int]:
    result = desk.run("audit", "purge", "--json", *words)
    assert result.exit_code == 0, said(result.exception or ValueError())
    return dict(json.loads(result.stdout))


def test_log_goes_at_its_age_and_the_register_stays_under_the_officers_key_U_15(desk: Desk) -> None:
    shown(desk)
    patient = desk_reference(desk)
    before, links = told_to(desk, patient), verified(desk)["count"]
    desk.stage.clock.tick(YEAR)
    assert purged(desk) == {"events": 0, "lines": 0, "shredded": 0, "more": False}  # the very instant still counts

    desk.stage.clock.tick(INSTANT)
    told_of = purged(desk)
    assert told_of["events"] > 20 and 0 < told_of["lines"] < told_of["events"]
    with closing(sqlite3.connect(desk.database)) as connection:
        old = connection.execute("SELECT event, salt, person FROM audit WHERE seq <= ?", (links,)).fetchall()
        kept = connection.execute("SELECT line FROM register").fetchall()
    assert len(old) == links and set(old) == {(b"", b"", "")}  # without content, and nobody's
    assert len(kept) == told_of["lines"] and not any(b"Patient/" in line or b"asso-coursiers" in line for (line,) in kept)
    assert told_to(desk, patient) == before  # all that was told is told still, to who has the officer's key
    closed = json.loads(desk.run("person", "why", patient, "--json").stdout)
    assert (closed["lines"], closed["sealed"]) == ([], told_of["lines"])
    found = verified(desk)
    assert found["ok"] and found["erased"] == told_of["events"] and found["count"] > links


def test_purge_is_itself_an_event_that_stays_U_15(desk: Desk) -> None:
    shown(desk)
    desk.stage.clock.tick(OLD)
    first = purged(desk)
    (act,) = (told(each) for each in trail(desk) if proves(each))
    assert (act.name, act.details["lines"], act.details["before"]) == ("audit-purge", str(first["lines"]), "2026-03-06T17:50:00.000Z")
    assert act.details["links"] == f"1-{first['events']}" and act.by == "Organization/liaison" and not act.patient
    desk.stage.cards(COURSIER, VIEW)
    desk.stage.clock.tick(OLD)
    assert purged(desk)["events"] > 0  # of the year between, but not the act
    assert [told(each).name for each in trail(desk) if proves(each)] == ["audit-purge", "audit-purge"]
    assert verified(desk)["ok"]


def test_register_is_shredded_at_the_end_of_the_limitation_period_U_15(desk: Desk) -> None:
    shown(desk)
    patient = desk_reference(desk)
    desk.stage.clock.tick(OLD)
    lines = purged(desk)["lines"]
    desk.stage.clock.tick(LIMITATION - OLD)
    assert purged(desk)["shredded"] == 0  # the very instant still counts
    desk.stage.clock.tick(INSTANT)
    assert purged(desk)["shredded"] == lines
    assert told_to(desk, patient) == []
    acts = [told(each) for each in trail(desk) if told(each).name == "register-shred"]
    assert [act.details["lines"] for act in acts] == [str(lines)] and verified(desk)["ok"]


def test_register_of_many_years_names_every_recipient_and_repeat_U_13_U_15(desk: Desk) -> None:
    """Three years of looks, two of them purged from the log: one register, in order, in the person's language."""
    desk.stage.sent()
    patient = desk_reference(desk)
    for _ in range(3):
        for _ in range(3):
            desk.stage.cards(COURSIER, VIEW)
        desk.stage.clock.tick(OLD)
        purged(desk)
    lines = told_to(desk, patient)
    looks = [each for each in lines if each["to"] == "Organization/asso-coursiers"]
    days = ("2026-03-06", "2027-03-06", "2028-03-05")
    assert sorted((each["at"][:10], each["times"]) for each in looks) == [(day, 3) for day in days for _ in ("list", "card")]
    assert all(each["to_name"].startswith("Coursiers sanitaires et sociaux de Rouen") and each["by_name"] == "Léa Fictive" for each in looks)
    assert all(each["to_name"] in each["said"] and "3 fois ce jour" in each["said"] for each in looks)
    assert [each["at"] for each in lines] == sorted(each["at"] for each in lines)


def test_erasure_stays_proved_when_its_own_act_is_past_its_age_U_14_U_15(desk: Desk) -> None:
    (desk.folder / "officer.key").unlink()
    (desk.folder / "officer.key.pub").unlink()
    patient, gone = erased(desk)
    desk.stage.clock.tick(2 * YEAR)
    purged(desk)
    found = verified(desk)
    assert found["ok"] and found["erased"] > gone["events"]
    assert "audit-erase" in [told(each).name for each in trail(desk)]
    assert any(each["to"] == "Organization/asso-coursiers" for each in told_to(desk, patient))


def test_nothing_is_purged_without_the_officers_key_U_15(desk: Desk) -> None:
    """The register would be lost with it."""
    shown(desk)
    desk.stage.clock.tick(OLD)
    (desk.folder / "officer.key.pub").unlink()
    before = trail(desk)
    result = desk.run("audit", "purge")
    text, code = said(result.exception or ValueError())
    assert code == 2 and "liaison dpo key" in text
    assert trail(desk) == before


@pytest.mark.parametrize("tampered", [
    "UPDATE audit SET event = replace(event, '\"outcome\":\"0\"', '\"outcome\":\"8\"') WHERE seq = 9",
    "UPDATE audit SET event = x'7b7d' WHERE seq = 9", "DELETE FROM audit WHERE seq = 9",
])  # fmt: skip
def test_what_does_not_verify_is_not_purged_U_10_U_15(desk: Desk, tampered: str) -> None:
    """A purge would take away what shows it."""
    shown(desk)
    desk.stage.clock.tick(OLD)
    desk.tamper(tampered)
    before = trail(desk)
    result = desk.run("audit", "purge")
    assert isinstance(result.exception, Conflict) and "broken at row" in str(result.exception)
    assert trail(desk) == before and not verified(desk)["ok"]


def retention(desk: Desk, holder: str = "one") -> Retention:
    app = desk.stage.app
    return Retention(app.store, app.clock, Periods(YEAR, LIMITATION), desk.folder / "officer.key.pub", holder)


def test_run_takes_a_bounded_number_and_the_next_goes_on_U_15(desk: Desk) -> None:
    shown(desk)
    desk.stage.clock.tick(OLD)
    with mock.patch.object(retaining, "BATCH", 4), mock.patch.object(retaining, "MOST", 3):
        one = retention(desk).run()
        assert (one.events, one.more) == (12, True)
        while one.more:
            one = retention(desk).run()
    acts = [told(each) for each in trail(desk) if proves(each)]
    assert [act.details["links"] for act in acts[:3]] == ["1-4", "5-8", "9-12"] and verified(desk)["ok"]
    assert retention(desk).run() == Purged()


def test_one_process_purges_at_a_time_U_15(desk: Desk) -> None:
    shown(desk)
    desk.stage.clock.tick(OLD)
    until_then = desk.stage.clock.now() + timedelta(minutes=1)
    assert desk.stage.app.write_now(lambda _, uow: uow.lease(retaining.LEASE, holder="other", until=until_then))
    assert retention(desk).run() == Purged()
    desk.stage.clock.tick(timedelta(minutes=2))
    assert retention(desk).run().events > 0


def test_jobs_purge_by_themselves_U_15(desk: Desk) -> None:
    shown(desk)
    desk.stage.clock.tick(OLD)
    failures: list[str] = []
    wiring = replace(desk.stage.app.wiring, retention=retention(desk), pulls={}, presences={})
    jobs = wiring.jobs(link=lambda ehr: None, failed=lambda code, error: failures.append(code))
    jobs.start()
    try:
        until(lambda: any(proves(each) for each in trail(desk)), "the job purges")
    finally:
        jobs.stop()
    (act, *_) = (each for each in trail(desk) if proves(each))
    assert not failures and act["agent"][0]["who"]["identifier"]["value"] == "liaison"


def test_report_and_person_beside_the_purged_keep_theirs(desk: Desk) -> None:
    """What is younger than the age is not touched."""
    shown(desk)
    desk.stage.clock.tick(YEAR - timedelta(days=1))
    desk.stage.sent(id="appel-2", personne=person(1))
    desk.stage.cards(COURSIER, VIEW)
    young = len(trail(desk))
    desk.stage.clock.tick(timedelta(days=2))
    gone = purged(desk)["events"]
    left = [each for each in trail(desk) if not proves(each)]
    assert len(left) == young - gone and all(each["recorded"] >= "2026-03-07" for each in left)


@pytest.mark.parametrize(("variable", "value"), [("SECURITY_LOG_KEPT", "179d"), ("SECURITY_LOG_KEPT", "1097d"), ("REGISTER_KEPT", "1095d")])
def test_period_outside_what_the_law_leaves_is_refused_U_15(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings({f"LIAISON_{variable}": value})
    assert f"LIAISON_{variable}" in str(refused.value)


def test_periods_are_a_year_and_six_by_default_U_15() -> None:
    settings = load_settings({})
    assert (settings.security_log_kept, settings.register_kept) == (YEAR, LIMITATION)
    assert datetime(2026, 3, 6) + LIMITATION >= datetime(2032, 3, 6)


def test_tokens_and_names_that_are_past_their_time_go_with_every_look_even_without_the_officers_key(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'liaison.db'}"
    upgrade(url)
    with staged(url) as stage:
        desk = Desk(stage, tmp_path)

        def fill(_: Any, uow: Any) -> None:
            uow.save_token("digest", b"p", uow.at + timedelta(minutes=5))
            uow.once("jti/1", uow.at + timedelta(minutes=5))

        def left() -> list[int]:
            with closing(sqlite3.connect(desk.database)) as connection:
                return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("token", "once")]

        stage.app.write_now(fill)
        retention(desk).run()
        assert left() == [1, 1]
        stage.clock.tick(timedelta(minutes=5))
        retention(desk).run()
        assert left() == [0, 0]
