"""What is done once, before the forks: all that no mutant of a target can reach is imported, and every source is compiled."""

from __future__ import annotations

import ast
import gc
import importlib
import sys
from collections.abc import Collection, Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = (
    "pytest", "_pytest.assertion.rewrite", "_pytest.unraisableexception", "hypothesis.strategies", "hypothesis.internal.conjecture.engine", "orjson", "yaml",
    "httpx", "fastapi", "sqlalchemy.dialects.sqlite", "typer.testing", "rich.console", "prometheus_client", "responses", "time_machine", "zoneinfo",
    "sqlite3", "http.server", "requests",
)  # fmt: skip


def warm(files: Collection[Path]) -> None:
    """For mutants of `files`; to be called before the first of them is imported."""
    for name in (*LIBRARIES, *beyond(files)):
        importlib.import_module(name)
    _compiled()
    _read_once(files)
    gc.freeze()  # what is here already need not be looked through again by each child


def beyond(files: Collection[Path]) -> list[str]:
    """The modules of `adapter` whose imports lead to none of these files."""
    modules = {name: path for path in sorted(ROOT.glob("adapter/**/*.py")) if "migrations" not in path.parts for name in [_name(path)]}
    wanted = {name: set(_imported(path, name, modules)) for name, path in modules.items()}
    reached = {name for name, path in modules.items() if path in files}
    while more := {name for name, those in wanted.items() if name not in reached and those & reached}:
        reached |= more
    return [name for name in modules if name not in reached and not name.endswith("__main__")]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path, own: str, modules: Collection[str]) -> Iterator[str]:
    """Wherever in the file it is imported, with the packages that this runs."""
    named = {own}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    for name in named & set(modules):
        parts = name.split(".")
        yield from {".".join(parts[:count]) for count in range(1, len(parts) + 1)} - {own}


def _compiled() -> None:
    """From here on, modules of ours that are imported later are compiled already."""
    codes: dict[str, CodeType] = {}
    for path in (*ROOT.glob("adapter/**/*.py"), *ROOT.glob("tests/**/*.py")):
        if _name(path) not in sys.modules:
            codes[str(path)] = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    plain = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> Any:
        return codes.get(str(self.path)) or plain(self, fullname)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def _read_once(files: Collection[Path]) -> None:
    """Documents that no mutant reaches are read here, once for all tests; the validators of R4 are compiled."""
    documents = {path.parent.name for path in files if path.suffix == ".yaml"}
    mapping, views, fhir = (sys.modules.get(f"adapter.{room}") for room in ("mapping", "views", "fhir"))
    if mapping is not None and not documents - {"views"}:
        mapping.load, mapping.Terms.load = cache(mapping.load), cache(mapping.Terms.load)
        mapping.load(ROOT / "mappings")
        mapping.Terms.load(ROOT / "mappings" / "terms")
    if views is not None and not documents:
        views.load_views = cache(views.load_views)
        views.load_views(ROOT / "mappings" / "views")
    if fhir is not None:
        fhir.warm(*fhir.CORE_TYPES)
