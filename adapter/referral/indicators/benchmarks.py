"""What the literature has to hold the figures against (france.md 5): each with its source and how much it proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STRENGTHS: Mapping[str, Mapping[str, str]] = {
    "press": {"fr": "presse, dit par le service lui-même", "en": "press, said by the service itself"},
    "declared": {"fr": "déclaré", "en": "declared"},
    "internal": {"fr": "interne, sans groupe témoin", "en": "internal, uncontrolled"},
    "qualitative": {"fr": "entretiens, sans mesure", "en": "interviews, nothing measured"},
    "administrative": {"fr": "données de gestion", "en": "administrative data"},
    "observational": {"fr": "grande étude d'observation", "en": "large observational study"},
    "rule": {"fr": "règle d'un service, non un résultat", "en": "rule of a service, not a result"},
    "target": {"fr": "objectif, non une mesure", "en": "target, not a measurement"},
}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`value` with `unit` ("share" from 0 to 1), where a chart may draw it; None: words only."""

    fr: str
    en: str
    source: str
    strength: str
    value: float | None = None
    unit: str = ""


_PFIDASS, _LIAISON = "PFIDASS, 20minutes 2017", "A. Conseil, Rouen 2020"
BENCHMARKS: Mapping[str, tuple[Benchmark, ...]] = {
    "I1": (
        Benchmark("environ 185 personnes par an et par coursier (370 en 2012, 2 salariés)", "about 185 persons a year per coursier (370 in 2012, 2 employees)",
                  "agevillage, 22/04/2013", "press", 185, "referrals"),
    ),
    "I2": (Benchmark("première rencontre en 24 à 48 h", "first meeting within 24 to 48 h", "lescentresdesante.com (coursier)", "declared", 48, "hours"),),
    "I3": (Benchmark("relance à 10 jours, expiration à 30", "reminder at 10 days, expiry at 30", "DORA", "rule", 720, "hours"),),
    "I4": (Benchmark("94 jours jusqu'à l'orientation du RSA, à battre", "94 days until RSA orientation, to beat", "DREES 2017", "administrative", 94, "days"),),
    "I6": (
        Benchmark("27 % de réorientations (1 309 pour 3 601)", "27 % re-oriented (1,309 for 3,601)", "Haute-Vienne 2019 (RSA)", "administrative",
                  0.27, "share"),
    ),
    "I7": (Benchmark("« refus de certains patients », sans nombre", "“refusal by some patients”, no number", _LIAISON, "qualitative"),),
    "I8": (Benchmark("de 50 % à moins de 15 % d'absences", "from 50 % to less than 15 % absent", "rdv-insertion (RSA)", "administrative", 0.15, "share"),),
    "I10": (
        Benchmark("38 % avec une intervention notée : le plancher", "38 % with any intervention recorded: the floor", "Bu 2024, n = 160 128 (UK)",
                  "observational", 0.38, "share"),
    ),
    "I11": (
        Benchmark("30 % aboutis, 42 % en cours, 28 % abandonnés ou sans suite", "30 % done, 42 % under way, 28 % dropped or no action", _PFIDASS,
                  "administrative", 0.30, "share"),
        Benchmark("36 % aidés, la moitié résolus", "36 % received help, half solved", "US 211", "observational", 0.36, "share"),
    ),
    "I12": (
        Benchmark("70 jours en moyenne", "70 days on average", _PFIDASS, "administrative", 70, "days"),
        Benchmark("85 jours", "85 days", "PFIDASS Flandres", "administrative", 85, "days"),
        Benchmark("4 à 5 mois, 3,5 entretiens", "4 to 5 months, 3.5 interviews", "Service social de l'Assurance maladie, 2021", "administrative"),
    ),
    "I13": (Benchmark("un seul référent", "one case owner", _LIAISON, "target", 1, "workers"),),
    "I15": (
        Benchmark("7 jours par personne (476 pour 68), dits par leurs médecins", "7 days per person (476 for 68), said by their doctors",
                  "ARESPA, agevillage 22/04/2013", "internal", 7, "days"),
    ),
}  # fmt: skip
