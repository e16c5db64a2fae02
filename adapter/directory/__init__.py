"""The directory of what there is around: data·inclusion structures and services as FHIR R4 Organization, Location and HealthcareService.

It is public reference data and not the network: nothing in it may own a Task, has an account or a view, until the network file names a
unit of its own. What comes from here is told apart by `meta.tag` (`annuaire`), by its identifier system and by ids that begin with `di-`.
"""

from adapter.directory.importing import Import, Report
from adapter.directory.naming import DirectorySystems
from adapter.directory.reading import SERVICES, STRUCTURES, Made, made
from adapter.directory.records import Rows, records
from adapter.directory.searching import Hit, Wanted, search
from adapter.directory.who import Recipient, who

__all__ = ["DirectorySystems", "Hit", "Import", "Made", "Recipient", "Report", "Rows", "SERVICES", "STRUCTURES", "Wanted", "made", "records", "search", "who"]
