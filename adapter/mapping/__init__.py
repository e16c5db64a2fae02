"""Social records to FHIR and back, by the documents of `mappings/`. Pure: what it needs is handed in.

The language is described on one page, `mappings/README.md`.
"""

from adapter.mapping.check import Failure, Trial, check, report, try_
from adapter.mapping.compare import Changed
from adapter.mapping.context import MapContext, Mapped, RecordRefused, Remark, UnitFacts
from adapter.mapping.explain import Origin, explain
from adapter.mapping.mapping import Mapping, Record, compile_document, load, load_one
from adapter.mapping.start import start
from adapter.mapping.terms import Table, Term, Terms

__all__ = [
    "Changed", "Failure", "MapContext", "Mapped", "Mapping", "Origin", "Record", "RecordRefused", "Remark", "Table", "Term", "Terms", "Trial",
    "UnitFacts", "check", "compile_document", "explain", "load", "load_one", "report", "start", "try_",
]  # fmt: skip
