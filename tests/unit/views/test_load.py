"""View files are refused with file and line (M-20), and follow the matrix cell by cell."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import SettingsError
from adapter.network.model import CATEGORIES, PAPER_ONLY
from adapter.views import Declared, around_of, default_folder, load_declared, load_file, load_view, load_views
from adapter.views.document import read
from adapter.views.elements import ELEMENTS, OPENED, leaves, steps_of
from adapter.views.load import load_labels
from adapter.views.matrix import CLASSES, SHOWN, STRUCTURE, load_matrix
from adapter.views.r4 import RESOURCES, TABLE
from tests.unit.views.looks import ROOT, TERMS, VIEWS, all_facts, see

FOLDER = ROOT / "mappings" / "views"
MATRIX = load_matrix((FOLDER / "matrix.yaml").read_text("utf-8"))
HEAD = """\
view: {recipient}
version: 1
recipient: {recipient}
title: {{fr: Essai, en: Trial}}
profile: drop
subsetted: true
ids: pairwise
resources:
"""
LINES = HEAD.count("\n")


def load(body: str, recipient: str = "coursier-dac-asso") -> Any:
    return load_view(HEAD.format(recipient=recipient) + body, name="trial.yaml", matrix=MATRIX)


def refused(body: str, line: int, *words: str, recipient: str = "coursier-dac-asso") -> None:
    """`line` counts from the first line under `resources:`."""
    with pytest.raises(SettingsError) as caught:
        load(body, recipient)
    assert caught.value.variable == f"trial.yaml:{LINES + line}"
    for word in words:
        assert word in str(caught.value)


# ── M-20 ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("entry", "said"),
    [("nmae: D1 open", "R4 has no Patient.nmae"), ("name.familly: D1", "R4 has no HumanName.familly"), ("Name: D1", "R4 has no"),
     ("birthDate.year: D2 open need", "R4 has no"), ("name.: D1", "expected dotted"), ("name..family: D1", "expected dotted"),
     ("contact.nom: D9 need", "R4 has no Patient.contact.nom"), ("deceased[x]: D2", "name the type"), ("value: D1", "R4 has no")],
)  # fmt: skip
def test_misspelt_path_is_refused_M_20(entry: str, said: str) -> None:
    refused(f"  Patient:\n    id: structure\n    {entry}\n", 3, said)


@pytest.mark.parametrize("entry", ["'*': D1", "name.*: D1", "telecom[*]: D1", "extension[*]: structure"])
def test_wildcard_is_refused_M_20(entry: str) -> None:
    refused(f"  Patient:\n    {entry}\n", 2)


@pytest.mark.parametrize(
    ("entries", "line"),
    [("    name: D1\n    name: D1\n", 3), ("    name: D1\n    name.family: D1\n", 3), ("    name.family: D1\n    name: D1\n", 3)],
)
def test_duplicate_is_refused_M_20(entries: str, line: int) -> None:
    refused(f"  Patient:\n{entries}", line, "twice")


def test_same_type_twice_is_refused_M_20() -> None:
    refused("  Patient:\n    id: structure\n  Patient:\n    id: structure\n", 3, "twice")


@pytest.mark.parametrize(
    ("kind", "path"),
    [("Patient", "contact"), ("Task", "restriction"), ("ServiceRequest", "note"), ("Consent", "sourceAttachment"), ("Patient", "extension"),
     ("Patient", "name.extension"), ("Patient", "text"), ("Patient", "meta"), ("Patient", "contained"), ("Patient", "implicitRules")],
)  # fmt: skip
def test_what_is_too_wide_is_refused_M_20(kind: str, path: str) -> None:
    refused(f"  {kind}:\n    {path}: D1\n", 2)


def test_unknown_type_is_refused_M_20() -> None:
    refused("  Patientt:\n    id: structure\n", 2, "Patientt")


@pytest.mark.parametrize(
    ("entry", "said"),
    [("birthDate: D1 open", "is D2"), ("birthDate: structure", "is D2"), ("birthDate: D2 open", "condition need"), ("identifier[nir]: D3 open", "does not give D3"),
     ("name: D1 sometimes", "sometimes"), ("name:", "found nothing"), ("photo.title: D1", "no data class"), ("identifier: D1", "no data class")],
)  # fmt: skip
def test_class_not_of_the_element_or_the_matrix_is_refused_M_20(entry: str, said: str) -> None:
    refused(f"  Patient:\n    {entry}\n", 2, said)


def test_load_view_wants_demand_when_the_matrix_says_y() -> None:
    refused("  ServiceRequest:\n    orderDetail[situation]: D6 open\n", 2, "condition demand", recipient="prescripteur")
    load("  ServiceRequest:\n    orderDetail[situation]: D6 open demand\n", "prescripteur")


def test_load_view_gives_status_only_when_the_matrix_says_s() -> None:
    load("  Task:\n    status: D12\n", "saad")
    refused("  Task:\n    executionPeriod: D12\n", 2, "(s)", recipient="saad")


@pytest.mark.parametrize(
    ("kind", "entry", "cls"),
    [("Patient", "name[usual]: D1 offer open", "D1"), ("Patient", "name[usual]: D1 always", "D1"), ("ServiceRequest", "orderDetail[constraint]: D7 offer", "D7"),
     ("Organization", "name: D10 offer open", "D10"), ("Consent", "status: D11 always", "D11")],
)  # fmt: skip
def test_offer_shows_nothing_but_the_need_its_deadline_and_where_it_stands(kind: str, entry: str, cls: str) -> None:
    refused(f"  {kind}:\n    id: structure always\n    {entry}\n", 3, f"{cls} comes with acceptance")
    load(f"  {kind}:\n    id: structure always\n    {entry.replace('offer', 'closed').replace('always', 'open')}\n")


def test_offer_may_show_the_need_its_deadline_and_where_it_stands() -> None:
    load("  Task:\n    status: D12 always\n    priority: D5 offer open\n  ServiceRequest:\n    code: D4 offer\n")
    load("  Patient:\n    name: D1 always\n", "prescripteur")  # who asks has no offer in hand


@pytest.mark.parametrize("recipient", ["bailleur", "employeur", "ecole", "proche-confiance", "indicateurs"])
def test_no_electronic_view_can_be_written_for_the_matrix_rows_on_paper_M_07(recipient: str) -> None:
    refused("  Patient:\n    name: D1\n", 2, recipient=recipient)


def test_load_view_refuses_a_copied_text_of_a_code() -> None:
    refused("  ServiceRequest:\n    code.text: D4\n", 2, "label")
    refused("  Patient:\n    active: structure label\n", 2, "label")


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [("  Patient:\n    id: structure\nnonsense: 1\n", 3, "nonsense"), ("  Patient:\n    id: structure\nwrites: [acept]\n", 3, "acept"),
     ("  Patient:\n    id: structure\nwrites: [accept, accept]\n", 3, "accept"), ("  Patient: name\n", 1, "mapping"),
     ("  Patient:\n    id: structure\ncard:\n  who: Patient.name\n", 4, "Patient.name is not listed"),
     ("  Patient:\n    id: structure\ncard:\n  who: fact.birthDate\n", 4, "fact.reference"),
     ("  Patient:\n    id: structure\ncard:\n  who: Patient.id | shout\n", 4, "shout"),
     ("  Patient:\n    id: structure\ncard:\n  who: [[Patient.id]]\n", 4, "path"),
     ("  Patient:\n    id: structure\nsearch:\n  Task: [status]\n", 4, "status"), ("  Patient:\n    id: structure\nsort: [due]\n", 3, "due"),
     ("  Patient:\n    id: structure\nlabels:\n  need: {x: {en: X}}\n", 4, "fr first"),
     ("  Patient:\n    id: structure\nlabels:\n  need: x\n", 4, "fr first")],
)  # fmt: skip
def test_load_view_names_the_line_when_something_else_is_wrong(body: str, line: int, said: str) -> None:
    refused(body, line, said)


@pytest.mark.parametrize(
    ("text", "line"),
    [("view: [", 1), ("- a\n", 1), ("", 1), ("view: a\nview: b\n", 2), ("version: 1\n", 1), ("view: a\nrecipient: nobody\n", 2), ("a: &x {b: 1}\n<<: *x\n", 2)],
)  # fmt: skip
def test_load_view_refuses_what_is_no_view(text: str, line: int) -> None:
    with pytest.raises(SettingsError) as caught:
        load_view(text, name="trial.yaml", matrix=MATRIX)
    assert str(caught.value.variable).startswith("trial.yaml:")
    assert text == "view: [" or caught.value.variable == f"trial.yaml:{line}"


@pytest.mark.parametrize(("key", "value"), [("profile", "maybe"), ("ids", "raw"), ("version", "x")])
def test_load_view_refuses_a_setting_out_of_range(key: str, value: str) -> None:
    text = HEAD.format(recipient="saad").replace(f"{key}: drop", f"{key}: {value}").replace(f"{key}: pairwise", f"{key}: {value}")
    text = text.replace("version: 1", "version: x") if key == "version" else text
    with pytest.raises(SettingsError, match=key):
        load_view(text + "  Patient:\n    id: structure\n", name="trial.yaml", matrix=MATRIX)


def test_load_views_refuses_a_file_under_another_name(tmp_path: Path) -> None:
    for name in ("matrix.yaml", "labels.yaml"):
        (tmp_path / name).write_text((FOLDER / name).read_text("utf-8"), "utf-8")
    (tmp_path / "saad.yaml").write_text((FOLDER / "as-carsat.yaml").read_text("utf-8"), "utf-8")
    with pytest.raises(SettingsError, match="saad"):
        load_views(tmp_path)


PAPER, COUNTS = {"bailleur", "employeur", "ecole", "proche-confiance"}, {"indicateurs"}


def test_every_row_of_the_matrix_has_a_file_and_every_file_a_row() -> None:
    assert set(load_views()) == set(MATRIX.rows) - PAPER - COUNTS
    declared = load_declared()
    assert {name: one.way for name, one in declared.items()} == dict.fromkeys(PAPER, "paper") | dict.fromkeys(COUNTS, "counts") | {"stagiaire": "unit"}
    for name in PAPER | COUNTS:
        cell = "P" if name in PAPER else "agg"
        assert declared[name].classes == tuple(cls for cls in CLASSES if MATRIX.rows[name][cls] == cell)
    assert (default_folder() / "matrix.yaml").is_file()


def test_categories_of_the_network_file_are_those_with_a_view_and_no_others() -> None:
    inside = {"patient", "dossier-clinique", "secretariat"}  # not a service that a network file may name
    assert set(CATEGORIES) == set(load_views()) - inside and set(PAPER_ONLY) == PAPER


def test_needs_that_open_a_class_are_of_the_table_and_may_be_chosen() -> None:
    for view in VIEWS.values():
        for cls, codes in view.needs_for.items():
            assert codes <= {code for code, term in TERMS["need"].items() if not term.get("abstract")}, (view.name, cls)
            assert MATRIX.rows[view.recipient][cls] == "c"


def declares(body: str) -> Declared | Any:
    return load_file(f"view: t\nversion: 1\ntitle: {{fr: Essai, en: Trial}}\n{body}", name="trial.yaml", around=around_of())


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [("recipient: bailleur\nelectronic: none\nletter: [D1, D2]\n", 6, "D2"), ("recipient: bailleur\nelectronic: none\nletter: [D1, D1]\n", 6, "D1"),
     ("recipient: bailleur\nelectronic: some\n", 5, "none"), ("recipient: saad\nelectronic: none\nletter: [D1]\n", 6, "as P"),
     ("recipient: bailleur\nelectronic: none\nresources: {Patient: {name: D1}}\n", 6, "resources"), ("recipient: nobody\nelectronic: none\n", 4, "nobody"),
     ("recipient: indicateurs\naggregate: true\ncounts: [D1]\n", 6, "as agg"), ("recipient: indicateurs\naggregate: 1\n", 5, "true"),
     ("as_unit: true\nrecipient: saad\n", 5, "recipient"), ("as_unit: true\nwrites: [accept]\n", 5, "writes")],
)  # fmt: skip
def test_declaration_that_shows_something_or_is_not_of_the_matrix_is_refused(body: str, line: int, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        declares(body)
    assert caught.value.variable == f"trial.yaml:{line}"


@pytest.mark.parametrize("title", ["", "title: Essai\n", "title: {fr: Essai}\n", "title: {fr: Agent de la CAF, de la CPAM, en: Agent}\n", "title: {fr: 1, en: x}\n"])
def test_title_is_in_both_languages_whole(title: str) -> None:
    for body in ("recipient: bailleur\nelectronic: none\n", "recipient: saad\nprofile: drop\nsubsetted: true\nids: pairwise\nresources: {Patient: {id: structure}}\n"):
        with pytest.raises(SettingsError, match="title"):
            load_file(f"view: t\nversion: 1\n{title}{body}", name="trial.yaml", around=around_of())


# ── a card that several views share ──────────────────────────────────────────────────────────────
def shared_card(card: str, body: str = "  Patient:\n    name.family: D1\n") -> Any:
    text = HEAD.format(recipient="saad") + body + "card: c\n"
    return load_file(text, name="trial.yaml", around=replace(around_of(), cards=read(card, name="cards.yaml"))).card


def test_shared_card_has_what_the_view_lists_and_nothing_else() -> None:
    card = "c:\n  a: Patient.name.family\n  b: Patient.birthDate\n  d: {e: Patient.name.family, f: Patient.gender}\n  g: [Patient.gender, Patient.name.family]\n  h: {i: Patient.gender}\n"
    found = shared_card(card)
    assert set(found) == {"a", "d", "g"} and [key for key, _ in found["d"].fields] == ["e"] and len(found["g"].sources) == 1


@pytest.mark.parametrize(("card", "line", "said"), [
    ("c:\n  a: Patient.name.family\n  b: Patient.nmae\n", "cards.yaml:3", "R4 has no"), ("c:\n  a: Patient.name | shout\n", "cards.yaml:2", "shout"),
    ("other: {}\n", f"trial.yaml:{LINES + 3}", "expected a card"), ("c: x\n", f"trial.yaml:{LINES + 3}", "expected a card"),
])  # fmt: skip
def test_shared_card_is_refused_with_its_own_line_whatever_the_view_lists(card: str, line: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        shared_card(card)
    assert caught.value.variable == line


def test_folder_without_cards_holds_views_with_cards_of_their_own(tmp_path: Path) -> None:
    for name in ("matrix.yaml", "labels.yaml", "prescripteur.yaml"):
        (tmp_path / name).write_text((FOLDER / name).read_text("utf-8"), "utf-8")
    assert set(load_views(tmp_path)) == {"prescripteur"}


@pytest.mark.parametrize("name", ["labels.yaml", "matrix.yaml", "cards.yaml", "saad.yaml"])
def test_load_names_the_line_that_is_not_utf8(tmp_path: Path, name: str) -> None:
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(b"a:\n  b: \xe9\n")
    with pytest.raises(SettingsError, match="expected text in UTF-8") as caught:
        load_views(tmp_path)
    assert caught.value.variable == f"{name}:2" and caught.value.fix == f"save {name} as UTF-8"


def test_load_wants_the_labels_that_every_view_speaks(tmp_path: Path) -> None:
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "labels.yaml").write_text((FOLDER / "labels.yaml").read_text("utf-8").partition("notice:")[0], "utf-8")
    with pytest.raises(SettingsError, match="expected the label closed of notice"):
        load_views(tmp_path)


def test_load_labels_wants_french_first() -> None:
    with pytest.raises(SettingsError, match=r"labels\.yaml:2"):
        load_labels("task-status:\n  draft: {en: draft}\n")


def test_read_keeps_dates_and_no_as_text() -> None:
    assert dict(read("a: 2026-03-02\nb: no\nc: true\nd: 12\ne:\nf: '12'\n", name="x")) == {
        "a": "2026-03-02", "b": "no", "c": True, "d": 12, "e": None, "f": "12",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [(("D13 ", "D14 "), ""), (("saad:             C ", "saad:             Z "), "cells"), (("    birthDate: D2", "    birthDate: D22"), "D13"),
     (("    birthDate: D2", "    birthDay: D2"), "R4 has no"), (("    name: D1", "    name: D1 sometimes"), "D13"), (("version: 1", "versoin: 1"), "versoin")],
)  # fmt: skip
def test_load_matrix_refuses_what_it_does_not_know(change: tuple[str, str], said: str) -> None:
    text = (FOLDER / "matrix.yaml").read_text("utf-8").replace(*change, 1)
    if said:
        with pytest.raises(SettingsError, match=said) as caught:
            load_matrix(text)
        assert str(caught.value.variable).startswith("matrix.yaml:")


# ── the matrix ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.shared
def test_matrix_is_the_one_published(shared: Path) -> None:
    with (shared / "data" / "fr" / "view_matrix.csv").open(encoding="utf-8") as file:
        rows = {row.pop("destinataire"): row for row in csv.DictReader(file, delimiter=";")}
    assert {recipient: dict(cells) for recipient, cells in MATRIX.rows.items()} == rows


CELLS = [(view, cls) for view in VIEWS for cls in CLASSES]


@pytest.mark.parametrize(("view", "cls"), CELLS, ids=str)
def test_matrix_cell_is_kept_by_every_rule(view: str, cls: str) -> None:
    cell = MATRIX.rows[VIEWS[view].recipient][cls]
    rules = [rule for _, rule in VIEWS[view].rules if rule.cls == cls]
    if cell not in SHOWN:
        assert rules == []
    for rule in rules:
        assert rule.consent == (cell in "Cc")
        assert cell != "c" or "need" in rule.conditions
        assert cell != "y" or "demand" in rule.conditions


@pytest.mark.parametrize("view", VIEWS)
def test_matrix_cell_is_kept_by_what_comes_out(view: str) -> None:
    """No element of a forbidden class comes out, whatever the stage, the basis, the demand."""
    row = MATRIX.rows[VIEWS[view].recipient]
    for look in all_facts():
        for shown in see(view, look):
            for path in _flat(shown):
                found = MATRIX.class_of(shown["resourceType"], path)
                if found is None or found[0] == STRUCTURE:
                    continue
                assert row[found[0]] in SHOWN, (shown["resourceType"], path)
                assert look.basis == "consent" or row[found[0]] not in "Cc", (shown["resourceType"], path)


def _flat(resource: dict[str, Any]) -> set[str]:
    """Paths as the matrix writes them: with the selector that a value has."""
    found = set()
    for name, value in resource.items():
        for entry in value if isinstance(value, list) else [value]:
            found.add(f"{name}[{_selector(entry)}]" if name in ("orderDetail", "category", "identifier") else name)
            if isinstance(entry, dict):
                found |= {f"{name}.{inner}" for inner in entry}
    return {path for path in found if path.partition(".")[0] not in ("resourceType", "meta")}


def _selector(entry: Any) -> str:
    if "coding" not in entry:
        return "nir" if "1.2.250.1.213.1.4" in str(entry.get("system")) else "local"
    system = str(entry["coding"][0]["system"])
    return "us-core" if "us-core" in system else "sdohcc" if "sdoh-clinicalcare" in system else system.rpartition("/")[2]


def test_every_element_of_the_matrix_is_of_r4() -> None:
    for kind, paths in MATRIX.elements.items():
        for path in paths:
            assert steps_of(path)[0].name in {name.partition(".")[0] for name in ELEMENTS[kind]} | {"id"}


@pytest.mark.shared
def test_elements_are_those_of_r4(shared: Path) -> None:
    published = json.loads((shared / "data" / "r4" / "elements.json").read_text("utf-8"))
    for owner, words in TABLE.items():
        for word in words.split():
            path, _, types = word.partition(":")
            given = [kind for kind in published[f"{owner}.{path}"]["types"] if kind]
            assert types == "*" or types.split("|") == (given or [""]), f"{owner}.{path}"
        skipped = {"id", "extension", "modifierExtension", "implicitRules", "language", "contained", "meta", "text"}
        there = {path.removeprefix(f"{owner}.") for path in published if path.startswith(f"{owner}.")}
        missing = {path for path in there if path.rpartition(".")[2] not in skipped} - {word.partition(":")[0] for word in words.split()}
        assert not missing, (owner, missing)


@pytest.mark.parametrize("kind", OPENED)
def test_opened_datatypes_never_give_display_text_or_assigner(kind: str) -> None:
    for path in OPENED[kind]:
        assert path.rpartition(".")[2] not in ("display", "text", "assigner", "extension", "id")
        assert path.partition(".")[0] in ELEMENTS[kind]


def test_leaves_of_a_choice_element() -> None:
    assert [".".join(step.name for step in leaf.steps) for leaf in leaves("Task", "output.valueReference")] == ["output.valueReference.reference"]
    assert [leaf.types[-1] for leaf in leaves("Communication", "payload.contentString")] == ["string"]
    with pytest.raises(ValueError, match="R4 has no"):
        leaves("Communication", "payload.contentQuantity")


def test_text_of_a_code_deep_in_an_element_is_only_ever_its_label() -> None:
    refused("  Task:\n    id: structure\n    output.valueCodeableConcept.text: D12 open\n", 3, "only ever its label")


def test_classes_shown_on_demand_are_those_whose_lines_say_so() -> None:
    assert {name: set(view.on_demand) for name, view in VIEWS.items() if view.on_demand} == {
        "patient": {"D9"}, "prescripteur": {"D3", "D6", "D9"}, "as-msp-equipe": {"D3", "D9"}, "idel-ssiad": {"D3", "D9"},
    }  # fmt: skip


@pytest.mark.parametrize("type", ["Location", "Appointment", "RelatedPerson"])
def test_view_may_speak_of_a_type_that_no_file_of_ours_does_yet(type: str) -> None:
    assert type in RESOURCES
