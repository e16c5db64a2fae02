"""Values of the network file that other rooms know: misspelt ones are named with line, what was expected and the nearest."""

from __future__ import annotations

import json

import pytest

from adapter.errors import SettingsError
from adapter.network import Words, parse
from adapter.ports import Principal
from tests.unit.network.network import TEXT, changed, line_of

WORDS = Words(("Task", "Patient", "ServiceRequest"), ("TREAT", "ETREAT", "PATRQT"), ("intervention-coursier", "portage-repas"), ("denutrition", "isolement"))


def said(text: str, words: Words | None = WORDS) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(text, file="n.yaml", words=words)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "place", "expected"),
    [
        ("scopes: [views]", "scopes: [view]", "clients[1].scopes[0]", "or *, and of c r u d s, in that order, what it may; did you mean views?"),
        ("scopes: [views]", "scopes: [views, intakes]", "clients[1].scopes[1]", "did you mean intake?"),
        ("scopes: [views]", "scopes: [system/Taks.rs]", "clients[1].scopes[0]", "did you mean system/Task.rs?"),
        ("scopes: [views]", "scopes: [system/Task.sr]", "clients[1].scopes[0]", "did you mean system/Task.rs?"),
        ("scopes: [views]", "scopes: [system/Taks.read]", "clients[1].scopes[0]", "did you mean system/Task.rs?"),
        ("scopes: [views]", "scopes: [user/*.rs]", "clients[1].scopes[0]", "did you mean system/*.rs?"),
        ("scopes: [views]", "scopes: [system/*.]", "clients[1].scopes[0]", "expected intake, views or system/Type.cruds"),
        ("scopes: [views]", "scopes: ['system/Task.rs?code=draft']", "clients[1].scopes[0]", "status= or owner=, once each and of a type that has it; did you mean system/Task.rs?"),
        ("scopes: [views]", "scopes: ['system/*.rs?status=draft']", "clients[1].scopes[0]", "of a type that has it; did you mean system/*.rs?"),
        ("scopes: [views]", "scopes: ['system/Patient.rs?status=draft']", "clients[1].scopes[0]", "of a type that has it; did you mean system/Patient.rs?"),
        ("scopes: [views]", "scopes: ['system/Task.rs?owner=desk']", "clients[1].scopes[0]", "expected status=code or owner=Type/id"),
        ("scopes: [views]", "scopes: [system/AuditEvent.rs]", "clients[1].scopes[0]", "a type that /fhir serves"),
        ("scopes: [views]", "scopes: [views], purposes: [TREET]", "clients[1].purposes[0]", "expected a purpose of v3-ActReason; did you mean TREAT?"),
        ("scopes: [views]", "scopes: [views], purposes: [MARKETING]", "clients[1].purposes[0]", "known here: TREAT, ETREAT, PATRQT"),
        ("service: intervention-coursier", "service: intervention-courrier", "organisations[1].units[0].service",
         "expected a code of the table service; did you mean intervention-coursier?"),
        ("needs: [denutrition]", "needs: [denutrision]", "organisations[1].units[1].needs[0]", "did you mean denutrition?"),
    ],
)  # fmt: skip
def test_parse_names_line_and_nearest_value_when_one_is_misspelt(old: str, new: str, place: str, expected: str) -> None:
    text = changed((old, new))
    found = said(text)
    assert found.startswith(f"n.yaml:{line_of(text, new)}: {place}: expected ") and expected in found and len(found.splitlines()) == 1


def test_parse_takes_every_value_that_is_known() -> None:
    scopes = ("intake", "views", "system/*.rs", "system/Task.cruds", "system/Patient.c", "system/ServiceRequest.us", "system/Task.read", "system/*.*",
              "system/Task.rs?status=requested,accepted&owner=HealthcareService/pool")  # fmt: skip
    network = parse(changed(("scopes: [views]", f"scopes: {json.dumps(scopes)}, purposes: [TREAT, PATRQT]")), words=WORDS)
    client = network.client("asso-app")
    assert client is not None and client.scopes == scopes and client.purposes == ("TREAT", "PATRQT")


def test_parse_holds_values_against_their_form_alone_when_nobody_said_which_there_are() -> None:
    assert parse(changed(("scopes: [views]", "scopes: [system/Location.rs], purposes: [MARKETING]"), ("[denutrition]", "[faim]")))
    assert "a code of v3-ActReason" in said(changed(("scopes: [views]", "scopes: [views], purposes: [treat]")), None)
    assert "expected a code (small" in said(changed(("[denutrition]", "[Faim]")), None)
    assert "expected intake, views" in said(changed(("scopes: [views]", "scopes: [viewz]")), None)


@pytest.mark.parametrize("acts", ["c", "r", "u", "d", "s", "cr", "rs", "cruds", "cds"])
def test_scope_that_is_taken_grants_just_what_it_says(acts: str) -> None:
    client = parse(changed(("scopes: [views]", f"scopes: [system/Task.{acts}]")), words=WORDS).client("asso-app")
    assert client is not None
    who = Principal("x", "asso", scopes=frozenset(client.scopes))
    assert "".join(act for act in "cruds" if who.may("Task", act)) == acts and not any(who.may("Patient", act) for act in "cruds")  # type: ignore[arg-type]


def test_text_of_the_tests_is_right_by_itself() -> None:
    assert parse(TEXT, words=WORDS).unit("pool")
