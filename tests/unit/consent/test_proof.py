"""The proof of an oral agreement: its text, its seal, and that a change of it is found."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from adapter.consent import Wording, attested, intact, said, sealed
from adapter.consent.proof import state
from tests.unit.consent.test_life import AT, CONSENT


def test_wording_has_one_fingerprint_for_the_same_words() -> None:
    one = Wording("accord-1", "fr", "Votre médecin\n  propose.")
    assert one.fingerprint == Wording("accord-1", "fr", "Votre me\u0301decin propose. ").fingerprint
    assert one.fingerprint == hashlib.sha256("Votre médecin propose.".encode()).hexdigest()
    assert one.fingerprint != Wording("accord-1", "fr", "Votre médecin propose").fingerprint
    assert one.cited == f"accord-1, fr, sha-256 {one.fingerprint}"


READ = "Entendu par Léa.\nTexte lu (accord-1, langue fr) : Votre médecin propose."


def written(consent: dict[str, Any]) -> str:
    return base64.b64decode(consent["sourceAttachment"]["data"]).decode()


def test_attested_carries_the_text_its_hash_and_its_time() -> None:
    proposed = CONSENT | {"sourceReference": {"reference": "DocumentReference/x"}}
    consent = attested(proposed, READ, at=AT, salt="s1")
    source = consent["sourceAttachment"]
    assert written(consent).startswith(READ) and said(consent) == READ
    assert base64.b64decode(source["hash"]) == hashlib.sha1(written(consent).encode(), usedforsecurity=False).digest()
    assert (consent["dateTime"], source["creation"]) == ("2026-03-06T17:50:00.000Z",) * 2
    assert (source["contentType"], source["language"], source["title"]) == ("text/plain", "fr", "Attestation d'accord")
    assert "sourceReference" not in consent and "sourceReference" in proposed
    assert "verification" not in consent  # oral
    assert attested(proposed, "x", at=AT, salt="s1", title="T", language="en")["sourceAttachment"]["language"] == "en"


def test_seal_is_the_wording_quoted_a_salt_and_the_digest_of_it_all() -> None:
    body, model, salt, digest = written(attested(CONSENT, READ, at=AT, salt="s1")).rsplit("\n", 3)
    assert body == READ and model == f"Modèle : {Wording('accord-1', 'fr', 'Votre médecin propose.').cited}" and salt == "Sel : s1"
    assert digest == "Empreinte : sha-256 " + hashlib.sha256(f"{body}\n{model}\n{salt}".encode()).hexdigest()
    assert "Modèle" not in written(attested(CONSENT, "Entendu par Léa.", at=AT, salt="s1"))  # it quotes nothing


def test_hash_of_the_same_words_is_another_one_under_another_salt() -> None:
    one, other = (attested(CONSENT, READ, at=AT, salt=salt)["sourceAttachment"]["hash"] for salt in ("s1", "s2"))
    assert one != other


def test_sealed_again_has_one_seal_and_what_has_no_text_stays() -> None:
    once = attested(CONSENT, READ, at=AT, salt="s1")
    twice = sealed(once, salt="s2")
    assert said(twice) == READ and written(twice).count("Sel : ") == 1 and intact(twice)
    assert sealed(CONSENT, salt="s") is CONSENT and said(CONSENT) is None
    assert said(CONSENT | {"sourceAttachment": {"data": "é"}}) is None


def test_intact_finds_a_changed_attestation() -> None:
    consent = attested(CONSENT, READ, at=AT, salt="s1")
    assert intact(consent)
    source = consent["sourceAttachment"]
    changed = written(consent).replace("Léa", "Zoé").encode()  # by somebody who knows how the plain hash is made
    forged = base64.b64encode(hashlib.sha1(changed, usedforsecurity=False).digest()).decode()
    for broken in (
        {**source, "data": base64.b64encode(b"other").decode()}, {**source, "data": "é"}, {**source, "data": "x"}, {**source, "data": 3},
        {**source, "data": base64.b64encode(changed).decode(), "hash": forged}, {"hash": source["hash"]}, "x", None,
    ):  # fmt: skip
        assert not intact(consent | {"sourceAttachment": broken})
    assert not intact(CONSENT)


def test_state_is_nothing_intact_or_changed() -> None:
    consent = attested(CONSENT, READ, at=AT, salt="s1")
    broken = consent | {"sourceAttachment": {**consent["sourceAttachment"], "hash": "x"}}
    assert [state(each) for each in (CONSENT, consent, broken, CONSENT | {"sourceAttachment": {"title": "t"}})] == ["", "intact", "changed", ""]
