"""Invented records and a context whose ids count up: id-1, id-2, …"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from adapter.mapping import MapContext, UnitFacts, load

MAPPINGS = Path(__file__).resolve().parents[3] / "mappings"
DOCUMENTS = load(MAPPINGS)
AT = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
DUE = datetime(2026, 3, 10, 17, 0, tzinfo=UTC)
UNITS = {
    "coursier-rouen": UnitFacts("HealthcareService/coursier-rouen", "Organization/asso-coursiers", "intervention-coursier"),
    "permanence": UnitFacts("HealthcareService/permanence", "Organization/carsat", "entretien-as"),
}

CALL: dict[str, Any] = {
    "id": "appel-1",
    "appel": "2026-03-06T18:50:00+01:00",
    "appelant": {"nom": "Exemple", "prenom": "Paul", "telephone": "+33261910011", "commune": "Rouen"},
    "preneur_appel": "lea",
    "personne": {
        "nom": "Durand", "nom_naissance": "Dupont", "prenom": "Jeanne", "naissance": "1938-02-03", "sexe": "F",
        "telephone": "+33639980001", "canal_sur": "oui",
        "adresse": {"ligne": "12 rue de l'Exemple", "code_postal": "76100", "commune": "Rouen"},
    },
    "besoins": ["denutrition", "isolement"],
    "urgence": "48h",
    "service": "intervention-coursier",
    "contraintes": ["marche-aide"],
    "situation": ["vit-seul"],
    "entourage": [{"role": "voisin", "age": "60-74"}],
    "destinataire": "coursier-rouen",
    "deja_suivi": "non",
    "accord_medecin": {"accord": "oui", "par": "lea", "le": "2026-03-06T18:50:00+01:00", "comment": "telephone"},
    "accord_patient": {
        "accord": "oui", "par": "lea", "le": "2026-03-06T18:55:00+01:00", "comment": "telephone", "texte": "accord-1", "langue": "fr",
    },
    "mots_du_medecin": "Ne mange plus depuis dix jours.",
}  # fmt: skip

FORM: dict[str, Any] = {
    "id": "fiche-1",
    "date": "2026-03-02",
    "demandeur": {"nom": "Exemple", "prenom": "Paul", "qualification": "Médecin généraliste"},
    "personne": {
        "nom_usage": "Durand", "nom_naissance": "Dupont", "prenom": "Jeanne", "naissance": "1968-02-03", "telephone": "+33639980001",
        "adresse": {"ligne": "12 rue de l'Exemple", "code_postal": "76100", "commune": "Rouen"},
    },
    "accord_patient": {"accord": "oui", "par": "secretaire", "comment": "presence", "texte": "accord-1", "langue": "fr"},
    "date_rdv": "2026-03-10T09:30:00+01:00",
    "motifs": ["Accès aux droits", "Maintien dans l'emploi"],
    "informations_complementaires": "En arrêt depuis huit mois.",
    "destinataire": "permanence",
}  # fmt: skip


def context(**changed: Any) -> MapContext:
    """A clinic's context at 19:00 in Paris; every call counts ids afresh."""
    numbers = count(1)
    given: dict[str, Any] = {
        "at": AT, "new_id": lambda: f"id-{next(numbers)}", "clinic": "Organization/msp", "unit": UNITS.get,
        "due": lambda unit, asked, priority: DUE,
    }  # fmt: skip
    return MapContext(**given | changed)


def changed(record: dict[str, Any], **values: Any) -> dict[str, Any]:
    """A copy with some fields set (`personne__nom` reaches inside) or, where the value is None, taken out."""
    copy = deepcopy(record)
    for name, value in values.items():
        *way, last = name.split("__")
        inside = copy
        for key in way:
            inside = inside[key]
        if value is None:
            inside.pop(last, None)
        else:
            inside[last] = value
    return copy


def only(resources: list[dict[str, Any]], type: str) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["resourceType"] == type]


def codes(concepts: list[dict[str, Any]] | None, system: str) -> list[str]:
    """The codes of one system among codeable concepts."""
    return [coding["code"] for concept in concepts or [] for coding in concept["coding"] if coding["system"].endswith(system)]
