"""The official HL7 validator for the tier `profiles`: prepared and started once a run, offline (validator.md).

The engine and its Python half are in the shared material; what they build goes to `.work/validator`.
"""

from __future__ import annotations

import json
import os
import sys
import types
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter.cli import sandbox_java
from adapter.names import Systems
from tests.hapi_server import require_java

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("LIAISON_SHARED", ROOT.parent / "shared"))
PROGRAM = SHARED / "tools" / "validator" / "validator.py"
WORK = ROOT / ".work" / "validator"
WAIVERS = ROOT / "tests" / "profiles" / "waivers.json"
TERMS = ROOT / "mappings" / "terms"


class OfficialValidator:
    """The running engine, with the guides SDOHCC, US Core and FR Core, our own code systems, and two lists of waivers."""

    def __init__(self, program: types.ModuleType, engine: Any) -> None:
        self._program, self._engine = program, engine
        self.waive()
        self._selftest: str | None = None

    def check(self, what: Sequence[Path | dict[str, Any]], *, bundle: bool = True, strict: bool = False, profiles: Sequence[str] = ()) -> list[str]:
        """What counts against these files, folders or resources, one line each; empty when they pass. `bundle`: all of
        them as one collection, so that references between them are followed. `strict`: warnings count too.
        `profiles`: canonicals that each must satisfy besides those it claims (not with `bundle`)."""
        resources = list(read(what))
        if not resources:
            raise ValueError("nothing to validate: no resource given, or no *.json in the folders")
        bodies = [self._program.as_bundle(resources)] if bundle else [json.dumps(resource).encode() for resource in resources]
        found = [f"error {path}: no table of ours has it" for path in unknown_codes(resources, own_codes())]
        for body in bodies:
            counting, _ = self._program.split(self._engine.validate(body, profiles), self._waivers, strict)
            found += [str(issue) for issue in counting]
        return found

    def waive(self, *more: Path) -> None:
        """From now on by our own waivers and those of these files, none of which has covered anything yet."""
        self._waivers = self._program.Waivers(PROGRAM.with_name("waivers.json"), WAIVERS, *more)

    @property
    def used(self) -> dict[str, int]:
        """How often each waiver covered something."""
        return dict(self._waivers.used)

    def selftest(self) -> str:
        """What failed of the engine's own test; "" when it refuses all that it must, and accepts all that it must.
        Run once; said again when asked again."""
        if self._selftest is not None:
            return self._selftest
        said = StringIO()
        options = Namespace(profile=[], strict=False, all=False)
        waivers = self._program.Waivers(PROGRAM.with_name("waivers.json"))
        with redirect_stdout(said):
            wrong = self._program.selftest(self._engine, waivers, SHARED / "data", options)
        self._selftest = said.getvalue() if wrong else ""
        return self._selftest

    def unused(self) -> list[str]:
        """Names of our own waivers that have covered nothing so far in this run."""
        own = [rule["name"] for rule in json.loads(WAIVERS.read_text(encoding="utf-8"))["waivers"]]
        return [name for name in own if not self._waivers.used[name]]


def read(what: Sequence[Path | dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for given in what:
        if isinstance(given, dict):
            yield given
        else:
            for path in sorted(given.rglob("*.json")) if given.is_dir() else [given]:
                yield json.loads(path.read_text(encoding="utf-8"))


def own_codes(terms: Path = TERMS, systems: Systems | None = None) -> dict[str, set[str]]:
    """Our code systems: the codes of each table by the system's URL."""
    tables = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(terms.glob("*.yaml"))]
    return {(systems or Systems()).code(table["table"]): {str(code) for code in table["codes"]} for table in tables}


def unknown_codes(what: Any, own: dict[str, set[str]], path: str = "") -> Iterator[str]:
    """Where a coding names a code, or a system, of ours that does not exist. The engine looks at none of a concept's
    codings once the first is one that it cannot judge offline, as SNOMED CT's are."""
    if isinstance(what, list):
        for at, each in enumerate(what):
            yield from unknown_codes(each, own, f"{path}[{at}]")
    elif isinstance(what, dict):
        system, code = what.get("system"), what.get("code")
        if isinstance(system, str) and system.startswith(Systems().code("")) and code not in own.get(system, ()):
            yield f"{path}.code {system}#{code}"
        for name, each in what.items():
            yield from unknown_codes(each, own, f"{path}.{name}" if path else f"{what.get('resourceType', '')}.{name}")


def write_code_systems(target: Path, *, terms: Path = TERMS, systems: Systems | None = None) -> list[Path]:
    """Our tables of codes as FHIR CodeSystems, one file each in `target`, so that the engine knows every code of
    ours and refuses any other. Returns what it wrote."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for path in sorted(terms.glob("*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        name = table["table"]
        definition = {
            "resourceType": "CodeSystem",
            "id": name,
            "url": (systems or Systems()).code(name),
            "version": "1",
            "name": name.title().replace("-", ""),
            "status": "active",
            "caseSensitive": True,
            "content": "complete",
            "concept": [{"code": str(code), "display": row["fr"]} for code, row in table["codes"].items()],
        }
        written.append(target / f"CodeSystem-{name}.json")
        written[-1].write_text(json.dumps(definition, ensure_ascii=False), encoding="utf-8")
    return written


def load(program: Path, work: Path) -> types.ModuleType:
    """The validator's Python half as a module. It reads its work folder from the environment once, when loaded; and
    nothing, not even bytecode, may be written beside it."""
    before = os.environ.get("VALIDATOR_WORK")
    os.environ["VALIDATOR_WORK"] = str(work)
    module = types.ModuleType("official_validator_program")
    module.__file__ = str(program)
    sys.modules[module.__name__] = module  # its dataclasses look themselves up there
    try:
        exec(compile(program.read_text(encoding="utf-8"), str(program), "exec", dont_inherit=True), module.__dict__)
    finally:
        os.environ.pop("VALIDATOR_WORK")
        if before is not None:
            os.environ["VALIDATOR_WORK"] = before
    return module


@pytest.fixture(scope="session")
def official_validator() -> Iterator[OfficialValidator]:
    """The engine of this run. Its self-test comes first: a validator that loaded no guide would pass everything."""
    require_java()
    if not PROGRAM.is_file():
        pytest.skip("no shared material beside the repository (LIAISON_SHARED names another place)")
    WORK.mkdir(parents=True, exist_ok=True)
    program = load(PROGRAM, WORK)
    with sandbox_java.alone(WORK):
        own = WORK / "definitions"
        for old in own.glob("*.json"):
            old.unlink()
        write_code_systems(own)
        program.prepare(SHARED / "data", own)
        engine = program.Validator().__enter__()
    try:
        running = OfficialValidator(program, engine)
        if failed := running.selftest():
            pytest.fail(f"the validator cannot be trusted:\n{failed}", pytrace=False)
        yield running
    finally:
        engine.__exit__(None, None, None)
        engine.process.stdout.close()
