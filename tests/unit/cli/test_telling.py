"""The story on the terminal: no raw key or code in a French card, refusals with their reason, a failed step with its cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from adapter.cli.story.account import Account, Decided, Words
from adapter.cli.story.people import LIAISON
from adapter.cli.story.reasons import HIDDEN as HIDDEN_REASONS
from adapter.cli.story.reasons import causes, decided
from adapter.cli.story.steps import STEPS
from adapter.cli.telling import HIDDEN, KEYS, WHY, Teller
from adapter.ports import Letter
from adapter.views import load_views
from adapter.views.cardspec import Entry

AT = datetime(2026, 3, 6, 18, 50, tzinfo=UTC)


def keys(card: Mapping[str, Entry] | Iterable[tuple[str, Entry]]) -> Iterator[str]:
    for name, entry in card.items() if isinstance(card, Mapping) else card:
        yield name
        yield from keys(entry.fields)


def printed(lang: str, account: Account | None = None, summary: dict[str, Any] | None = None) -> str:
    out = StringIO()
    teller = Teller(lang, full=False, console=Console(file=out, width=160, color_system=None))
    if account:
        teller.step(1, account)
    if summary:
        teller.closing(summary)
    return out.getvalue()


def account(**given: Any) -> Account:
    made = Account("seen", LIAISON, Words("titre", "title"), AT, **given)
    made.check("vu", "seen", True)
    return made


def test_every_key_of_every_card_has_french_words() -> None:
    found = {key for view in load_views().values() for card in (view.card, view.line) for key in keys(card)}
    assert {"family_name", "social_security_number", "already_followed", "initials"} <= found
    assert found - HIDDEN <= KEYS.keys()
    assert {"reference", "sent", "read", "text"} <= KEYS.keys(), "those of a closing notice"
    assert not [word for word in KEYS.values() if "_" in word]


@pytest.mark.parametrize(
    ("card", "fr", "en"),
    [
        ({"asked": "2026-03-02"}, "demandée le   2 mars 2026", "asked   2 March 2026"),
        ({"due": "2026-03-10T18:00:00+01:00"}, "échéance   mardi 10 mars, 18 h 00", "due   Tuesday 10 March, 18:00"),
        ({"person": {"social_security_number": "1"}}, "personne · n° de sécurité sociale   1", "person · social security number   1"),
        ({"consent": {"state": "inactive"}}, "accord · état   terminé", "consent · state   ended"),
        ({"contact": "contacting-subject-prohibited"}, "contact   ne pas contacter", "contact   do not contact"),
        ({"read": "", "text": "x"}, "texte   x", "text   x"),
    ],
)
def test_card_speaks_the_language_of_the_reader(card: dict[str, Any], fr: str, en: str) -> None:
    for lang, said in (("fr", fr), ("en", en)):
        text = printed(lang, account(cards=[(Words("qui", "who"), card | {"id": "secret-id", "state": "draft"})]))
        assert said in text and "secret-id" not in text and "draft" not in text
        assert "lu le" not in text and "read" not in text


def event(reason: str, *, outcome: str = "8", subtype: str = "read", **more: Any) -> dict[str, Any]:
    client = {"who": {"identifier": {"value": "coursiers"}}, "requestor": False, "network": {}}
    server = {"who": {"type": "Device", "identifier": {"value": "liaison"}}, "requestor": False, "network": {}}
    return {"subtype": [{"code": subtype}], "outcome": outcome, "outcomeDesc": reason, "agent": [client, server], **more}


@pytest.mark.parametrize("reason", HIDDEN_REASONS)
def test_what_was_answered_as_if_absent_is_told_with_its_reason_and_who_asked(reason: str) -> None:
    found = decided(event(reason))
    assert found == Decided(False, "", reason, "", "coursiers")
    assert (False, reason) in WHY
    for lang, word in (("fr", "refusé à coursiers : "), ("en", "deny to coursiers: ")):
        assert f"{word}{WHY[False, reason].of(lang)} [{reason}]" in printed(lang, account(decisions=[found]))


def test_other_refusals_and_other_events_are_no_decisions() -> None:
    assert decided(event("needsmatch", subtype="accept")) is None
    assert decided(event("", outcome="0")) is None
    assert decided({}) is None


def test_decision_of_the_rules_bears_rule_view_and_who_asked() -> None:
    details = [{"type": "rule", "valueString": "S1"}, {"type": "view", "valueString": "saad"}]
    entity = [{"what": {"reference": "Patient/1"}, "detail": details}]
    assert decided(event("permit", outcome="0", subtype="AuthZ-Consent", entity=entity)) == Decided(True, "S1", "permit", "saad", "coursiers")
    assert decided(event("deny", subtype="AuthZ-Consent", entity=entity)) == Decided(False, "S1", "deny", "saad", "coursiers")


def test_failed_step_tells_which_call_was_refused_and_which_letter_is_still_here() -> None:
    calls = [{"client": "a", "method": "GET", "path": "/x", "status": 200}, {"client": "a", "method": "POST", "path": "/y", "status": 422, "why": "besoins: unknown"}]
    letters = [
        Letter("msp", "lane", "Task", "t1", AT, state="parked", attempts=1, reason="rejected-422"),
        Letter("msp", "lane", "Consent", "c1", AT, state="done", attempts=1),
    ]
    failed = account(causes=causes(calls, letters))
    failed.check("arrivé", "arrived", False)
    text = printed("en", failed)
    assert "POST /y → 422 besoins: unknown" in text and "/x" not in text
    assert "letter Task → msp still here (parked, rejected-422, 1 attempts)" in text and "Consent" not in text
    assert failed.shown("en")["causes"] == [each.en for each in failed.causes]
    assert "causes" not in account().shown("en")


def test_closing_names_the_steps_that_were_not_played() -> None:
    left = [step.name for step in STEPS[-2:]]
    text = printed("fr", summary={"ok": False, "steps": 13, "failed": 1, "not_played": left})
    assert "12 étapes tenues, 1 manquées" in text and "2 étapes non jouées : La personne retire son accord, Les preuves" in text
    assert "non jouées" not in printed("fr", summary={"ok": True, "steps": 15, "failed": 0, "not_played": []})
