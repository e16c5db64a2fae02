"""The names of the directory: its ids, its systems, and the search rows that only we ask by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from adapter.names import Systems
from adapter.terminology import INCLUSION

PREFIX = "di-"  # of every id: no key of the network file is taken by chance
TAG = "annuaire"
SOURCE, PUBLIC, CELL = "_directory", "_public", "_cell"  # search rows: source of a record, whom it is for, where it stands
EVERYBODY = "tous-publics"
INSEE_EXTENSION = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code"
INSEE_COMMUNE = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"


def id_of(kind: str, source: str, key: str) -> str:
    """The id of a record's resources: the same record has the same one wherever and whenever it is imported."""
    return PREFIX + hashlib.sha256(f"{kind}\n{source}\n{key}".encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class DirectorySystems:
    """The systems of codes and identifiers: data·inclusion publishes no URIs for its lists, so they hang under ours."""

    systems: Systems

    def codes(self, table: str) -> str:
        """`thematique`, `public`, `type`, `reseau`, `mode-mobilisation`, `mode-accueil`, `mobilisable-par`."""
        return self.systems.code(INCLUSION if table == "thematique" else f"data-inclusion-{table}")

    def record(self, kind: str) -> str:
        """Identifiers of structures or services: `source--id`, as data·inclusion writes them."""
        return self.systems.sid(f"data-inclusion-{kind.removesuffix('s')}")

    @property
    def zone(self) -> str:
        """Codes of the official geography (COG), and `france`."""
        return self.systems.sid("cog")

    @property
    def tag(self) -> dict[str, str]:
        return {"system": self.systems.code("tag"), "code": TAG}
