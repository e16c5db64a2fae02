"""The proof of an agreement given by word of mouth: sealed with the wording that was read and a salt, its hash as the EHR gets it
tells nothing, and the officer is told when it no longer matches (france.md 2.7, workflow.md 6)."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from typing import Any

import pytest

from adapter.consent import Wording, proof
from adapter.ports import Change, Resource
from tests.e2e.desk import Desk
from tests.e2e.records import card, only, stored
from tests.e2e.stage import COURSIER, GP, Stage

YES = {"accord": "oui", "par": "coursier-lea", "le": "2026-03-06T18:50:00+01:00", "comment": "telephone"}


def in_the_call(stage: Stage) -> Resource:
    stage.call(accord_medecin=YES, accord_patient=YES)
    found: Resource = only(stored(stage, "Consent"))
    return found


def later(stage: Stage) -> Resource:
    stage.sent()
    found: Resource = only(stored(stage, "Consent"))
    return found


def text(consent: Resource) -> str:
    return base64.b64decode(consent["sourceAttachment"]["data"]).decode()


@pytest.mark.parametrize("agreed", [in_the_call, later])
def test_attestation_is_sealed_with_the_wording_read_and_a_salt(desk: Desk, agreed: Any) -> None:
    consent = agreed(desk.stage)
    read = desk.stage.app.terms.label("consent-text", "accord-1", lang="fr")
    lines = text(consent).splitlines()
    assert lines[0] == "ATTESTATION D'ACCORD" and "Léa Fictive" in text(consent)
    assert lines[-3] == f"Modèle : {Wording('accord-1', 'fr', read).cited}"
    assert lines[-2].startswith("Sel : ") and len(lines[-2]) >= 6 + 32
    assert lines[-1] == "Empreinte : sha-256 " + hashlib.sha256("\n".join(lines[:-1]).encode()).hexdigest()
    assert text(consent).count("Sel : ") == 1 and proof.intact(consent)


@pytest.mark.parametrize("agreed", [in_the_call, later])
def test_hash_that_the_ehr_gets_does_not_give_the_needs_away_by_trying(desk: Desk, agreed: Any) -> None:
    """Who knows the form of the text, the unit, who heard it and when has only the needs to guess; without the salt in vain."""
    consent = agreed(desk.stage)
    desk.stage.push()
    there = only(desk.stage.ehr.all("Consent"))["sourceAttachment"]
    assert there["hash"] == consent["sourceAttachment"]["hash"] and "data" not in there
    known, said = proof.said(consent) or "", only(each for each in text(consent).splitlines() if each.startswith("Besoins : "))
    terms = desk.stage.app.terms["need"].terms.values()
    tried = {f"Besoins : {', '.join(pair)}." for pair in itertools.permutations([term.fr for term in terms], 2)}
    assert said in tried
    guessed = {known.replace(said, each) for each in tried} | {text(consent).rpartition("\nSel : ")[0].replace(said, each) for each in tried}
    assert there["hash"] not in {base64.b64encode(hashlib.sha1(each.encode(), usedforsecurity=False).digest()).decode() for each in guessed}


def test_same_words_twice_have_two_hashes(desk: Desk) -> None:
    for number in range(2):
        desk.stage.call(id=f"appel-{number}", accord_medecin=YES, accord_patient=YES)
    one, other = (each["sourceAttachment"]["hash"] for each in stored(desk.stage, "Consent"))
    assert one != other


def test_attestation_says_when_it_was_heard_not_when_it_was_written_down(desk: Desk) -> None:
    desk.stage.call(accord_medecin=YES)
    heard = {"who": "patient", "agreed": True, "heard_by": "coursier-lea", "at": "2026-03-06T16:10:00+01:00"}
    desk.stage.app.write_now(lambda story, uow: story.agree(uow, COURSIER, "appel-coursier", "appel-1", heard))
    consent = only(stored(desk.stage, "Consent"))
    assert "6 mars à 16 h 10" in text(consent) and consent["dateTime"] == consent["sourceAttachment"]["creation"] == "2026-03-06T15:10:00.000Z"


def changed(desk: Desk, consent: Resource) -> None:
    """Somebody rewrites what was attested, hash and all, as if by a fault or a hand in the database."""
    words = text(consent).replace("Léa Fictive", "Noé Inventé").encode()
    attachment = {"data": base64.b64encode(words).decode(), "hash": base64.b64encode(hashlib.sha1(words, usedforsecurity=False).digest()).decode()}
    resource = consent | {"sourceAttachment": consent["sourceAttachment"] | attachment}
    change = Change("update", "Consent", consent["id"], resource, origin="device")
    desk.stage.app.write_now(lambda story, uow: story.receive(uow, GP, [change]))


def test_officer_is_told_of_an_attestation_whose_hash_no_longer_matches(desk: Desk) -> None:
    consent = later(desk.stage)
    desk.stage.call(id="appel-2")  # a proposal is sealed too
    spoken = card(desk.stage).card["reference"]
    assert json.loads(desk.run("dpo", "report", "--json").stdout)["changed"] == []
    changed(desk, consent)
    assert json.loads(desk.run("dpo", "report", "--json").stdout)["changed"] == [{"consent": f"Consent/{consent['id']}", "reference": spoken}]
    assert f"attestations whose hash no longer matches\n  {spoken}" in desk.run("dpo", "report").stdout


def test_explain_says_whether_the_attestation_still_matches(desk: Desk) -> None:
    consent = later(desk.stage)
    task = only(stored(desk.stage, "Task"))
    words = ("consent", "explain", "--who", "coursier-rouen", "--what", f"Task/{task['id']}")
    assert "attestation intact" in desk.run(*words).stdout
    changed(desk, consent)
    assert "attestation CHANGED" in desk.run(*words).stdout
    assert [each["attestation"] for each in json.loads(desk.run(*words, "--json").stdout)["consents"]] == ["changed"]
