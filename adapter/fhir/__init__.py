"""The wire: FHIR R4 as JSON in and out, and as XML where lxml is there. The only room that knows fhir.resources, and it imports it only when
the first type is compiled."""

from adapter.fhir.bundle import dated, searchset
from adapter.fhir.capability import capability
from adapter.fhir.checking import check
from adapter.fhir.dates import after, span
from adapter.fhir.facts import resource_types, served_types
from adapter.fhir.index import rows
from adapter.fhir.outcome import outcome
from adapter.fhir.parameters import CORE_TYPES
from adapter.fhir.reading import load, parse, refuse
from adapter.fhir.schema import warm
from adapter.fhir.search import DEFAULT_COUNT, query
from adapter.fhir.writing import dumps, exact, stamp
from adapter.fhir.xml_document import xml_available
from adapter.fhir.xml_reading import from_xml
from adapter.fhir.xml_writing import to_xml

__all__ = [
    "CORE_TYPES", "DEFAULT_COUNT", "after", "capability", "check", "dated", "dumps", "exact", "from_xml", "load", "outcome", "parse", "query", "refuse",
    "resource_types", "rows", "searchset", "served_types", "span", "stamp", "to_xml", "warm", "xml_available",
]
