"""View files: what would slip in beside a listed element, and lists of another kind, are refused with their line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapter.errors import SettingsError
from adapter.views import load_view
from adapter.views.load import OFFERED_TO
from tests.unit.views.test_load import HEAD, LINES, MATRIX, refused


@pytest.mark.parametrize(
    ("kind", "entry", "said"),
    [("Task", "for.display: structure always", "a display"), ("Task", "owner.display: structure", "a display"), ("Task", "code.coding.display: structure", "a display"),
     ("ServiceRequest", "reasonCode.coding.display: D4", "a display"), ("Patient", "identifier[local].assigner.display: D1", "a display"),
     ("Task", "for.identifier: structure always", "a Reference"), ("Task", "for.identifier.value: structure", "a Reference"),
     ("Task", "for.extension[urn:a]: structure", "an extension"), ("ServiceRequest", "requester.extension[urn:a]: structure", "an extension")],
)  # fmt: skip
def test_words_beside_a_link_or_code_are_not_structure_and_never_listed_M_04(kind: str, entry: str, said: str) -> None:
    """They would tell name (D1) or number (D3) under the class of the link that they stand beside."""
    refused(f"  {kind}:\n    id: structure\n    {entry}\n", 3, said)


@pytest.mark.parametrize("said", ["D2:", "D2: 5", "D2: isolement", "D2: {isolement: 1}", "D2: [5]", "D2: [isolement, isolement]", "D99: [isolement]"])
def test_needs_that_open_a_class_are_a_list_under_a_class(said: str) -> None:
    refused(f"  Patient:\n    gender: D2 open need\nneeds_for:\n  {said}\n", 4, said.partition(":")[0])


@pytest.mark.parametrize(
    ("said", "line"),
    [("writes: accept", 3), ("writes: {accept: 1}", 3), ("sort: due", 3), ("search:\n  Task: _id", 4), ("search:\n  Tsak: _id", 4), ("subsetted: 'true'", 3), ("subsetted: 1", 3)],
)  # fmt: skip
def test_list_or_switch_of_another_kind_is_refused_not_taken_for_nothing(said: str, line: int) -> None:
    with pytest.raises(SettingsError, match=r"expected") as caught:
        load_view(HEAD.format(recipient="dossier-clinique").replace("subsetted: true\n", "") + f"  Task:\n    id: structure\n{said}\n", name="trial.yaml", matrix=MATRIX)
    assert caught.value.variable == f"trial.yaml:{LINES - 1 + line}"


# ── what the view of another house may never say ─────────────────────────────────────────────────
def faulty(text: str) -> str:
    """ "trial.yaml:LINE: what is wrong"."""
    with pytest.raises(SettingsError) as caught:
        load_view(text, name="trial.yaml", matrix=WIDE)
    return f"{caught.value.variable}: {caught.value}"


WIDE = replace(MATRIX, elements={
    **MATRIX.elements, "RelatedPerson": {"address": ("D1", False), "id": ("structure", False)},
    "Patient": {**MATRIX.elements["Patient"], "contact.telecom": ("D1", False)},
})  # fmt: skip
OUTWARD, HOUSE = ["saad", "coursier-dac-asso", "as-msp-equipe"], ["dossier-clinique"]


def test_every_category_but_the_prescribers_is_another_house() -> None:
    assert set(OUTWARD) < OFFERED_TO and not OFFERED_TO & {"prescripteur", "patient", "secretariat", "indicateurs", *HOUSE}


@pytest.mark.parametrize("recipient", OUTWARD)
@pytest.mark.parametrize(("was", "said", "line"), [
    ("ids: pairwise", "ids: local", 7), ("profile: drop", "profile: keep", 5), ("subsetted: true", "subsetted: false", 6), ("subsetted: true\n", "", 1),
])  # fmt: skip
def test_view_of_another_house_is_pairwise_without_profile_and_subsetted(recipient: str, was: str, said: str, line: int) -> None:
    text = HEAD.format(recipient=recipient).replace(was, said) + "  Patient:\n    name.family: D1\n"
    found = faulty(text)
    assert f"trial.yaml:{line}" in found and "another house's" in found and was.strip() in found


@pytest.mark.parametrize("recipient", OUTWARD)
@pytest.mark.parametrize(
    ("kind", "entry", "said"),
    [("Task", "identifier: structure always", "the clinic's"), ("Task", "groupIdentifier: structure", "the clinic's"), ("Task", "lastModified: structure", "the clinic's"),
     ("Task", "meta.versionId: structure", "meta"), ("Task", "meta.lastUpdated: structure always", "meta"),
     ("ServiceRequest", "requisition: structure always", "the clinic's"), ("ServiceRequest", "identifier.value: structure", "the clinic's"),
     ("Patient", "address: D1", "the condition safe"), ("Patient", "telecom[phone]: D1 open", "the condition safe"), ("Patient", "telecom: D1", "the condition safe"),
     ("Patient", "address.city: D1", "the condition safe"), ("RelatedPerson", "address: D1", "the condition safe"), ("Patient", "contact.telecom: D1", "the condition safe")],
)  # fmt: skip
def test_view_of_another_house_lists_no_house_element_and_no_contact_but_a_safe_one(recipient: str, kind: str, entry: str, said: str) -> None:
    found = faulty(HEAD.format(recipient=recipient) + f"  {kind}:\n    id: structure\n    {entry}\n")
    assert f"trial.yaml:{LINES + 3}" in found and said in found, found


def test_whole_telecom_beside_the_safe_telephone_is_refused_by_its_own_line() -> None:
    found = faulty(HEAD.format(recipient="saad") + "  Patient:\n    telecom[phone]: D1 open safe\n    telecom: D1 open\n")
    assert f"trial.yaml:{LINES + 3}" in found and "Patient.telecom " in found


@pytest.mark.parametrize("recipient", HOUSE)
def test_house_itself_may_keep_what_no_other_sees(recipient: str) -> None:
    head = HEAD.format(recipient=recipient).replace("ids: pairwise", "ids: local").replace("profile: drop", "profile: keep").replace("true", "false")
    assert load_view(head + "  Patient:\n    address: D1\n  Task:\n    identifier: structure\n    lastModified: structure\n", name="trial.yaml", matrix=MATRIX)


def test_view_by_the_name_of_a_recipient_is_of_that_recipient() -> None:
    """A file saad.yaml by the row of the clinic's own record would show a home help what only the house has."""
    found = faulty(HEAD.format(recipient="dossier-clinique").replace("view: dossier-clinique", "view: saad") + "  Patient:\n    address: D1\n")
    assert "trial.yaml:3" in found and "saad" in found
