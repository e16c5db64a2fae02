"""Writes adapter/fhir/tables/*.json: the facts of FHIR R4 (4.0.1) that the R4B classes lack or have otherwise.

usage: python tests/tools/fhir_tables.py [--check] [FOLDER]     FOLDER holds elements.json and required-codes.json

codes.json     value set -> its codes, for required bindings that can be listed
bindings.json  element -> value set, for those bindings; an element is the R4B class name + "." + JSON name
targets.json   element -> types its references may point to, where not every type is allowed
summary.json   type or object below it -> its summary elements, choices by their common name
Facts only: names, codes and paths. With --check nothing is written; exit 1 when the tables are out of date.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("LIAISON_SHARED", ROOT.parent / "shared"))
TABLES = ROOT / "adapter" / "fhir" / "tables"


def owner(path: str) -> str:
    """The R4B class name of an element path: Task.input -> TaskInput."""
    return "".join(part[0].upper() + part[1:] for part in path.split("."))


def key(path: str) -> str:
    parent, _, name = path.rpartition(".")
    return f"{owner(parent)}.{name.removesuffix('[x]')}"


def tables(folder: Path) -> dict[str, dict[str, Any]]:
    elements = json.loads((folder / "elements.json").read_text())
    value_sets = json.loads((folder / "required-codes.json").read_text())
    codes: dict[str, Any] = {}
    bindings: dict[str, Any] = {}
    targets: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    for path, row in elements.items():
        strength, url = row.get("binding", ("", ""))
        systems = value_sets.get(url, {})
        if strength == "required" and systems and None not in systems.values():
            name = url.rsplit("/", 1)[1]
            bindings[key(path)] = name
            codes[name] = sorted({code for listed in systems.values() for code in listed})
        if row.get("targets", ["Resource"]) != ["Resource"] and "Reference" in row["types"]:
            targets[key(path)] = sorted(row["targets"])
        if row.get("summary") and f"{path.split('.')[0]}.implicitRules" in elements and "." in path:
            parent, _, name = path.rpartition(".")
            summary.setdefault(owner(parent), []).append(name.removesuffix("[x]"))
    codes["resource-types"] = sorted(value_sets["http://hl7.org/fhir/ValueSet/resource-types"]["http://hl7.org/fhir/resource-types"])
    codes["served-types"] = sorted(path for path, row in elements.items() if "." not in path and f"{path}.implicitRules" in elements)
    return {"codes": codes, "bindings": bindings, "targets": targets, "summary": {name: sorted(found) for name, found in summary.items()}}


def text(table: dict[str, Any]) -> str:
    lines = (f"{json.dumps(name)}: {json.dumps(table[name])}" for name in sorted(table))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    folders = [Path(a) for a in arguments if a != "--check"]
    stale = []
    for name, table in tables(folders[0] if folders else SHARED / "data" / "r4").items():
        file = TABLES / f"{name}.json"
        if check and file.read_text() != text(table):
            stale.append(file.name)
        elif not check:
            file.write_text(text(table))
    if stale:
        print("out of date: " + ", ".join(stale) + " (run python tests/tools/fhir_tables.py)")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
