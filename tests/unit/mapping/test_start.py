"""`liaison map new`: a document to begin with, from one record of a tool that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from adapter.cli.mappings import app
from adapter.errors import MappingError
from adapter.mapping import Terms, check, compile_document, start
from adapter.mapping.document import parse
from adapter.mapping.gaps import GAP, gaps

MAPPINGS = Path(__file__).parents[3] / "mappings"
TERMS = Terms.load(MAPPINGS / "terms")
PARTS = {"referral": (MAPPINGS / "parts" / "referral.yaml").read_text("utf-8")}
SAMPLE: dict[str, Any] = {
    "ref": "D-12", "date": "2026-03-06T10:00:00+01:00", "structure": "coursier-rouen",
    "bénéficiaire": "clé qui n'est pas simple",
    "beneficiaire": {"Nom": "Modele", "prénom": "x", "prenom": "Jeanne", "date_naissance": "03/02/1938", "tel": "06 39 98 00 01", "e-mail": "j@exemple.example", "courriel": "j@exemple.example",
                     "sexe": "Madame", "adresse": {"rue": "12 rue de l'Exemple", "cp": "76100", "ville": "Rouen"}},
    "motifs": ["aide alimentaire", "isolé: oui"], "commentaire": "Zyx", "score": 3, "urgent": True, "suivi": {}, "pieces": [{"nom": "a.pdf"}], "vide": None,
}  # fmt: skip
FILLED = {
    "title: {fr: GAP, en: GAP}": "title: {fr: Dossier, en: File}", "why: GAP": "why: not part of a request", '"aide alimentaire": GAP': '"aide alimentaire": denutrition',
    '"isolé: oui": GAP': '"isolé: oui": isolement', '"Madame": GAP': '"Madame": female', "[{is: GAP}]": "[{is: oui}]",
}  # fmt: skip


def filled(text: str, **more: str) -> str:
    head, _, rest = text.partition("mapping: ")
    for old, new in (FILLED | more).items():
        rest = rest.replace(old, new)
    return head + "mapping: " + rest


def compiled(text: str) -> Any:
    return compile_document(text, name="dossier.yaml", terms=TERMS, parts=PARTS)


def test_start_is_taken_by_check_once_its_gaps_are_filled() -> None:
    text = start("dossier", SAMPLE, terms=TERMS)
    with pytest.raises(MappingError, match=r"a gap to fill, and \d+ more"):
        compiled(text)
    document = compiled(filled(text))
    assert check(document) == []
    assert {field.name for field in document.fields if not field.never} == {
        "ref", "date", "structure", "motifs", "beneficiaire.Nom", "beneficiaire.prenom", "beneficiaire.date_naissance", "beneficiaire.tel", "beneficiaire.courriel",
        "beneficiaire.sexe", "beneficiaire.adresse.rue", "beneficiaire.adresse.cp", "beneficiaire.adresse.ville",
    }  # fmt: skip


@pytest.mark.parametrize("without", ["ref", "date", "structure", "beneficiaire", "motifs"])
def test_what_the_sample_does_not_show_is_a_gap_or_left_out(without: str) -> None:
    sample = {key: value for key, value in SAMPLE.items() if key != without}
    text = start("dossier", sample, terms=TERMS)
    named = {"ref": "record_id: GAP", "structure": "recipient: GAP", "motifs": "needs: GAP"}
    assert without not in named or named[without] in text
    if without in ("date", "beneficiaire"):
        assert check(compiled(filled(text))) == []


def test_gap_is_told_by_its_line_wherever_it_stands() -> None:
    text = "a: GAP\nb:\n  - x\n  - GAP\nc: {GAP: 1}\nd: GAPS\n"
    assert list(gaps(parse(text, name="f"))) == ["f:1", "f:4", "f:5"] and GAP == "GAP"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
KNOWN = st.sampled_from(["nom", "prenom", "id", "date", "naissance", "tel", "email", "besoins", "sexe", "cp", "destinataire", "$nom", "a.b", "GAP"])


@settings(max_examples=150)
@given(sample=st.dictionaries(KNOWN | st.text(min_size=1, max_size=8), JSON, min_size=1, max_size=6))
def test_any_record_gives_a_document_that_is_read_and_names_its_gaps(sample: dict[str, Any]) -> None:
    assert list(gaps(parse(start("dossier", sample, terms=TERMS), name="f")))


def test_new_writes_what_check_takes_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample.json").write_text(json.dumps(SAMPLE))
    made = CliRunner().invoke(app, ["new", "dossier", "--from", "sample.json"])
    assert made.exit_code == 0 and made.stdout.startswith("# A start")
    (tmp_path / "dossier.yaml").write_text(filled(made.stdout), "utf-8")
    assert CliRunner().invoke(app, ["check", "dossier.yaml"]).stdout == "dossier.yaml  holds\n"
    tried = CliRunner().invoke(app, ["try", "dossier.yaml", "sample.json", "--json"])
    assert tried.exit_code == 0 and json.loads(tried.stdout)["problems"] == []
    assert CliRunner().invoke(app, ["new", "Mon outil", "--from", "sample.json"]).exit_code != 0
