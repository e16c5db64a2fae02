"""The files of views to their edges: lines of errors, declarations, folders, all faults at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter.errors import SettingsError
from adapter.views import Declared, Facts, View, around_of, card, default_folder, load_file, load_view, project
from adapter.views import load as loading
from adapter.views.declared import titled
from adapter.views.document import fault, read
from adapter.views.load import load_labels
from adapter.views.matrix import load_matrix
from tests.unit.views.looks import (
    ROOT,
    facts,
)  # fmt: skip

FOLDER = ROOT / "mappings" / "views"
MATRIX = load_matrix((FOLDER / "matrix.yaml").read_text("utf-8"))
LABELS = load_labels((FOLDER / "labels.yaml").read_text("utf-8"))


def trial(listed: dict[str, list[str]], *, ids: str = "pairwise", card: dict[str, Any] | None = None, sensitivity: int | None = None) -> View:
    """A view of the house itself that lists these paths always, whatever the matrix gives."""
    elements = {kind: {path.partition(" ")[0]: ("structure", False) for path in paths} for kind, paths in listed.items()}
    resources = {kind: {path.partition(" ")[0]: f"structure always {path.partition(' ')[2]}" for path in paths} for kind, paths in listed.items()}
    head = {"view": "t", "version": 1, "recipient": "dossier-clinique", "title": {"fr": "Essai", "en": "Trial"}, "profile": "drop", "subsetted": False, "ids": ids}
    more = {"sensitivity": sensitivity} if sensitivity is not None else {}
    text = yaml.safe_dump(head | {"resources": resources, "card": card or {}} | more, sort_keys=False)
    return load_view(text, name="t.yaml", matrix=replace(MATRIX, elements=elements), labels=LABELS)


def seen(listed: dict[str, list[str]], resource: dict[str, Any], look: Facts | None = None, **more: Any) -> Any:
    shown = project(resource, trial(listed, **more), facts=look or facts())
    return shown and {name: value for name, value in shown.items() if name != "resourceType"}


def carded(listed: dict[str, list[str]], spec: Any, resources: list[dict[str, Any]], **more: Any) -> Any:
    """What a card with one key shows of these resources, already projected."""
    view = trial(listed, card={"it": spec})
    return card(view, resources, facts=facts(**more), lang="fr").get("it")


# ── lines of errors ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("text", "line"), [("a: 1\nb: 2\nc: [\n", 4), ("a: 1\nb: [x\nc: y: z\n", 3), ("\ta: 1\n", 1)])
def test_yaml_that_cannot_be_read_is_refused_by_its_line(text: str, line: int) -> None:
    with pytest.raises(SettingsError, match="expected YAML") as caught:
        read(text, name="x.yaml")
    assert caught.value.variable == f"x.yaml:{line}"


def nested(depth: int, mapping: bool) -> str:
    return "\n".join("  " * level + ("a:" if mapping else "-") for level in range(depth)) + " 1\n" if mapping else "a:\n  " + "- " * depth + "1\n"


@pytest.mark.parametrize("mapping", [True, False])
def test_document_has_twenty_levels_and_no_more(mapping: bool) -> None:
    read(nested(20, mapping), name="x.yaml") if mapping else read(nested(19, mapping), name="x.yaml")
    with pytest.raises(SettingsError, match="expected fewer levels") as caught:
        read(nested(21, mapping) if mapping else nested(20, mapping), name="x.yaml")
    assert str(caught.value.variable) == f"x.yaml:{21 if mapping else 2}"


def test_document_says_the_line_of_every_key() -> None:
    assert read("a: 1\nb:\n  c: 2\n", name="x").lines == {"a": 1, "b": 2}


def test_scalars_are_text_but_for_whole_numbers_true_false_and_nothing() -> None:
    assert dict(read("a: false\nb: ~\nc: null\nd: 'true'\ne: -1\nf: 1.5\ng: '~'\nh: ''\ni: ٣\n", name="x")) == {
        "a": False, "b": None, "c": None, "d": "true", "e": "-1", "f": "1.5", "g": "~", "h": "", "i": "٣",
    }  # fmt: skip


def test_fault_names_the_line_to_mend_unless_there_is_better_advice() -> None:
    assert (fault("x.yaml", 3, "wrong").fix, fault("x.yaml", 3, "wrong", fix="save it").fix) == ("mend line 3 of x.yaml", "save it")


def test_title_is_what_was_said_in_both_languages() -> None:
    assert titled({"fr": "Essai", "en": "Trial"}, "x", 1) == {"fr": "Essai", "en": "Trial"}
    for wrong in ({"fr": "Essai"}, {"fr": "Essai", "en": ""}, {"fr": "Essai", "en": 3}, {"fr": "a", "en": "b", "de": "c"}, "Essai", None):
        with pytest.raises(SettingsError, match="expected a title in fr and in en"):
            titled(wrong, "x", 1)


# ── declarations ─────────────────────────────────────────────────────────────────────────────────
PAPER = "view: bailleur\nversion: 1\nrecipient: bailleur\ntitle: {fr: Bailleur, en: Landlord}\nelectronic: none\nletter: [D1]\n"
UNIT = "view: stagiaire\nversion: 1\ntitle: {fr: Stagiaire, en: Trainee}\nas_unit: true\n"


def declaration(text: str) -> Any:
    return load_file(text, name="x.yaml", around=around_of())


@pytest.mark.parametrize(("text", "line", "said"), [
    (PAPER.replace("version: 1\n", ""), 1, "expected view and version"), (PAPER.replace("view: bailleur\n", ""), 1, "expected view and version"),
    (PAPER.replace("Landlord", "''"), 4, "expected a title"), (PAPER.replace("title: {fr: Bailleur, en: Landlord}\n", ""), 1, "expected a title"),
    (UNIT + "'': 1\n", 5, "expected view, version, title, as_unit, but found "), (UNIT + "recipient: saad\n", 5, "but found recipient"), (UNIT + "letter: []\n", 5, "but found letter"),
    (PAPER + "counts: []\n", 7, "expected view, version, recipient, title, electronic, letter, but found counts"),
])  # fmt: skip
def test_declaration_that_is_not_whole_is_refused_by_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        declaration(text)
    assert caught.value.variable == f"x.yaml:{line}"


def test_declaration_says_who_gets_nothing_and_by_which_way() -> None:
    assert declaration(PAPER) == Declared("bailleur", 1, "bailleur", {"fr": "Bailleur", "en": "Landlord"}, "paper", ("D1",))
    assert declaration(UNIT) == Declared("stagiaire", 1, "", {"fr": "Stagiaire", "en": "Trainee"}, "unit", ())


@pytest.mark.parametrize(("table", "code"), [("telling", "care-service"), ("notice", "closed")])
def test_folder_without_a_label_that_every_view_speaks_is_refused(tmp_path: Path, table: str, code: str) -> None:
    for name in ("matrix.yaml", "labels.yaml"):
        (tmp_path / name).write_text((FOLDER / name).read_text("utf-8").replace(f"\n{table}:", f"\nno-{table}:"), "utf-8")
    with pytest.raises(SettingsError, match=f"expected the label {code} of {table}"):
        around_of(tmp_path)


@pytest.mark.parametrize("texts", ["{fr: Oui, en: 3}", "{fr: 3, en: Yes}", "{en: Yes}", "[Oui]"])
def test_label_that_is_no_text_in_a_language_is_refused(tmp_path: Path, texts: str) -> None:
    for name in ("matrix.yaml", "labels.yaml"):
        (tmp_path / name).write_text((FOLDER / name).read_text("utf-8"), "utf-8")
    labels = tmp_path / "labels.yaml"
    labels.write_text(f"{labels.read_text('utf-8')}\ntrial:\n  code: {texts}\n", "utf-8")
    with pytest.raises(SettingsError, match="expected labels of trial by language"):
        around_of(tmp_path)


# ── folders and all faults at once ───────────────────────────────────────────────────────────────
def test_folder_is_that_of_the_package_where_it_was_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "files", lambda package: tmp_path / package)
    assert default_folder() == tmp_path / "mappings" / "views"
    (tmp_path / "adapter" / "_mappings" / "views").mkdir(parents=True)
    assert default_folder() == tmp_path / "adapter" / "_mappings" / "views"


SAAD = "view: saad\nversion: 1\nrecipient: saad\ntitle: {fr: a, en: b}\nprofile: drop\nsubsetted: true\nids: pairwise\nresources:\n  Patient:\n    id: structure\n"


@pytest.mark.parametrize(("text", "lines"), [
    (SAAD, []), (SAAD + "    nmae: D1\n    name: D2\n    telecom: D1 open safe\n", [11, 12]), (SAAD.replace("pairwise", "raw"), [7]), (SAAD + "card: [\n", [12]),
    (PAPER, []), (PAPER + "counts: []\n", [7]),
])  # fmt: skip
def test_faults_of_a_file_are_told_all_at_once_by_line(text: str, lines: list[int]) -> None:
    found = loading.faults(text, name="x.yaml", around=around_of())
    assert [each.variable for each in found] == [f"x.yaml:{line}" for line in lines]


def test_matrix_whose_elements_are_no_mapping_is_refused_by_its_line() -> None:
    text = (FOLDER / "matrix.yaml").read_text("utf-8").replace("\nelements:\n", "\nelements:\n  Slot: D1\n", 1)
    line = next(number for number, each in enumerate(text.splitlines(), 1) if each == "  Slot: D1")
    with pytest.raises(SettingsError) as refusal:
        load_matrix(text)
    assert refusal.value.variable == f"matrix.yaml:{line}"


def test_class_that_is_not_said_by_language_has_no_words() -> None:
    matrix = load_matrix("version: 1\nclasses: {D1: names, D2: {fr: naissance, en: birth}}\nrows: {}\nelements: {}\n")
    assert matrix.words == {"D2": {"fr": "naissance", "en": "birth"}}
