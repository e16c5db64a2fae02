"""The ownership file, and what is wrong with a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.errors import SettingsError
from adapter.sync.ownership import load
from tests.unit.sync.house import OWNERSHIP


@pytest.mark.parametrize(
    ("type", "path", "side"),
    [
        ("Task", "status", "both"), ("Task", "owner", "ours"), ("Task", "output", "ours"), ("Task", "businessStatus", "ours"),
        ("Task", "note", "ehr"), ("Task", "extension", "ehr"), ("Task", "_status", "ehr"), ("Task", "nobodyKnows", "ehr"),
        ("Task", "meta.profile", "ours"), ("Task", "meta.versionId", "ehr"), ("ServiceRequest", "note", "ehr"),
        ("Consent", "provision", "both"), ("Patient", "name", "ehr"), ("Observation", "status", "ehr"),
    ],
)  # fmt: skip
def test_side_is_as_declared_and_the_ehrs_otherwise(type: str, path: str, side: str) -> None:
    assert OWNERSHIP.side(type, path) == side


def test_side_of_a_part_follows_its_parent() -> None:
    assert OWNERSHIP.side("Task", "restriction.period", "ours") == "ours"


def test_shared_names_what_either_side_may_change() -> None:
    assert OWNERSHIP.shared("Task") == ("status", "statusReason", "priority")
    assert OWNERSHIP.shared("Procedure") == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("version: 2", "version: 1"),
        ("- a", "version: 1"),
        ("a: [", "YAML"),
        ("version: 1\ntyps: {}", "typs"),
        ("version: 1\nkeys: [a]", "keys"),
        ("version: 1\ntypes: {Task: [status]}", "types.Task"),
        ("version: 1\ntypes: {Task: {theirs: [status]}}", "theirs"),
        ("version: 1\ntypes: {Task: {ours: [status], both: [status]}}", "types.Task.status"),
    ],
)
def test_load_names_what_is_wrong(tmp_path: Path, text: str, names: str) -> None:
    file = tmp_path / "ownership.yaml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=names) as caught:
        load(file)

    assert caught.value.fix


def test_load_says_so_when_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ownership\.yaml"):
        load(tmp_path / "ownership.yaml")
