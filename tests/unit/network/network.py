"""A small network of invented services, as text: each test says only what it changes."""

from __future__ import annotations

TEXT = """\
version: 1
zone: Europe/Paris
organisations:
  - key: clinic
    kind: clinic
    name: Maison de santé
    phone: "02 61 91 00 01"
    commune: "76540"
    identifiers: {siret: "00000000000010", finess: "760000010"}
    units:
      - {key: desk, name: Secrétariat}
    ehr:
      url: https://ehr.example/fhir
      auth: {kind: bearer, secret_file: secrets/ehr}
      remote: {clinic: Organization/77, gp: PractitionerRole/9}
      interval: 15m
      hours: {mon-fri: "07:00-20:00"}
      limits: {rate: 5, parallel: 1, page: 50}
  - key: asso
    kind: service
    name: Coursiers
    category: coursier-dac-asso
    controller: Asso
    legal_basis: mission
    secrecy_text: engagement de confidentialité signé
    units:
      - key: coursier
        name: Coursiers de Rouen
        phone: "06 39 98 00 01"
        service: intervention-coursier
        hours: {mon-fri: "09:00-18:00"}
        territory: ["76"]
        ages: 18+
      - key: pool
        name: Portage
        stage: pool
        hours: {mon-fri: ["08:30-12:30", "13:30-17:30"]}
        territory: ["76540"]
        ages: 60-90
        schemes: [regime-general]
        needs: [denutrition]
        closures: [{from: 2026-08-03, to: 2026-08-21, why: Congés}]
people:
  - {key: gp, name: Dr Anne de la Tour, role: doctor, organisation: clinic, identifiers: {rpps: "00000000101"}}
  - {key: lea, name: {given: Léa, family: Fictive}, role: coursier, unit: coursier, phone: "06 39 98 00 02", from: 2026-01-01}
clients:
  - {id: clinic-app, organisation: clinic, jwks_url: https://clinic.example/jwks, scopes: [system/*.cruds]}
  - {id: asso-app, organisation: asso, unit: coursier, secret_file: secrets/asso, scopes: [views]}
"""


def changed(*pairs: tuple[str, str]) -> str:
    """TEXT with each first string replaced by the second; the first must be there."""
    text = TEXT
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def line_of(text: str, piece: str) -> int:
    """Number of the first line that holds `piece`."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if piece in line)
