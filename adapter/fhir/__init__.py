"""The wire: FHIR R4 as JSON in and out. The only room that knows fhir.resources, and it imports it only when
the first type is compiled."""

from adapter.fhir.checking import check
from adapter.fhir.dates import after, span
from adapter.fhir.facts import resource_types, served_types
from adapter.fhir.outcome import outcome
from adapter.fhir.reading import parse, refuse
from adapter.fhir.schema import validator
from adapter.fhir.writing import dumps, exact, stamp

__all__ = ["after", "check", "dumps", "exact", "outcome", "parse", "refuse", "resource_types", "served_types", "span", "stamp", "warm"]


def warm(*types: str) -> None:
    """Compiles the validators of these types now (a third of a second for the first), not at the first request."""
    for type in types:
        validator(type)
