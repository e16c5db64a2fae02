"""Invented records of data·inclusion."""

from __future__ import annotations

from typing import Any


def structure(number: int) -> dict[str, Any]:
    return {
        "source": "dora", "id": f"s{number}", "nom": f"Structure {number}", "date_maj": "2026-03-02", "adresse": f"{number} rue de l'Exemple", "code_postal": "76100", "commune": "Rouen",
        "code_insee": "76540", "latitude": 49.44, "longitude": 1.09, "telephone": "02 61 91 00 01", "horaires_accueil": "Mo-Fr 09:00-12:00",
    }  # fmt: skip


def service(number: int) -> dict[str, Any]:
    return {
        "source": "dora", "id": f"v{number}", "structure_id": f"s{number if number < 10 else 0}", "nom": f"Service {number}", "description": "Un service inventé.", "date_maj": "2026-03-02",
        "thematiques": ["remobilisation--lien-social"], "publics": ["seniors"], "zone_eligibilite": ["76"], "modes_mobilisation": ["telephoner"],
    }  # fmt: skip
