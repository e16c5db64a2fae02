"""Tables of calls as a secretary writes them. Every person is invented; what begins with Zyx must not come out anywhere."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from adapter.app import App
from adapter.drop import Run, Sending

CALL = {
    "N° d'appel": "A-1", "Date": "06/03/2026", "Heure": "18h50", "Médecin": "Exemple", "Téléphone du médecin": "02 61 91 00 12", "Nom": "Zyxdurand", "Prénom": "Zyxjeanne",
    "Né(e) le": "03/02/1938", "Sexe": "Mme", "Téléphone": "06 39 98 00 01", "Adresse": "12 rue Zyxexemple", "Code postal": "76100.0", "Commune": "Zyxville", "Besoins": "repas, seul",
    "Urgence": "oui", "Accord du médecin": "x", "Accord de la personne": "x", "Remarques": "Zyxmots",
}  # fmt: skip
REFUSED, DECLINED = {"Code postal": "Zyx7610A"}, {"Accord de la personne": "refus"}


def call(id: str, **changed: str) -> dict[str, str]:
    return CALL | {"N° d'appel": id} | changed


def written(file: Path, calls: Iterable[Mapping[str, str]]) -> Path:
    """A CSV as a French spreadsheet writes it."""
    with file.open("w", encoding="utf-8-sig", newline="") as text:
        table = csv.DictWriter(text, list(CALL), delimiter=";", extrasaction="raise")
        table.writeheader()
        table.writerows(calls)
    return file


def told(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text, delimiter=";", strict=True))


def what(app: App, client: str = "coursiers") -> Sending:
    return Sending(client, app.columns["appels-tableur"])


def run(app: App, file: Path, *, id: str = "run-1", client: str = "coursiers") -> list[dict[str, str]]:
    """All of it taken in; the outcome."""
    begun = Run(app, file, what(app, client), id=id)
    try:
        while begun.step():
            pass
    finally:
        begun.close()
    Run.forget(app, id)
    return told(begun.files.outcome)
