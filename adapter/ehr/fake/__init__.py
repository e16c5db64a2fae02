"""A public double of an EHR: a small real FHIR R4 server on loopback that does what EHRs do when things go wrong.

    with FakeEhr(faults=[Fault("cut-after", on="POST Task")]) as ehr:
        ...                       # a client of yours, on ehr.base_url
        ehr.inject(busy(503, retry_after=120), Fault("conflict-409", times=None))
        ehr.edit("Task", "7", {"status": "accepted"})       # a clinician at work

What happens to a request is a `Fault` (faults.py has the list; each kind strikes what its `on` names). What happens in the
practice is a method or a function: `plant`, `edit`, `delete`, `merge_patients`, `move_identifier`, `snapshot` and `restore`,
`ahead` (its clock), a fault "meanwhile" with an `act` (between two requests of a client). Subscriptions are served by `hooks`
(hooks.py), who may come in is a guard's say (tokens.py). Nothing here sleeps: what waits, waits for an event.
"""

from adapter.ehr.fake.faults import Fault, busy, parsed
from adapter.ehr.fake.hooks import Hooks, Notice
from adapter.ehr.fake.practice import merge_patients, move_identifier
from adapter.ehr.fake.server import FakeEhr, Recorded, serve
from adapter.ehr.fake.tokens import Guard, HeaderGuard, TokenGuard

__all__ = [
    "FakeEhr",
    "Fault",
    "Guard",
    "HeaderGuard",
    "Hooks",
    "Notice",
    "Recorded",
    "TokenGuard",
    "busy",
    "merge_patients",
    "move_identifier",
    "parsed",
    "serve",
]
