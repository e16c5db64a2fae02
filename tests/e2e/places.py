"""More services than the demonstration's network has: a municipal service, a disability office, a social worker of the département, one of the health
centre's own team. All invented."""

from __future__ import annotations

from dataclasses import replace

from adapter.network import Organisation, Person, Unit
from adapter.ports import Principal
from tests.e2e.stage import Stage

CCAS = Principal("ccas", "ccas-rouen", "ccas-accueil", "service", person="agent-ccas")
MDPH = Principal("mdph", "mdph-76", "mdph-accueil", "service", person="agent-mdph")
MDS = Principal("mds", "departement-76", "mds-rouen", "service", person="as-mds")
MSP = Principal("as-msp", "as-msp-saint-eloi", "as-msp-bureau", "service", person="as-maison")
OTHER_MSP = replace(MSP, person="as-remplacante")
_PACK = {"controller": "fictif", "legal_basis": "fictive", "secrecy_text": "fictif"}


def _service(who: Principal, category: str, name: str) -> Organisation:
    unit = Unit(key=who.unit or "", name=f"{name}, accueil", phone="02 61 91 00 90", service="entretien-as")
    return Organisation(key=who.organisation, kind="service", name=name, category=category, units=(unit,), **_PACK)


def settle(stage: Stage) -> None:
    """Adds them to the network in force."""
    services = (
        _service(CCAS, "ccas", "CCAS fictif de Rouen"),
        _service(MDPH, "mdph", "MDPH fictive de Seine-Maritime"),
        _service(MDS, "as-departement", "Maison des solidarités fictive"),
        _service(MSP, "as-msp-equipe", "Assistante sociale fictive de la maison de santé"),
    )
    people = tuple(
        Person(key=who.person or "", name=f"Personne {who.person}", role="social-worker", unit=who.unit or "")
        for who in (CCAS, MDPH, MDS, MSP, OTHER_MSP)
    )
    before = stage.app.network
    stage.app.apply_network(replace(before, organisations=(*before.organisations, *services), people=(*before.people, *people)))
