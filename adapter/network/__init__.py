"""Who takes part: the network file as frozen shapes, its look-ups, and the FHIR directory it stands for.

`parse` and `load` read `network.yaml`; `merged` keeps what was removed as inactive; `to_json` and
`from_json` keep the applied network in the store; `resources` makes the FHIR R4 directory.
"""

from adapter.network.hours import DAYS, Opening, available_time, hours_from
from adapter.network.kept import from_json, merged, to_json, without
from adapter.network.model import (
    CATEGORIES,
    PRESCRIBER,
    ROLES,
    ClientEntry,
    Closure,
    EhrAuth,
    EhrEntry,
    Identifier,
    Limits,
    Network,
    Organisation,
    Permanence,
    Person,
    RdvEntry,
    Secret,
    Unit,
)
from adapter.network.parse import load, parse
from adapter.network.resources import resources
from adapter.network.words import Words

__all__ = [
    "CATEGORIES", "ClientEntry", "Closure", "DAYS", "EhrAuth", "EhrEntry", "Identifier", "Limits", "Network", "Opening", "Organisation",
    "PRESCRIBER", "Permanence", "Person", "ROLES", "RdvEntry", "Secret", "Unit", "Words", "available_time", "from_json", "hours_from", "load",
    "merged", "parse",
    "resources", "to_json", "without",
]
