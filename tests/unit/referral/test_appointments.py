"""What a Task becomes of an appointment (france.md 2.9, column RDV): every status of both."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from adapter.referral import codes, states
from adapter.referral.appointments import follow, progress_of, taken_by_unit
from adapter.referral.scene import Referral
from tests.unit.referral.referrals import referral, scene, task

SAID = ("booked", "fulfilled", "noshow", "cancelled", "entered-in-error")


def appointment(status: str, unit: str = "accepted") -> dict[str, Any]:
    parts = [{"actor": {"reference": "Patient/p"}, "status": "accepted"}, {"actor": {"reference": "HealthcareService/u"}, "status": unit}]
    return {"resourceType": "Appointment", "status": status, "participant": parts}


def becomes(status: str, business: str, *told: dict[str, Any]) -> list[tuple[str, str]]:
    """The Task's versions: status and business status."""
    before = referral(status)
    marked = before.task | ({"businessStatus": scene().coded("business-status", business)} if business else {})
    if not business:
        marked.pop("businessStatus", None)
    made = follow(Referral(marked, before.request, before.consents), scene(), told[-1], told)
    return [(each["status"], progress_of(each, scene())) for each in made]


@pytest.mark.parametrize(("status", "business", "said", "unit", "versions"), [
    ("requested", "non-lu", "booked", "accepted", [("accepted", "rdv-fixe")]),
    ("requested", "non-lu", "booked", "needs-action", [("requested", "rdv-fixe")]),
    ("requested", "non-lu", "fulfilled", "accepted", [("accepted", ""), ("in-progress", "")]),
    ("requested", "non-lu", "fulfilled", "needs-action", []), ("requested", "non-lu", "noshow", "accepted", [("requested", "absent-1")]),
    ("requested", "rdv-fixe", "cancelled", "accepted", []),
    ("accepted", "", "booked", "accepted", [("accepted", "rdv-fixe")]), ("accepted", "rdv-fixe", "booked", "accepted", []),
    ("accepted", "contact-tente", "booked", "needs-action", [("accepted", "rdv-fixe")]), ("accepted", "rdv-fixe", "fulfilled", "accepted", [("in-progress", "")]),
    ("accepted", "rdv-fixe", "noshow", "accepted", [("accepted", "absent-1")]), ("accepted", "rdv-fixe", "cancelled", "accepted", []),
    ("accepted", "absent-2", "cancelled", "accepted", [("accepted", "")]), ("accepted", "rdv-fixe", "entered-in-error", "accepted", []),
    ("on-hold", "", "fulfilled", "accepted", [("in-progress", "")]), ("on-hold", "", "noshow", "accepted", [("on-hold", "absent-1")]),
    ("in-progress", "", "fulfilled", "accepted", []), ("in-progress", "rdv-fixe", "fulfilled", "accepted", [("in-progress", "")]),
    ("in-progress", "complement-demande", "fulfilled", "accepted", []),
])  # fmt: skip
def test_task_becomes_what_the_table_says(status: str, business: str, said: str, unit: str, versions: list[tuple[str, str]]) -> None:
    assert becomes(status, business, appointment(said, unit)) == versions


@pytest.mark.parametrize(("missed", "said"), [(1, "absent-1"), (2, "absent-2"), (3, "absent-3"), (7, "absent-3")])
def test_absences_are_counted_over_all_appointments(missed: int, said: str) -> None:
    assert becomes("accepted", "", appointment("fulfilled"), *[appointment("noshow")] * missed) == [("accepted", said)]


@pytest.mark.parametrize("status", ["draft", *sorted(states.TERMINAL)])
def test_what_was_not_sent_or_has_ended_becomes_nothing(status: str) -> None:
    assert all(follow(Referral(task(status), {}, ()), scene(), appointment(said), [appointment(said)]) == [] for said in SAID)


@pytest.mark.parametrize(("status", "said", "unit"), list(product(("requested", "accepted", "in-progress", "on-hold"), SAID, ("accepted", "declined", "needs-action"))))
def test_every_version_is_a_legal_move_of_the_target_and_none_an_end(status: str, said: str, unit: str) -> None:
    before = status
    for after, business in becomes(status, "", appointment(said, unit)):
        states.check_move(before, after, "target")
        assert after not in states.TERMINAL and business in ("", *codes.PROGRESS)
        before = after
    assert taken_by_unit(appointment(said, unit)) == (unit == "accepted")
