"""View files: what would slip in beside a listed element, and lists of another kind, are refused with their line."""

from __future__ import annotations

import pytest

from adapter.errors import SettingsError
from adapter.views import load_view
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
        load_view(HEAD.format(recipient="saad").replace("subsetted: true\n", "") + f"  Task:\n    id: structure\n{said}\n", name="trial.yaml", matrix=MATRIX)
    assert caught.value.variable == f"trial.yaml:{LINES - 1 + line}"
