"""What the rooms hand each other: small frozen shapes and the protocols of the concrete rooms.

A resource is always a plain dict as FHIR R4 JSON has it; references inside the house are relative
(`Task/ID`) and use our own ids.
"""

from adapter.ports.ehr import Capability, EhrClient, Remote
from adapter.ports.query import Clause, Include, Query
from adapter.ports.shapes import (
    BEHIND,
    Ask,
    AuditRow,
    Basis,
    Change,
    ConflictRow,
    Decision,
    Found,
    IndexRow,
    Letter,
    LetterState,
    Link,
    Pile,
    Resource,
    Store,
    T,
    Uow,
    Version,
)
from adapter.who import Act, Principal

__all__ = [
    "BEHIND",
    "Act",
    "Ask",
    "AuditRow",
    "Basis",
    "Capability",
    "Change",
    "Clause",
    "ConflictRow",
    "Decision",
    "EhrClient",
    "Found",
    "Include",
    "IndexRow",
    "Letter",
    "LetterState",
    "Link",
    "Pile",
    "Principal",
    "Query",
    "Remote",
    "Resource",
    "Store",
    "T",
    "Uow",
    "Version",
]
