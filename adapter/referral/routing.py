"""Whether a unit takes such a person for such needs, before anything is sent (workflow.md 3), and who else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapter.network import Network, Unit

INACTIVE, TERRITORY, AGE, SCHEME, NEED = "inactive", "territory", "age", "scheme", "need"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the person and asked for; None or empty is not known, and excludes nobody.
    `commune` is an INSEE code, `age` in whole years."""

    needs: tuple[str, ...] = ()
    commune: str | None = None
    age: int | None = None
    scheme: str | None = None
    service: str = ""


def reasons(network: Network, unit: str, asked: Asked) -> list[str]:
    """Why the unit does not fit, as codes; empty when it does."""
    found, organisation = network.unit(unit), network.unit_organisation(unit)
    if found is None or organisation is None or not found.active or not organisation.active:
        return [INACTIVE]
    return _reasons(found, asked)


def _reasons(unit: Unit, asked: Asked) -> list[str]:
    checks = (
        (TERRITORY, unit.serves(asked.commune)),
        (AGE, unit.takes_age(asked.age)),
        (SCHEME, unit.takes_scheme(asked.scheme)),
        (NEED, all(unit.takes_need(need) for need in asked.needs)),
    )
    return [reason for reason, fits in checks if not fits]


def fitting(network: Network, asked: Asked, *, beside: Sequence[str] = ()) -> list[Unit]:
    """The active units of services that fit, without those of `beside`: those that offer the service asked first, then
    those of the categories of `beside`, then by the order of the network file."""
    like = {organisation.category for key in beside if (organisation := network.unit_organisation(key))}

    def rank(unit: Unit) -> tuple[bool, bool]:
        organisation = network.unit_organisation(unit.key)
        return (bool(asked.service) and unit.service != asked.service, organisation is None or organisation.category not in like)

    units = network.units_for(commune=asked.commune, age=asked.age, scheme=asked.scheme)
    return sorted((unit for unit in units if unit.key not in beside and not _reasons(unit, asked)), key=rank)
