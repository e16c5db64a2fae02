"""Social records to FHIR and back, by the documents of `mappings/`. Pure: what it needs is handed in.

The language is described on one page, `mappings/README.md`.
"""

from adapter.mapping.check import Failure, Trial, check, report, try_
from adapter.mapping.columns import OURS, Columns, Filled, Fit, Told, load_column_map, load_columns
from adapter.mapping.compare import Changed
from adapter.mapping.context import MapContext, Mapped, RecordRefused, Remark, UnitFacts
from adapter.mapping.explain import Origin, explain
from adapter.mapping.mapping import Mapping, Record, compile_document, load, load_one
from adapter.mapping.start import start
from adapter.mapping.tabular import check_columns
from adapter.mapping.terms import Table, Term, Terms

__all__ = [
    "OURS", "Changed", "Columns", "Failure", "Filled", "Fit", "MapContext", "Mapped", "Mapping", "Origin", "Record", "RecordRefused", "Remark", "Table",
    "Term", "Terms", "Told", "Trial", "UnitFacts", "check", "check_columns", "compile_document", "explain", "load", "load_column_map", "load_columns",
    "load_one", "report", "start", "try_",
]  # fmt: skip
